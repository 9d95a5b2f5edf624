"""Taking out of a run what is damaged, so that the next run plays it again."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from ._calls import drop_unused
from ._ground import PICTURES, Trouble
from ._run import Run
from ._sums import KEYS, NotText

AGAIN = {
    "steps", "calls", "inputs", "states", "texts", "trajectories", "failures", PICTURES,
}  # fmt: skip
"""Tables whose rows the next run plays again."""
CACHED = {"embeddings"}
"""Tables whose rows the next report computes again, of any run."""

_SEEN = (
    " OR key IN (WITH RECURSIVE later (id) AS ({0} UNION SELECT s.id FROM states s JOIN later"
    " ON s.before = later.id) SELECT call FROM inputs WHERE kind = 'states' AND value IN later)"
)
_USERS = {
    "inputs": "SELECT trajectory, step FROM steps WHERE call = {0}",
    "states": "SELECT trajectory, step FROM steps JOIN calls ON key = call WHERE 0"
    + _SEEN.format("SELECT {0}"),
    "calls": "SELECT trajectory, step FROM steps WHERE call = {0}",
    "texts": "SELECT trajectory, step FROM steps JOIN calls ON key = call"
    " WHERE output_kind = 'text' AND output = {0} OR input_kind = 'text' AND input = {0}"
    " OR key IN (SELECT call FROM inputs WHERE kind = 'text' AND value = {0})"
    + _SEEN.format("SELECT id FROM states WHERE kind = 'text' AND value = {0}"),
    PICTURES: "SELECT trajectory, step FROM steps JOIN calls ON key = call"
    " WHERE output_kind = 'image' AND output = {0}",
}
"""The steps that something stands for."""


def take_out(run: Run, troubles: Iterable[Trouble]) -> None:
    """Delete the rows that something is wrong with, and every step that follows from them.

    With them go the calls that no step is left of: what is played again may be answered otherwise.
    """
    with run._transaction() as db:
        first: list[tuple[Any, ...]] = []
        rows = [(trouble.table, trouble.key) for trouble in troubles]
        for table, key in rows:
            if table in _USERS:
                query = _USERS[table].format(_mark(key[0]))
                first += db.execute(query, key[:1] * query.count("?")).fetchall()
            elif table == "steps" and all(isinstance(part, int) for part in key):
                first.append(key)
            elif table == "trajectories":
                for of in ("steps", "failures"):
                    db.execute(f"DELETE FROM {of} WHERE trajectory = {_mark(key[0])}",
                               (key[0],))  # fmt: skip
        for trajectory, step in dict.fromkeys(first):
            db.execute("DELETE FROM steps WHERE trajectory = ? AND step >= ?", (trajectory, step))
        for table, key in rows:
            if table in KEYS and table != "texts":
                _delete(db, table, key)
        # What nothing stands for any more goes, texts among it.
        drop_unused(db)
    for table, (digest, *_) in rows:
        if table == PICTURES:
            run.images.remove(digest)


def _delete(db: sqlite3.Connection, table: str, key: Sequence[Any]) -> None:
    where = " AND ".join(
        f"{name} IS {_mark(part)}" for name, part in zip(KEYS[table], key, strict=True)
    )
    db.execute(f"DELETE FROM {table} WHERE {where}", key)


def _mark(value: object) -> str:
    return "CAST(? AS TEXT)" if isinstance(value, NotText) else "?"
