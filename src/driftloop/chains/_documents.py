"""Tables as JSON: a line an object, a list of them, or objects that hold such lists."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any

from ..errors import ChainError
from ._encoded import Encoding, open_text
from ._forms import Forms
from ._rows import Place
from ._sheet import MAX_LINE, Cells, Damage, Record, Whole

MAX_DOCUMENT = 500_000_000
"""Bytes of a file that has to be read whole."""
KEY_ROWS = 1_000
MAX_KEYS = 1_000


class Documents:
    """One file of JSON, whatever its ending.

    Args:
        file: The file.
        name: What it is called in the source.
        encoding: How its bytes are read.
        is_round: Whether a key is the number of a round.

    Raises:
        ChainError: It cannot be read, or holds no rows.
    """

    def __init__(
        self, file: Path, name: str, encoding: Encoding, is_round: Callable[[str], bool]
    ) -> None:
        self.file = file
        self.name = name
        self.commas = False
        self._encoding = encoding
        self._forms = Forms(is_round)
        suffix = file.suffix.lower()
        self._lined = self._has_lines(suffix)
        self.mended = self._forms.mended
        self._rows: list[Cells | Damage] = [] if self._lined else self._read_whole()
        keys: dict[str, None] = {}
        for row in islice(self._each(), KEY_ROWS):
            if isinstance(row, Record):
                keys.update(dict.fromkeys(islice(row.cells, MAX_KEYS)))
        self.names = list(keys)[:MAX_KEYS]
        told = [encoding.note] if encoding.note else []
        if self._lined != {".jsonl": True, ".ndjson": True, ".json": False}.get(suffix):
            told.append("as JSON lines" if self._lined else "as one JSON document")
        self.note = ", ".join(told)

    def records(self, columns: Collection[str], whole: Whole) -> Iterator[Record | Damage]:
        """Every row; not every object needs to have every key."""
        yield from self._each()

    def _each(self) -> Iterator[Record | Damage]:
        if self._lined:
            with open_text(self.file, self._encoding, newline=None) as stream:
                yield from self._lines(stream)
            return
        for number, row in enumerate(self._rows, 1):
            place = Place(self.name, number)
            yield row._replace(place=place) if isinstance(row, Damage) else Record(place, row)

    def _lines(self, stream: IO[str]) -> Iterator[Record | Damage]:
        number = 0
        while line := stream.readline(MAX_LINE):
            number += 1
            place = Place(self.name, number)
            if len(line) == MAX_LINE and not line.endswith("\n"):
                while (rest := stream.readline(MAX_LINE)) and not rest.endswith("\n"):
                    pass
                yield Damage(place, f"the line has more than {MAX_LINE:,} characters", line[:200])
            elif line.strip():
                yield from self._rows_in(place, line)

    def _rows_in(self, place: Place, line: str) -> Iterator[Record | Damage]:
        """The row of a line, or those of a chain that is in one."""
        try:
            cells = parse(line.lstrip("\ufeff"))
        except (ValueError, RecursionError) as error:
            yield Damage(place, f"the line is no JSON: {error}", line)
            return
        if not isinstance(cells, dict):
            yield Damage(place, "the line is no JSON object", line)
            return
        for row in self._forms.in_line(cells, place.line or 0):
            yield row._replace(place=place) if isinstance(row, Damage) else Record(place, row)

    def _has_lines(self, suffix: str) -> bool:
        """Whether each line is an object of its own."""
        with open_text(self.file, self._encoding, newline=None) as stream:
            lines = iter(lambda: stream.readline(MAX_LINE), "")
            first = next((line for line in lines if line.strip()), "")
            more = any(line.strip() for line in lines)
        try:
            found = parse(first)
        except (ValueError, RecursionError):
            # A document over several lines, or lines the first of which is damaged.
            lined = suffix in (".jsonl", ".ndjson") or first.lstrip()[:1] == "{"
            return lined and len(first.strip()) > 1 and not self._is_whole()
        nested = isinstance(found, dict) and any(
            isinstance(value, list | dict) and value for value in found.values()
        )
        return isinstance(found, dict) and (more or not nested)

    def _is_whole(self) -> bool:
        if self.file.stat().st_size > MAX_DOCUMENT:
            return False
        with open_text(self.file, self._encoding) as stream:
            try:
                parse(stream.read())
            except (ValueError, RecursionError):
                return False
        return True

    def _read_whole(self) -> list[Cells | Damage]:
        if self.file.stat().st_size > MAX_DOCUMENT:
            raise ChainError(
                f"{self.file}: a JSON document of more than {MAX_DOCUMENT:,} bytes; write it as "
                f"JSON lines, an object a line"
            )
        with open_text(self.file, self._encoding) as stream:
            text = stream.read()
        if not text.strip("\ufeff \t\r\n"):
            raise ChainError(f"{self.file}: empty; a table of JSON has an object for each row")
        try:
            return list(self._forms.in_document(parse(text)))
        except ValueError:
            return list(self._salvage(text))
        except RecursionError:
            raise ChainError(f"{self.file}: nested too deeply to be read") from None

    def _salvage(self, text: str) -> Iterator[Cells | Damage]:
        """The objects of a damaged list one by one; what is between them is told."""
        decoder = json.JSONDecoder(object_pairs_hook=_once, parse_int=_integer)
        at = 0
        while at < len(text):
            if text[at] in " \t\r\n,[]\x1e\ufeff":
                at += 1
                continue
            try:
                found, end = decoder.raw_decode(text, at)
                if not isinstance(found, dict):
                    raise ValueError("no object")
                yield found
                at = end
            except (ValueError, RecursionError) as error:
                # The next object begins on a line of its own, no further in than this one.
                inwards = at - text.rfind("\n", 0, at) - 1
                after = re.compile(rf"\n[ \t,]{{0,{max(1, inwards)}}}(?={{)").search(text, at)
                end = after.end() if after else len(text)
                taken = text[at:end].strip().count("\n") + 1
                some = "1 line" if taken == 1 else f"{taken:,} lines"
                reason = f"the object is no JSON: {some} kept out with it; {error}"
                yield Damage(Place(self.name, None), reason, text[at : at + 200])
                at = end


def parse(text: str) -> Any:
    """A JSON document, in which no object has a key twice.

    Raises:
        ValueError: It is none.
        RecursionError: It is too deep.
    """
    return json.loads(text, object_pairs_hook=_once, parse_int=_integer)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        double = next(key for at, key in enumerate(keys) if key in keys[:at])
        raise ValueError(f"the key '{double}' comes twice in an object")
    return found


def _integer(digits: str) -> int | str:
    """Python refuses to read thousands of digits, and the rest of the row may be sound."""
    return int(digits) if len(digits) <= 30 else digits
