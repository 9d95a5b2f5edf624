"""Steps as rows: all of them as an Arrow table, or those of one trajectory."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = (
    "arm", "prompt", "twin", "step", "round", "role", "model", "input_text", "input_image", "text",
    "image", "seed", "tokens_read", "tokens_cut", "cut_text", "flags", "started", "seconds",
    "shared", "fingerprint", "call",
)  # fmt: skip

STEPS = """
SELECT t.arm, t.prompt, t.twin, s.step, s.round, s.role, s.model,
       CASE c.input_kind WHEN 'text' THEN c.input END,
       CASE c.input_kind WHEN 'image' THEN c.input END,
       CASE c.output_kind WHEN 'text' THEN c.output END,
       CASE c.output_kind WHEN 'image' THEN c.output END,
       c.seed, c.tokens_read, c.tokens_cut, c.cut_text, c.flags,
       c.started, c.seconds, s.shared, c.fingerprint, s.call
FROM steps s JOIN trajectories t ON t.id = s.trajectory JOIN calls c ON c.key = s.call
"""


def steps_table(db: sqlite3.Connection) -> pa.Table:
    """Every step, in the order arm, prompt, twin, step."""
    import pyarrow as pa

    text, count, number = pa.string(), pa.int64(), pa.float64()
    label = pa.dictionary(pa.int32(), pa.string())
    kinds = (
        label, label, count, count, count, label, label, text, text, text, text, count, count,
        count, text, pa.list_(text), number, number, pa.bool_(), label, text,
    )  # fmt: skip
    columns = dict(zip(COLUMNS, kinds, strict=True))
    rows = db.execute(STEPS + " ORDER BY t.arm, t.prompt, t.twin, s.step")
    data: list[list[Any]] = [list(column) for column in zip(*rows, strict=True)] or [
        [] for _ in columns
    ]
    named = dict(zip(columns, data, strict=True))
    named["flags"] = [json.loads(flags) for flags in named["flags"]]
    named["shared"] = [bool(value) for value in named["shared"]]
    arrays = []
    for name, kind in columns.items():
        if kind == label:
            arrays.append(pa.array(named[name], text).dictionary_encode())
        else:
            arrays.append(pa.array(named[name], kind))
    return pa.table(arrays, names=list(columns))


def steps_of(db: sqlite3.Connection, trajectory: int) -> list[dict[str, Any]]:
    """One trajectory's steps in order, with the same columns."""
    cursor = db.execute(STEPS + " WHERE s.trajectory = ? ORDER BY s.step", (trajectory,))
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in cursor]
    return [
        {**row, "flags": json.loads(row["flags"]), "shared": bool(row["shared"])} for row in rows
    ]
