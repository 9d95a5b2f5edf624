"""CSV files that leave the project: a spreadsheet shows their texts, and runs none of them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import IO

_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
"""How a text begins that a spreadsheet may take for a formula, apostrophes before it left out."""


def escaped(text: str) -> str:
    """A text as a cell: with an apostrophe before what a spreadsheet might run.

    >>> escaped("=1+1"), escaped("'=1+1"), escaped("a cat, 'tis")
    ("'=1+1", "''=1+1", "a cat, 'tis")
    """
    return f"'{text}" if _FORMULA.match(text) else text


def restored(cell: str) -> str:
    """The text that was escaped into a cell.

    >>> restored("'=1+1"), restored("''=1+1"), restored("'tis"), restored("-5")
    ('=1+1', "'=1+1", "'tis", '-5')
    """
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def write_csv(
    stream: IO[bytes], names: Sequence[str], rows: Iterable[Iterable[str | float | None]]
) -> None:
    """Write a table in UTF-8: texts escaped, numbers as they are, empty cells for nothing.

    Args:
        stream: A file that is open for writing bytes.
        names: The columns.
        rows: Their cells; a number of ours is no text of others, be it negative.
    """
    text = io.TextIOWrapper(stream, "utf-8", errors="backslashreplace", newline="")
    try:
        table = csv.writer(text)
        table.writerow(names)
        for row in rows:
            table.writerow([escaped(cell) if isinstance(cell, str) else cell for cell in row])
    finally:
        # The stream is its opener's to close.
        text.detach()
