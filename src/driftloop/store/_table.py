"""Steps as rows: all of them as an Arrow table, or those of one trajectory."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..steps import Reading
from ._calls import TEXTS
from ._rows import LONGEST_GAP, UncheckedError, checked, checked_columns

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

COLUMNS = (
    "arm", "prompt", "twin", "step", "round", "role", "slot", "model", "input_text", "input_image",
    "text", "image", "seed", "readings", "tokens_written", "cut_text", "flags", "started",
    "seconds", "shared", "fingerprint", "call",
)  # fmt: skip

CHUNK = 5_000
"""Rows that are in Python at once."""
STEPS = f"""
SELECT t.arm, t.prompt, t.twin, s.step, s.round, s.role, s.slot, s.model,
       i.value,
       CASE c.input_kind WHEN 'image' THEN c.input END,
       o.value,
       CASE c.output_kind WHEN 'image' THEN c.output END,
       c.seed, c.readings, c.tokens_written, c.cut_text, c.flags,
       c.started, c.seconds, s.shared, c.fingerprint, s.call
FROM steps s LEFT JOIN trajectories t ON t.id = s.trajectory LEFT JOIN calls c ON c.key = s.call
{TEXTS}
"""
LOST = (
    "c.input_kind = 'text' AND i.id IS NULL OR c.output_kind = 'text' AND o.id IS NULL"
    " OR c.output IS NULL OR (c.input_kind IS NULL) <> (c.input IS NULL)"
)
"""Whether something that a step names is not there."""
KINDS = (
    "trajectories.arm", "trajectories.prompt", "trajectories.twin", "steps.step", "steps.round",
    "steps.role", "steps.slot", "steps.model", *[str | None] * 4, "calls.seed",
    "calls.readings", "calls.tokens_written", "calls.cut_text", "calls.flags", "calls.started",
    "calls.seconds", "steps.shared", "calls.fingerprint", "steps.call",
)  # fmt: skip
"""What the columns of that are, which says what they may hold."""


def steps_table(db: sqlite3.Connection, trajectories: Sequence[int] | None = None) -> pa.Table:
    """Every step, or those of some trajectories, in the order arm, prompt, twin, step."""
    import numpy as np
    import pyarrow as pa

    text, count, number = pa.string(), pa.int64(), pa.float64()
    label = pa.dictionary(pa.int32(), pa.string())
    kinds = (
        label, label, count, count, count, label, label, label, text, text, text, text, count,
        readings_type(), count, text, pa.list_(text), number, number, pa.bool_(), label, text,
    )  # fmt: skip
    columns = dict(zip(COLUMNS, kinds, strict=True))
    places = db.execute("SELECT id FROM trajectories ORDER BY arm, prompt, twin")
    rank = {id: place for place, (id,) in enumerate(places)}
    # In the order of the key, which needs no sorting of wide rows; trajectories are put into theirs
    # afterwards.
    query = STEPS.replace("SELECT", f"SELECT s.trajectory, {LOST},")
    chosen: tuple[str, ...] = ()
    if trajectories is not None:
        query += " WHERE s.trajectory IN (SELECT value FROM json_each(?))"
        chosen = (json.dumps(list(trajectories)),)
    cursor = db.execute(query + " ORDER BY 1, s.step", chosen)
    ids: list[int] = []
    rounds: list[int] = []
    chunks = []
    while rows := cursor.fetchmany(CHUNK):
        of, lost, *data = zip(*rows, strict=True)
        if any(lost):
            raise UncheckedError("a text is not there")
        ids += of
        whole = checked_columns(data, *KINDS)
        named: dict[str, Sequence[Any]] = dict(zip(columns, whole, strict=True))
        rounds += named["round"]
        named["readings"] = [value and _readings(value) for value in named["readings"]]
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
    _check_rounds(np.asarray(ids), np.asarray(rounds))
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
    query = STEPS.replace("SELECT", f"SELECT {LOST},")
    rows = db.execute(query + " WHERE s.trajectory = ? ORDER BY s.step", (trajectory,)).fetchall()
    if any(lost for lost, *_ in rows):
        raise UncheckedError("a text is not there")
    return [
        {
            **(named := dict(zip(COLUMNS, row, strict=True))),
            "readings": _readings(named["readings"]),
            "shared": bool(named["shared"]),
        }
        for row in checked([row[1:] for row in rows], *KINDS)
    ]


def _check_rounds(trajectories: np.ndarray[Any, Any], rounds: np.ndarray[Any, Any]) -> None:
    """Refuse rounds that leap: measures hold an array as long as the last one."""
    import numpy as np

    first = np.diff(trajectories, prepend=trajectories[0] - 1) != 0
    leaps = rounds - np.where(first, 0, np.roll(rounds, 1))
    if (leaps > LONGEST_GAP + 1).any():
        raise UncheckedError("a round cannot come after the one before")


def readings_type() -> pa.DataType:
    """Arrow's type of what the text encoders of a generator read: a list of structs."""
    import pyarrow as pa

    text, count = pa.string(), pa.int64()
    kinds = (count, count, text, text)
    return pa.list_(pa.struct(list(zip(Reading._fields, kinds, strict=True))))


def _readings(value: Sequence[Any]) -> list[dict[str, Any]]:
    return [Reading(*one)._asdict() for one in value]
