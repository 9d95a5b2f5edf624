"""What a row may hold, of each table: said once, for all that read a run and for the doctor.

A reader has its rows checked by :func:`checked`, many at a time, which costs little. What is wrong
is then looked for by :func:`bad_rows`, which names table, row and column.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from types import GenericAlias
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Json,
    TypeAdapter,
    ValidationError,
)

from ._sums import KEYS, SEALED, NotText, checksum, lenient

CHUNK = 10_000
"""Rows that are in memory at once."""
LONGEST_GAP = 1_000
"""Rounds that may be missing between two steps: measures hold an array as long as the last."""

_LAST_SECOND = 253_402_300_799
"""Of the year 9999."""


class _Shape(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")


class _Invariance(_Shape):
    verdict: str
    different: int = 0
    compared: int = 0
    largest: float = 0.0


class _Details(_Shape):
    settings: dict[str, Any] = {}
    limits: dict[str, Any] = {}
    invariance: _Invariance | None = None
    identity: str | None = None


class _Environment(_Shape):
    versions: dict[str, Any] = {}
    memory_bytes: float | None = None
    steps_asked: int | None = None


class _Prompt(_Shape):
    image: str | None = None


class _Study(_Shape):
    prompts: list[str | _Prompt] | str = []
    imported: dict[str, Any] | None = None


def _parse(value: object) -> Any:
    if not isinstance(value, str):
        raise ValueError("it is no text")
    if value == "[]":
        return []
    try:
        return json.loads(value)
    except RecursionError:
        raise ValueError("its JSON is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"it is no JSON ({error})") from None


def _like(shape: type[BaseModel]) -> Any:
    """JSON of an object whose known parts are as a shape has them, all of it kept."""

    def compare(value: dict[str, Any]) -> dict[str, Any]:
        try:
            shape.model_validate(value)
        except ValidationError as error:
            raise ValueError(_first(error)) from None
        return value

    return Annotated[dict[str, Any], AfterValidator(compare), BeforeValidator(_parse)]


def _finite(value: bytes) -> bytes:
    import numpy as np

    if not value or len(value) % 4:
        raise ValueError(f"{len(value)} bytes are no vector of 32-bit numbers")
    if not np.isfinite(np.frombuffer(value, np.float32)).all():
        raise ValueError("a number of the vector is not finite")
    return value


Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Count = Annotated[int, Field(ge=0, le=1_000_000_000)]
Round = Annotated[int, Field(ge=1, le=1_000_000)]
Time = Annotated[float, Field(ge=0, le=_LAST_SECOND, allow_inf_nan=False)]
# A clock that was set back has given negative ones; who adds them up leaves those out.
Seconds = Annotated[float, Field(ge=-1e9, le=1e9, allow_inf_nan=False)]
Kind = Literal["text", "image"]
Role = Literal["generator", "captioner", "editor", "writer", "chooser"]
Flags = Annotated[list[str], BeforeValidator(_parse)]
_Read = tuple[Count, Count, str]
"""Of older versions: tokens, those that were cut, the words of those."""
Readings = Json[list[tuple[Count, Count, str, str] | _Read]]

COLUMNS: dict[str, dict[str, Any]] = {
    "studies": {"digest": str, "json": _like(_Study), "since": Time},
    "sessions": {
        "id": Whole, "study": str, "started": Time, "ended": Time | None, "outcome": str | None,
        "environment": _like(_Environment),
    },
    "prompts": {"id": str, "kind": Kind, "value": str, "source": str, "flags": Flags},
    "players": {
        "fingerprint": str, "model": str, "role": Role,
        "batch_size": Annotated[int, Field(ge=1, le=1_000_000)] | None,
        "details": _like(_Details),
    },
    "texts": {"id": Whole, "digest": Annotated[bytes, Field(min_length=32, max_length=32)],
              "value": str},
    "calls": {
        "key": str, "fingerprint": str, "input_kind": Kind | None, "input": str | Whole | None,
        "seed": Whole | None, "output_kind": Kind, "output": str | Whole, "readings": Readings,
        "tokens_written": Count | None, "cut_text": str, "flags": Flags, "session": Whole,
        "started": Time | None, "seconds": Seconds | None,
    },
    "trajectories": {"id": Whole, "arm": str, "prompt": str, "twin": Count},
    "steps": {
        "trajectory": Whole, "step": Count, "round": Round, "role": Role, "slot": str, "model": str,
        "call": str, "shared": Annotated[int, Field(ge=0, le=1)],
    },
    "inputs": {
        "call": str, "place": Count, "kind": Literal["text", "image", "states"],
        "value": str | Whole,
    },
    "states": {
        "id": Whole, "digest": Annotated[bytes, Field(min_length=16, max_length=16)],
        "before": Whole | None, "kind": Kind | None, "value": str | Whole | None,
    },
    "failures": {
        "id": Whole, "trajectory": Whole, "step": Count, "round": Count, "model": str,
        "reason": str, "trace": str, "session": Whole, "time": Time,
    },
    "embeddings": {"encoder": str, "content": str,
                   "vector": Annotated[bytes, AfterValidator(_finite)]},
}  # fmt: skip
"""Tables and their columns, in the order in which a row's checksum takes them."""


