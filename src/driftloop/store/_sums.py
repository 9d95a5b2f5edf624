"""A checksum in each row: what follows from nothing else in the file cannot change unseen.

When a call began, how long it took, what a player was told: nothing else in a run says it. So each
row but those of ``texts``, which have a digest, ends with a CRC-32 of its other columns. It finds
every single flipped bit and nearly every other change. It is no signature: a person who changes a
row on purpose can compute it.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable, Sequence
from functools import cache

SEALED = {
    "studies": ("digest", "json", "since"),
    "sessions": ("id", "study", "started", "ended", "outcome", "environment"),
    "prompts": ("id", "kind", "value", "source", "flags"),
    "players": ("fingerprint", "model", "role", "batch_size", "details"),
    "calls": (
        "key", "fingerprint", "input_kind", "input", "seed", "output_kind", "output", "readings",
        "tokens_written", "cut_text", "flags", "session", "started", "seconds",
    ),
    "trajectories": ("id", "arm", "prompt", "twin"),
    "steps": ("trajectory", "step", "round", "role", "slot", "model", "call", "shared"),
    "inputs": ("call", "place", "kind", "value"),
    "states": ("id", "digest", "before", "kind", "value"),
    "failures": (
        "id", "trajectory", "step", "round", "model", "reason", "trace", "session", "time",
    ),
    "embeddings": ("encoder", "content", "vector"),
}  # fmt: skip
"""The columns that a row's checksum is of. A migration that adds one seals the table again."""
KEYS = {
    "studies": ("digest",),
    "sessions": ("id",),
    "prompts": ("id",),
    "players": ("fingerprint", "model"),
    "calls": ("key",),
    "trajectories": ("id",),
    "steps": ("trajectory", "step"),
    "inputs": ("call", "place"),
    "states": ("id",),
    "failures": ("id",),
    "embeddings": ("encoder", "content"),
    "texts": ("id",),
}
"""What names a row of each table."""


_PLAIN = {str, int, float, type(None)}


def checksum(values: Iterable[object]) -> int:
    """The checksum of a row, in four bytes with a sign, which is the least that SQLite stores.

    Args:
        values: As SQLite gives them back, or as it takes them: integers, floats where it keeps
            floats, texts, bytes and None.
    """
    plain = tuple([value if type(value) in _PLAIN else _plain(value) for value in values])
    # Written in ASCII it is the same in every version of Python, whatever Unicode has added.
    return zlib.crc32(ascii(plain).encode("ascii")) - 2**31


def _plain(value: object) -> object:
    """A value as SQLite gives it back."""
    if isinstance(value, bytes):
        return len(value), zlib.crc32(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return int(value)
    return float(value) if isinstance(value, float) else value


def sealed(*values: object) -> tuple[object, ...]:
    """A row with its checksum behind it, to be inserted; values are as :func:`checksum` says."""
    return (*values, checksum(values))


def put_row(db: sqlite3.Connection, table: str, *values: object, how: str = "INSERT") -> int:
    """Insert a row, sealed.

    Args:
        db: The file.
        table: One that is sealed.
        values: Of its columns, in the order of :data:`SEALED`.
        how: What to do, as SQL has it.

    Returns:
        The number that SQLite gave the row, where the table has such.
    """
    return int(db.execute(_statement(table, how), sealed(*values)).lastrowid or 0)


@cache
def _statement(table: str, how: str) -> str:
    columns = SEALED[table]
    marks = ", ".join("?" * (len(columns) + 1))
    return f"{how} INTO {table} ({', '.join(columns)}, checksum) VALUES ({marks})"


def next_id(db: sqlite3.Connection, table: str) -> int:
    """The number that a new row will have, which its checksum is also of."""
    ((last,),) = db.execute(f"SELECT coalesce(max(id), 0) FROM {table}")
    return int(last) + 1


def change_row(
    db: sqlite3.Connection, table: str, key: Sequence[object], **changes: object
) -> bool:
    """Change a row that is there, and its checksum.

    A row that is damaged already keeps the checksum that says so.

    Returns:
        Whether there is such a row.
    """
    columns = SEALED[table]
    where = " AND ".join(f"{name} = ?" for name in KEYS[table])
    found = db.execute(
        f"SELECT {', '.join(columns)}, checksum FROM {table} WHERE {where}", (*key,)
    ).fetchone()
    if found is None:
        return False
    *before, seal = found
    after = {**dict(zip(columns, before, strict=True)), **changes}
    if checksum(before) == seal:
        seal = checksum(after.values())
    names = ", ".join(f"{name} = ?" for name in (*changes, "checksum"))
    db.execute(f"UPDATE {table} SET {names} WHERE {where}", (*changes.values(), seal, *key))
    return True


def seal_all(db: sqlite3.Connection, table: str, columns: Sequence[str]) -> None:
    """Seal every row of a table as it is.

    A row whose key is no text, since its bytes are none, cannot be named, and stays as it is.
    """
    keys = KEYS[table]
    places = [columns.index(name) for name in keys]
    update = f"UPDATE {table} SET checksum = ? WHERE {' AND '.join(f'{k} = ?' for k in keys)}"
    before, db.text_factory = db.text_factory, lenient
    try:
        rows = db.execute(f"SELECT {', '.join(columns)} FROM {table}").fetchall()
    finally:
        db.text_factory = before
    db.executemany(
        update,
        (
            (checksum(row), *key)
            for row in rows
            for key in [[row[place] for place in places]]
            if not any(isinstance(part, NotText) for part in key)
        ),
    )


class NotText(bytes):
    """A text of a file whose bytes are no UTF-8."""


def lenient(data: bytes) -> str | NotText:
    """A text of a file, or its bytes where they are none."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return NotText(data)
