"""Calls as rows, and the texts that they take and give, each kept once.

What one step gives the next one takes, so a text stands in ``texts`` and calls have its number. A
picture stands in its file, and calls have its digest.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Sequence

from ..steps import Content, Input, Kind, Reading, States
from ._sums import next_id, put_row

TEXTS = (
    " LEFT JOIN texts i ON c.input_kind = 'text' AND i.id = c.input"
    " LEFT JOIN texts o ON c.output_kind = 'text' AND o.id = c.output"
)
"""What a query on calls ``c`` joins, for its texts to be ``i.value`` and ``o.value``."""


def put_call(
    db: sqlite3.Connection, key: str, fingerprint: str, inputs: Sequence[Input], seed: int | None,
    outcome: Content, *, session: int | None, readings: Sequence[Reading] = (),
    tokens_written: int | None = None, cut_text: str = "", flags: Sequence[str] = (),
    started: float | None = None, seconds: float | None = None, again: bool = False,
) -> None:  # fmt: skip
    """Keep a call and its texts, in the transaction that is open.

    Args:
        db: The file.
        key: The call's name.
        fingerprint: Of the player.
        inputs: What the call took; none where that is not known.
        seed: Of the call, where it is known.
        outcome: What came out.
        session: The sitting.
        readings: What text encoders read.
        tokens_written: Of a caption.
        cut_text: What was cut of a caption.
        flags: What is odd about it.
        started: When the micro-batch began, in seconds since 1970.
        seconds: What the call took.
        again: Put it in the place of one of that key; else that is an error.
    """
    given = inputs[0] if inputs else None
    assert not isinstance(given, States)
    times = [None if time is None else float(time) for time in (started, seconds)]
    how = "INSERT OR REPLACE" if again else "INSERT"
    put_row(
        db, "calls", key, fingerprint, given and given.kind, given and _stored(db, given), seed,
        outcome.kind, _stored(db, outcome), _listed(readings), tokens_written, cut_text,
        _listed(flags), session, *times, how=how,
    )  # fmt: skip
    for place, further in enumerate(inputs[1:], start=1):
        kind = "states" if isinstance(further, States) else further.kind
        value = _states(db, further) if isinstance(further, States) else _stored(db, further)
        put_row(db, "inputs", key, place, kind, value, how=how)


def further_inputs(db: sqlite3.Connection, key: str) -> tuple[Input, ...]:
    """What a call took besides the output of the turn before, see :class:`..steps.Needs`."""
    rows = db.execute("SELECT kind, value FROM inputs WHERE call = ? ORDER BY place", (key,))
    return tuple(
        _read_states(db, value) if kind == "states" else _read(db, kind, value)
        for kind, value in rows.fetchall()
    )


def drop_unused(db: sqlite3.Connection) -> None:
    """Delete calls of no step, and inputs and texts of no call."""
    db.execute("DELETE FROM calls WHERE key NOT IN (SELECT call FROM steps)")
    db.execute("DELETE FROM inputs WHERE call NOT IN (SELECT key FROM calls)")
    db.execute(
        "WITH RECURSIVE used (id) AS (SELECT value FROM inputs WHERE kind = 'states' UNION"
        " SELECT before FROM states JOIN used USING (id) WHERE before IS NOT NULL)"
        " DELETE FROM states WHERE id NOT IN (SELECT id FROM used)"
    )
    db.execute(
        "DELETE FROM texts WHERE id NOT IN (SELECT input FROM calls WHERE input_kind = 'text'"
        " UNION SELECT output FROM calls WHERE output_kind = 'text'"
        " UNION SELECT value FROM inputs WHERE kind = 'text'"
        " UNION SELECT value FROM states WHERE kind = 'text')"
    )


def _listed(values: Sequence[object]) -> str:
    """JSON of a list, of which most are empty."""
    return json.dumps(values) if values else "[]"


def text_digest(text: str) -> bytes:
    """The name that a text is found by."""
    return hashlib.sha256(text.encode("utf-8")).digest()


def _stored(db: sqlite3.Connection, content: Content) -> str | int:
    """What stands for a content in a row: a picture's digest, a text's number."""
    if content.kind == "image":
        return content.value
    digest = text_digest(content.value)
    found = db.execute("SELECT id FROM texts WHERE digest = ?", (digest,)).fetchone()
    if found is not None:
        return int(found[0])
    cursor = db.execute("INSERT INTO texts (digest, value) VALUES (?, ?)", (digest, content.value))
    return int(cursor.lastrowid or 0)


def _read(db: sqlite3.Connection, kind: Kind, value: str | int) -> Content:
    if kind == "text":
        ((text,),) = db.execute("SELECT value FROM texts WHERE id = ?", (value,))
        return Content("text", text)
    return Content(kind, str(value))


def _states(db: sqlite3.Connection, states: States) -> int:
    """The number of states in a row, which are kept as those before them and one more."""
    missing: list[States] = []
    link: States | None = states
    number: int | None = None
    while link is not None and number is None:
        found = db.execute("SELECT id FROM states WHERE digest = ?", (link.digest,)).fetchone()
        if found is None:
            missing.append(link)
            link = link.before
        else:
            number = int(found[0])
    for one in reversed(missing):
        kind, value = (None, None) if one.last is None else (one.last.kind, _stored(db, one.last))
        after = next_id(db, "states")
        put_row(db, "states", after, one.digest, number, kind, value)
        number = after
    assert number is not None
    return number


def _read_states(db: sqlite3.Connection, number: int) -> States:
    rows = db.execute(
        "WITH RECURSIVE chain (id, depth) AS (SELECT ?, 0 UNION ALL SELECT before, depth + 1 FROM"
        " chain JOIN states USING (id) WHERE before IS NOT NULL) SELECT kind, value FROM chain"
        " JOIN states USING (id) WHERE kind IS NOT NULL ORDER BY depth DESC",
        (number,),
    )
    return States.of(_read(db, kind, value) for kind, value in rows.fetchall())
