"""Tables as text with delimiters: CSV in all its dialects, read so that damage stays in its row."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import IO

from ..errors import ChainError
from ._encoded import Encoding, open_text
from ._rows import Place
from ._sheet import MAX_LINE, Damage, Record, Whole

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
SUFFIXES = (".csv", ".tsv", ".tab")
SAMPLE_LINES = 50
MAX_WITHIN = 16_000_000
"""Characters of the further lines of one record."""
RUN = 20
"""Lines in a row that are whole records, inside quotes: the quotes are a mistake."""
_SEP = re.compile(r'"?sep=(.)"?,*\s*', re.IGNORECASE)


class _EndlessError(Exception):
    """A record goes on over lines that are records of their own."""


class Delimited:
    """One file of cells and delimiters.

    Args:
        file: The file.
        name: What it is called in the source.
        encoding: How its bytes are read.
        known: Whether a column name means something, which tells the delimiter.

    Raises:
        ChainError: It cannot be read, or is empty.
    """

    def __init__(
        self, file: Path, name: str, encoding: Encoding, known: Callable[[str], bool]
    ) -> None:
        self.file = file
        self.name = name
        self.mended: dict[str, int] = {}
        self._encoding = encoding
        csv.field_size_limit(MAX_LINE)
        with open_text(file, encoding) as stream:
            lines = [line for _ in range(SAMPLE_LINES) if (line := stream.readline(MAX_LINE))]
        said = _SEP.fullmatch(lines[0]) if lines else None
        self._skip = 1 if said else 0
        usual = "\t" if file.suffix.lower() in (".tsv", ".tab") else ","
        if said:
            self._delimiter = said[1]
        else:
            # Of those that tell as much, the usual one.
            self._delimiter = max(
                (usual, *DELIMITERS), key=lambda each: _fitness(_header(lines, each), known)
            )
        self._header = _header(lines[self._skip :], self._delimiter)
        if not self._header:
            raise ChainError(f"{file}: empty; a table begins with a line of column names")
        self.names = [name for name in self._header if name]
        self._columns = [name or f"(column {at})" for at, name in enumerate(self._header, 1)]
        # Excel writes delimiters without names where a sheet had more columns once.
        self._least = max((at for at, name in enumerate(self._header, 1) if name), default=0)
        self.commas = self._delimiter != ","
        told = [encoding.note] if encoding.note else []
        if self._delimiter != usual or file.suffix.lower() not in SUFFIXES:
            what = DELIMITERS.get(self._delimiter, repr(self._delimiter))
            told.append(f"with cells separated by {what}")
        self.note = ", ".join(told)

    def records(self, columns: Collection[str], whole: Whole) -> Iterator[Record | Damage]:
        """Every row; blank lines are none."""
        with open_text(self.file, self._encoding) as stream:
            yield from _Pass(self, _Lines(stream), whole).rows()

    def place(self, line: int) -> Place:
        """Where a line is."""
        return Place(self.name, line)

    def record(self, line: int, cells: list[str]) -> Record:
        """A row; a CSV file cannot tell an empty text from none."""
        named = zip(self._columns, cells, strict=True)
        return Record(self.place(line), {name: cell for name, cell in named if cell != ""})

    def fit(self, cells: list[str]) -> list[str] | None:
        """Cells as many as there are columns; None where one too many or too few says something."""
        width = len(self._columns)
        if len(cells) > width and not any(cell.strip() for cell in cells[width:]):
            return cells[:width]
        if self._least <= len(cells) <= width:
            return [*cells, *[""] * (width - len(cells))]
        return None

    def mend(self, how: str, count: int = 1) -> None:
        """Count rows that were read otherwise than they stand."""
        self.mended[how] = self.mended.get(how, 0) + count

    @property
    def least(self) -> int:
        """How many cells a row has at least: up to the last column with a name."""
        return self._least

    @property
    def delimiter(self) -> str:
        """What is between cells."""
        return self._delimiter

    @property
    def width(self) -> int:
        """How many columns there are."""
        return len(self._columns)

    @property
    def skip(self) -> int:
        """Lines before the line of column names."""
        return self._skip


class _Lines:
    """Physical lines, some of which can be taken back."""

    def __init__(self, stream: IO[str]) -> None:
        self.taken: list[str] = []
        self.number = 0
        """Of the last line that was taken."""
        self.all_whole = True
        """Whether all lines of the record but the first are records of their own."""
        self.whole: Callable[[str], bool] = lambda line: False
        self._stream = stream
        self._back: deque[str] = deque()
        self._held = self._run = 0

    def begin(self) -> None:
        """Begin a record."""
        self.taken = []
        self.all_whole = True
        self._held = self._run = 0

    def take_back(self) -> None:
        """Let all lines of this record but its first be read again."""
        again = self.taken[1:]
        self._back.extendleft(reversed(again))
        self.number -= len(again)
        del self.taken[1:]

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._back.popleft() if self._back else self._stream.readline(MAX_LINE)
        if not line:
            raise StopIteration
        self.taken.append(line)
        self.number += 1
        if len(self.taken) > 1:
            self._held += len(line)
            whole = self.whole(line)
            self.all_whole = self.all_whole and whole
            self._run = self._run + 1 if whole else 0
            if self._run >= RUN or self._held > MAX_WITHIN:
                raise _EndlessError
        return line


class _Pass:
    """One reading of a file."""

    def __init__(self, sheet: Delimited, lines: _Lines, whole: Whole) -> None:
        self._sheet = sheet
        self._lines = lines
        self._whole = whole
        self._reader = csv.reader(lines, delimiter=sheet.delimiter, strict=True)
        self._open: list[str] = []
        self._first = 0
        self._swallowed = 0
        """The last line that an open quote had swallowed."""
        lines.whole = self._is_whole

    def rows(self) -> Iterator[Record | Damage]:
        """Every row after the line of column names."""
        for _ in range(self._sheet.skip):
            next(self._lines)
        heading = True
        while True:
            self._lines.begin()
            cells = self._next()
            if not self._lines.taken:
                break
            if heading:
                if cells is None:
                    self._lines.take_back()
                heading = cells is not None and not any(cell.strip() for cell in cells)
                continue
            yield from self._row(cells)
        yield from self._end_damage()

    def _next(self) -> list[str] | None:
        """The next record as it stands; None where it is damaged."""
        try:
            return next(self._reader, [])
        except (csv.Error, _EndlessError):
            return None

    def _row(self, cells: list[str] | None) -> Iterator[Record | Damage]:
        sheet, lines = self._sheet, self._lines
        if cells is not None and not any(cell.strip() for cell in cells):
            return
        whole = sheet.fit(cells) if cells is not None else None
        if len(lines.taken) > 1 and (
            # A quote in the wrong place makes one record of several.
            whole is None or lines.all_whole
        ):
            self._swallowed = max(self._swallowed, lines.number)
            lines.take_back()
            cells = whole = None
        first = lines.number - len(lines.taken) + 1
        line = lines.taken[0]
        if whole is None and cells is None:
            whole = self._mended(line)
        if whole is not None:
            yield from self._end_damage()
            if first <= self._swallowed:
                sheet.mend("rows read one by one after a quote that is never closed")
            yield sheet.record(first, whole)
        elif cells is not None and not self._open:
            count = f"{len(cells)} of {sheet.width}"
            yield Damage(sheet.place(first), f"the line has another number of cells: {count}", line)
        elif self._open and self._loose(line) is None:
            self._open.append(line)
        else:
            yield from self._end_damage()
            self._open, self._first = [line], first

    def _end_damage(self) -> Iterator[Damage]:
        """Tell of a damaged row, with the lines after it that are part of no other."""
        if self._open:
            count = len(self._open)
            yield Damage(
                self._sheet.place(self._first),
                f"a quote is opened and not closed as it should be: "
                f"{count:,} line{'s' if count > 1 else ''} kept out with it",
                "".join(self._open[:5]),
            )
            self._open = []

    def _is_whole(self, line: str) -> bool:
        """Whether a line is a record by itself, as far as can be seen."""
        cells = self._loose(line)
        return cells is not None and self._whole(self._sheet.record(0, cells).cells)

    def _loose(self, line: str) -> list[str] | None:
        """A line's cells whatever its quotes are; None where these are not as many as columns."""
        if line.count(self._sheet.delimiter) < self._sheet.least - 1:
            return None
        return self._sheet.fit([cell for cell, _ in split_loosely(line, self._sheet.delimiter)])

    def _mended(self, line: str) -> list[str] | None:
        """The cells of a line whose quotes can only be meant in one way."""
        parts = split_loosely(line, self._sheet.delimiter)
        if any(
            cell.startswith('"') and cell.count('"') % 2 for cell, quoted in parts if not quoted
        ):
            return None
        cells = self._sheet.fit([cell for cell, _ in parts])
        if cells is not None and any(cell.strip() for cell in cells):
            self._sheet.mend(
                "rows with quotes inside a text that are not doubled, read all the same"
            )
        return cells


