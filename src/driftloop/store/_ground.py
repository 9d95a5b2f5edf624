"""What the doctor stands on: a run that is looked at, and what is wrong with it."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from ._run import Run

Kind = Literal[
    "database", "row", "text", "key", "input", "gap", "picture", "leftover", "orphan"
]  # fmt: skip

PICTURES = "images"
"""Where a picture is, as a row is in a table."""


class Trouble(NamedTuple):
    """Something that is not as it should be."""

    kind: Kind
    what: str
    table: str | None = None
    """Where the row is that a repair takes out; None where none does."""
    key: tuple[Any, ...] = ()
    """What names the row."""


@dataclass
class Ground:
    """A run that is looked at, and what was found before."""

    run: Run
    imported: bool
    """Whether its steps were played elsewhere."""
    found: set[tuple[str | None, tuple[Any, ...]]] = field(default_factory=set)
    """Tables and keys of rows."""
    unsure: set[str] = field(default_factory=set)
    """Calls whose key is not that of what they took: it may be that of a place."""

    @property
    def db(self) -> sqlite3.Connection:
        """The file."""
        return self.run._db


def shown(value: object) -> str:
    """A value for a message, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
