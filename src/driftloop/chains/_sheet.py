"""What every kind of table gives: records, and what of it is no record."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from ._rows import Place

Cells = Mapping[str, Any]
Whole = Callable[[Cells], bool]

MAX_LINE = 150_000_000
"""Characters of a line: a picture's file may be in it, written as text."""


class Record(NamedTuple):
    """A row of a table, cells by the name of their column; an absent one has none."""

    place: Place
    cells: Cells


class Damage(NamedTuple):
    """A row that cannot be read."""

    place: Place
    reason: str
    content: str = ""


class Sheet(Protocol):
    """One file with a table in it."""

    names: list[str]
    """Its columns, as far as they are known before its rows are read."""
    note: str
    """How it was read, where that is not plain."""
    commas: bool
    """Whether a comma may be a decimal point in it."""
    mended: dict[str, int]
    """Rows that were read otherwise than they stand, by how."""

    def records(self, columns: Collection[str], whole: Whole) -> Iterator[Record | Damage]:
        """Every row, in order.

        Args:
            columns: Those that are needed; others may be left out.
            whole: Whether cells look like a row of this table, which tells one from a line of text.
        """
        ...