_TEXTS: dict[Any, set[type]] = {str: {str}, str | None: {str, type(None)}}

PARTS = """
SELECT s.trajectory, s.step, s.round, CASE
 WHEN t.id IS NULL THEN 'trajectory'
 WHEN c.key IS NULL THEN 'call'
 WHEN c.output_kind = 'text' AND o.id IS NULL OR c.output IS NULL THEN 'text'
 WHEN c.output_kind = 'image' AND typeof(c.output) <> 'text' THEN 'picture'
 WHEN c.input_kind = 'text' AND i.id IS NULL OR (c.input_kind IS NULL) <> (c.input IS NULL)
 THEN 'input' END
FROM steps s LEFT JOIN trajectories t ON t.id = s.trajectory LEFT JOIN calls c ON c.key = s.call
LEFT JOIN texts o ON c.output_kind = 'text' AND o.id = c.output
LEFT JOIN texts i ON c.input_kind = 'text' AND i.id = c.input
ORDER BY s.trajectory, s.step
"""
"""Steps and what they lack."""


class BadRow(NamedTuple):
    """A row that does not hold what it should."""

    table: str
    key: tuple[Any, ...]
    """The values that name it."""
    what: str

    def __str__(self) -> str:
        """Where it is, and what is wrong with it."""
        return f"table {self.table}, row {name_row(self.key)}: {self.what}"


class UncheckedError(Exception):
    """Rows of a file that do not hold what they should; :func:`bad_rows` says which."""


def name_row(key: Sequence[object]) -> str:
    """What names a row, for a message."""
    return ", ".join(str(part) if isinstance(part, int) else repr(part)[:60] for part in key)


def checked(rows: Sequence[Sequence[Any]], *kinds: Any) -> list[tuple[Any, ...]]:
    """Rows whose values are what they should be, with JSON as what it stands for.

    Args:
        rows: As SQLite gives them.
        kinds: What each column holds: one as ``"table.name"``, or a type.

    Raises:
        UncheckedError: One is something else.
    """
    try:
        return _adapter(kinds).validate_python(rows)
    except ValidationError as error:
        raise UncheckedError(_first(error)) from error


def checked_columns(columns: Sequence[Sequence[Any]], *kinds: Any) -> list[Sequence[Any]]:
    """Columns whose values are what they should be: the same for many rows, and fast.

    Each value is looked at once, however many rows have it, so that what JSON stands for is shared.

    Args:
        columns: The values of each.
        kinds: What each holds: a column as ``"table.name"``, or a type.

    Raises:
        UncheckedError: One is something else.
    """
    found = []
    for values, kind in zip(columns, kinds, strict=True):
        of = _kind(kind)
        if of in _TEXTS:
            # Texts may be anything, and most are seldom twice there.
            if not {*map(type, values)} <= _TEXTS[of]:
                raise UncheckedError(f"{kind} is no text")
            found.append(values)
            continue
        distinct = [*set(values)]
        try:
            whole = _column(kind).validate_python(distinct)
        except ValidationError as error:
            raise UncheckedError(_first(error)) from error
        if whole != distinct:
            meaning = dict(zip(distinct, whole, strict=True))
            values = [meaning[value] for value in values]
        found.append(values)
    return found