def split_loosely(line: str, delimiter: str) -> list[tuple[str, bool]]:
    r"""Split a line into cells, and whether each is between quotes, with quotes inside them.

    A quote ends a cell where a delimiter or the end of the line follows.

    >>> split_loosely('a,"He says "no", twice"', ",")
    [('a', False), ('He says "no', True), (' twice"', False)]
    >>> split_loosely('a,"A sign: \\"Open\\""', ",")
    [('a', False), ('A sign: "Open"', True)]
    """
    line = line.rstrip("\r\n")
    stop_here = rf"(?:{re.escape(delimiter)}|$)"
    inside = re.compile(rf'"((?:\\"|[^"\\]|\\(?!")|"(?!{stop_here}))*)"(?={stop_here})')
    cells = []
    at = 0
    while True:
        found = inside.match(line, at)
        if found:
            cells.append((found[1].replace('\\"', '"').replace('""', '"'), True))
            at = found.end()
        else:
            stop = line.find(delimiter, at)
            stop = len(line) if stop < 0 else stop
            cells.append((line[at:stop], False))
            at = stop
        if at >= len(line):
            return cells
        at += len(delimiter)


def _header(lines: list[str], delimiter: str) -> list[str]:
    """The names in the first line that has any; empty where there is none."""
    for cells in csv.reader(lines, delimiter=delimiter):
        names = [cell.strip().lstrip("\ufeff").strip() for cell in cells]
        if any(names):
            return names
    return []


def _fitness(header: list[str], known: Callable[[str], bool]) -> tuple[int, int]:
    return sum(map(known, header)), len(header)
