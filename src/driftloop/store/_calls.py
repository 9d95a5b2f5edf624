"""Calls as rows, and the texts that they take and give, each kept once.

What one step gives the next one takes, so a text stands in ``texts`` and calls have its number. A
picture stands in its file, and calls have its digest.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Sequence

from ..steps import Content, Reading
from ._sums import put_row

TEXTS = (
    " LEFT JOIN texts i ON c.input_kind = 'text' AND i.id = c.input"
    " LEFT JOIN texts o ON c.output_kind = 'text' AND o.id = c.output"
)
"""What a query on calls ``c`` joins, for its texts to be ``i.value`` and ``o.value``."""


def put_call(
    db: sqlite3.Connection, key: str, fingerprint: str, given: Content | None, seed: int | None,
    outcome: Content, *, session: int | None, readings: Sequence[Reading] = (),
    tokens_written: int | None = None, cut_text: str = "", flags: Sequence[str] = (),
    started: float | None = None, seconds: float | None = None, again: bool = False,
) -> None:  # fmt: skip
    """Keep a call and its texts, in the transaction that is open.

    Args:
        db: The file.
        key: The call's name.
        fingerprint: Of the player.
        given: What the call took, where that is known.
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
    times = [None if time is None else float(time) for time in (started, seconds)]
    how = "INSERT OR REPLACE" if again else "INSERT"
    put_row(
        db, "calls", key, fingerprint, given and given.kind, given and _stored(db, given), seed,
        outcome.kind, _stored(db, outcome), json.dumps(readings), tokens_written, cut_text,
        json.dumps(flags), session, *times, how=how,
    )  # fmt: skip


def drop_unused(db: sqlite3.Connection) -> None:
    """Delete calls of no step, and texts of no call."""
    db.execute("DELETE FROM calls WHERE key NOT IN (SELECT call FROM steps)")
    db.execute(
        "DELETE FROM texts WHERE id NOT IN (SELECT input FROM calls WHERE input_kind = 'text'"
        " UNION SELECT output FROM calls WHERE output_kind = 'text')"
    )


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