def bad_rows(db: sqlite3.Connection, table: str, *, sums: bool = False) -> Iterator[BadRow]:
    """Rows of a table that do not hold what they should.

    Args:
        db: The file.
        table: One of :data:`COLUMNS`.
        sums: Compare checksums too, which says whether a row is as it was written.
    """
    columns, sums = COLUMNS[table], sums and table in SEALED
    keys = [list(columns).index(name) for name in KEYS[table]]
    names = ", ".join([*columns, *["checksum"] * sums])
    adapter = _adapter(tuple(f"{table}.{name}" for name in columns))
    with read_as(db, lenient):
        cursor = db.execute(f"SELECT {names} FROM {table}")
        while rows := cursor.fetchmany(CHUNK):
            seals = [row[-1] for row in rows] if sums else []
            plain = [row[:-1] for row in rows] if sums else rows
            for place, what in _wrong(adapter, plain, list(columns)).items():
                yield BadRow(table, tuple(plain[place][key] for key in keys), what)
                if sums:
                    seals[place] = checksum(plain[place])
            for row, seal in zip(plain, seals, strict=False):
                if checksum(row) != seal:
                    what = "it is not as it was written: its checksum is another"
                    yield BadRow(table, tuple(row[key] for key in keys), what)


def first_bad_row(db: sqlite3.Connection) -> BadRow | None:
    """Of all tables the first row that a reader cannot take."""
    return next((bad for table in COLUMNS for bad in bad_rows(db, table)), None)


def missing_part(db: sqlite3.Connection) -> BadRow | None:
    """The first step whose trajectory, call or text is not there, or whose round cannot be."""
    before: tuple[int, int] | None = None
    for trajectory, step, round, lost in db.execute(PARTS):
        last = before[1] if before and before[0] == trajectory else 0
        if lost is not None:
            return BadRow("steps", (trajectory, step), f"its {lost} is not there")
        if round - last > LONGEST_GAP + 1:
            what = f"round {round} cannot come after round {last}"
            return BadRow("steps", (trajectory, step), what)
        before = trajectory, round
    return None


@contextmanager
def read_as(db: sqlite3.Connection, decode: Callable[[bytes], object]) -> Iterator[None]:
    """Read texts otherwise than as UTF-8 that has no mistake."""
    before, db.text_factory = db.text_factory, decode
    try:
        yield
    finally:
        db.text_factory = before


@cache
def _column(kind: Any) -> TypeAdapter[list[Any]]:
    return _list_of(_kind(kind))


@cache
def _adapter(kinds: tuple[Any, ...]) -> TypeAdapter[list[tuple[Any, ...]]]:
    return _list_of(GenericAlias(tuple, tuple(_kind(kind) for kind in kinds)))


def _kind(kind: Any) -> Any:
    if not isinstance(kind, str):
        return kind
    table, _, column = kind.partition(".")
    return COLUMNS[table][column]


def _list_of(kind: Any) -> TypeAdapter[list[Any]]:
    rows: Any = GenericAlias(list, (kind,))
    return TypeAdapter(rows, config=ConfigDict(strict=True))


def _wrong(
    adapter: TypeAdapter[Any], rows: Sequence[Sequence[Any]], columns: Sequence[str]
) -> dict[int, str]:
    """What is wrong, by the place of the row: the first thing of each."""
    found = {
        place: f"{columns[[*map(type, row)].index(NotText)]} is no text: its bytes are no UTF-8"
        for place, row in enumerate(rows)
        if NotText in map(type, row)
    }
    try:
        adapter.validate_python(rows)
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_context=False):
            row, column, *_ = (int(part) for part in problem["loc"][:2])
            value = repr(rows[row][column])
            shown = value if len(value) <= 60 else f"{value[:57]}..."
            found.setdefault(row, f"{columns[column]} is {shown}: {_say(problem['msg'])}")
    return found


def _first(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in problem["loc"])
    return f"{place}: {_say(problem['msg'])}" if place else _say(problem["msg"])


def _say(message: str) -> str:
    """What pydantic says, as the end of a sentence."""
    message = message.removeprefix("Value error, ").replace("Input should be", "it should be")
    return message[:1].lower() + message[1:] if message[1:2].islower() else message
