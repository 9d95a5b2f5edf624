"""Steps as rows: all of them as an Arrow table, or those of one trajectory."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..steps import Reading
from ._calls import TEXTS

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = (
    "arm", "prompt", "twin", "step", "round", "role", "model", "input_text", "input_image", "text",
    "image", "seed", "readings", "tokens_written", "cut_text", "flags", "started", "seconds",
    "shared", "fingerprint", "call",
)  # fmt: skip

CHUNK = 5_000
"""Rows that are in Python at once."""
STEPS = f"""
SELECT t.arm, t.prompt, t.twin, s.step, s.round, s.role, s.model,
       i.value,
       CASE c.input_kind WHEN 'image' THEN c.input END,
       o.value,
       CASE c.output_kind WHEN 'image' THEN c.output END,
       c.seed, c.readings, c.tokens_written, c.cut_text, c.flags,
       c.started, c.seconds, s.shared, c.fingerprint, s.call
FROM steps s JOIN trajectories t ON t.id = s.trajectory JOIN calls c ON c.key = s.call
{TEXTS}
"""


def steps_table(db: sqlite3.Connection, trajectories: Sequence[int] | None = None) -> pa.Table:
    """Every step, or those of some trajectories, in the order arm, prompt, twin, step."""
    import numpy as np
    import pyarrow as pa

    text, count, number = pa.string(), pa.int64(), pa.float64()
    label = pa.dictionary(pa.int32(), pa.string())
    kinds = (
        label, label, count, count, count, label, label, text, text, text, text, count,
        readings_type(), count, text, pa.list_(text), number, number, pa.bool_(), label, text,
    )  # fmt: skip
    columns = dict(zip(COLUMNS, kinds, strict=True))
    places = db.execute("SELECT id FROM trajectories ORDER BY arm, prompt, twin")
    rank = {id: place for place, (id,) in enumerate(places)}
    # In the order of the key, which needs no sorting of wide rows; trajectories are put into theirs
    # afterwards.
    query = STEPS.replace("SELECT", "SELECT s.trajectory,")
    chosen: tuple[str, ...] = ()
    if trajectories is not None:
        query += " WHERE s.trajectory IN (SELECT value FROM json_each(?))"
        chosen = (json.dumps(list(trajectories)),)
    cursor = db.execute(query + " ORDER BY 1, s.step", chosen)
    ids: list[int] = []
    chunks = []
    while rows := cursor.fetchmany(CHUNK):
        of, *data = zip(*rows, strict=True)
        ids += of
        named: dict[str, Sequence[Any]] = dict(zip(columns, data, strict=True))
        named["readings"] = [_readings(value) for value in named["readings"]]
        named["flags"] = [json.loads(flags) if flags != "[]" else [] for flags in named["flags"]]
        named["shared"] = [bool(value) for value in named["shared"]]
        arrays = [
            pa.array(named[name], text).dictionary_encode()
            if kind == label
            else pa.array(named[name], kind)
            for name, kind in columns.items()
        ]
        chunks.append(pa.record_batch(arrays, names=list(columns)))
    if not chunks:
        return pa.table([pa.array([], kind) for kind in columns.values()], names=list(columns))
    table = pa.Table.from_batches(chunks).unify_dictionaries().combine_chunks()
    order = np.argsort([rank[id] for id in ids], kind="stable")
    if (np.diff(order) == 1).all():
        return table
    table = table.take(order)
    for place, (name, kind) in enumerate(columns.items()):
        if kind == label:
            # Labels are numbered as they come in the table, whatever was played first.
            labels = table[name].cast(text).combine_chunks().dictionary_encode()
            table = table.set_column(place, name, labels)
    return table


def steps_of(db: sqlite3.Connection, trajectory: int) -> list[dict[str, Any]]:
    """One trajectory's steps in order, with the same columns."""
    cursor = db.execute(STEPS + " WHERE s.trajectory = ? ORDER BY s.step", (trajectory,))
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in cursor]
    return [
        {
            **row,
            "readings": _readings(row["readings"]),
            "flags": json.loads(row["flags"]),
            "shared": bool(row["shared"]),
        }
        for row in rows
    ]


def readings_type() -> pa.DataType:
    """Arrow's type of what the text encoders of a generator read: a list of structs."""
    import pyarrow as pa

    text, count = pa.string(), pa.int64()
    kinds = (count, count, text, text)
    return pa.list_(pa.struct(list(zip(Reading._fields, kinds, strict=True))))


def _readings(value: str) -> list[dict[str, Any]]:
    return [Reading(*one)._asdict() for one in json.loads(value)] if value != "[]" else []
