"""What the doctor looks at, a function each: of a run as it is at one moment.

Each gives what it found. A row that one check has found is left alone by those after it.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from ..steps import Content, States, call_key
from ._calls import further_inputs
from ._ground import PICTURES, Ground, Trouble, shown
from ._images import is_name
from ._rows import COLUMNS, bad_rows, name_row
from ._run import Run
from ._schema import MIGRATIONS
from ._walk import check_steps


def check_pages(ground: Ground) -> Iterator[Trouble]:
    """SQLite's own structure: pages, indices, what may not be empty."""
    try:
        found = [str(row[0]) for row in ground.db.execute("PRAGMA integrity_check")]
    except sqlite3.DatabaseError as error:
        found = [str(error)]
    for what in found:
        if what != "ok":
            yield Trouble("database", what)


def check_schema(ground: Ground) -> Iterator[Trouble]:
    """Tables and columns are those of this version; what others put beside them is told."""
    expected = _schema_of_this_version()
    for kind, name in ground.db.execute("SELECT type, name FROM sqlite_master").fetchall():
        known = (kind == "table" and name in expected) or str(name).startswith("sqlite_")
        if not known:
            yield Trouble("database", f"{kind} {name!r} is none of a run's")
    for table, columns in expected.items():
        found = _columns_of(ground.db, table)
        for name, what in columns.items():
            if found.get(name) != what:
                yield Trouble("database", f"table {table}: its column {name} is not as it was made")


def check_rows(ground: Ground) -> Iterator[Trouble]:
    """Each row holds what it may, and what was written."""
    for table in COLUMNS:
        for bad in bad_rows(ground.db, table, sums=True):
            yield Trouble("row", str(bad), table, bad.key)


def check_texts(ground: Ground) -> Iterator[Trouble]:
    """Each text is the one that its digest names."""
    for id, digest, value in ground.db.execute("SELECT id, digest, value FROM texts"):
        if isinstance(value, str):
            data = value.encode("utf-8", "surrogateescape")
            if hashlib.sha256(data).digest() != digest:
                what = f"text {id} is not the one that was kept: {shown(value)}"
                yield Trouble("text", what, "texts", (id,))


def check_names(ground: Ground) -> Iterator[Trouble]:
    """What a row names is there: its session, study, prompt or trajectory."""
    for table, column, other, key in (
        ("sessions", "study", "studies", "digest"),
        ("calls", "session", "sessions", "id"),
        ("failures", "session", "sessions", "id"),
        ("failures", "trajectory", "trajectories", "id"),
        # An import has no prompt where nobody told what a chain started from.
        *[("trajectories", "prompt", "prompts", "id")] * (not ground.imported),
    ):
        rows = ground.db.execute(
            f"SELECT {column}, count(*) FROM {table} WHERE {column} NOT IN"
            f" (SELECT {key} FROM {other}) GROUP BY {column}"
        )
        for name, count in rows:
            what = f"table {table}: {count:,} rows name {shown(name)}, which {other} do not have"
            yield Trouble("row", what)


def check_states(ground: Ground) -> Iterator[Trouble]:
    """Each state in a row has the digest of itself and those before; inputs name what is there."""
    known: dict[int, States] = {}
    rows = ground.db.execute(
        "SELECT s.id, s.digest, s.before, s.kind, CASE s.kind WHEN 'text' THEN t.value ELSE s.value"
        " END FROM states s LEFT JOIN texts t ON s.kind = 'text' AND t.id = s.value ORDER BY s.id"
    )
    for id, digest, before, kind, value in rows:
        if before is None and kind is None:
            made: States | None = States()
        elif before in known and kind is not None and isinstance(value, str):
            made = known[before].then(Content(kind, value))
        else:
            made = None
        if made is not None and made.digest == digest:
            known[id] = made
        else:
            yield Trouble("input", f"state {id} is not the one that was kept", "states", (id,))
    lost = ground.db.execute(
        "SELECT call, place FROM inputs i WHERE kind = 'states' AND value NOT IN"
        " (SELECT id FROM states) OR kind = 'text' AND value NOT IN (SELECT id FROM texts)"
        " OR call NOT IN (SELECT key FROM calls)"
    )
    for call, place in lost.fetchall():
        what = f"table inputs, row {name_row((call, place))}: what it names is not there"
        yield Trouble("input", what, "inputs", (call, place))


def check_vectors(ground: Ground) -> Iterator[Trouble]:
    """The vectors of an encoder have one length."""
    lengths: defaultdict[str, Counter[int]] = defaultdict(Counter)
    query = "SELECT encoder, length(vector), count(*) FROM embeddings GROUP BY 1, 2"
    for encoder, length, count in ground.db.execute(query):
        lengths[encoder][length] += count
    for encoder, counts in lengths.items():
        if len(counts) > 1:
            usual = counts.most_common(1)[0][0]
            rows = ground.db.execute(
                "SELECT content FROM embeddings WHERE encoder = ? AND length(vector) <> ?",
                (encoder, usual),
            ).fetchall()
            for (content,) in rows:
                key = (encoder, content)
                what = f"table embeddings, row {name_row(key)}: its length is not that of others"
                yield Trouble("row", what, "embeddings", key)


def check_keys(ground: Ground) -> Iterator[Trouble]:
    """Each call has the key of what it took; one that was played elsewhere that of its place."""
    query = (
        "SELECT key, fingerprint, input_kind, CASE input_kind WHEN 'text' THEN i.value ELSE input"
        " END, seed FROM calls c LEFT JOIN texts i ON c.input_kind = 'text' AND i.id = c.input"
    )
    several = {call for (call,) in ground.db.execute("SELECT DISTINCT call FROM inputs")}
    spoilt = {key[0] for table, key in ground.found if table == "inputs"}
    if any(table in ("states", "texts") for table, _ in ground.found):
        # What looks back on something that is damaged is told of that, and cannot be computed.
        spoilt |= several
    for key, fingerprint, kind, value, seed in ground.db.execute(query):
        known = kind is not None and isinstance(value, str) and seed is not None
        if ("calls", (key,)) in ground.found or key in spoilt:
            continue
        more = further_inputs(ground.db, key) if key in several else ()
        if not (known and call_key(fingerprint, (Content(kind, value), *more), seed) == key):
            ground.unsure.add(key)
    # The steps' places are looked at where steps are: here are only those of no step.
    if ground.unsure:
        used = {call for (call,) in ground.db.execute("SELECT call FROM steps")}
        for key in ground.unsure - used:
            yield Trouble("key", f"call {shown(key)} has not the key of its input", "calls", (key,))


def check_pictures(ground: Ground) -> Iterator[Trouble]:
    """Each picture that a step or a prompt names has a file, with the pixels of that name."""
    images = ground.run.images
    for digest in named_pictures(ground.run):
        if not is_name(digest):
            what = f"{str(digest)[:80]!r} is no name of a picture"
        elif not images.has(digest):
            what = f"picture {digest[:12]} is missing"
        elif not images.intact(digest):
            what = f"picture {digest[:12]} is damaged, or another picture under its name"
        else:
            continue
        yield Trouble("picture", what, PICTURES, (digest,))


CHECKS: list[Callable[[Ground], Iterator[Trouble]]] = [
    check_schema,
    check_rows,
    check_texts,
    check_names,
    check_states,
    check_vectors,
    check_keys,
    check_steps,
    check_pictures,
]
"""In the order in which they are made, after :func:`check_pages`."""


def named_pictures(run: Run) -> list[Any]:
    """Digests of the pictures that a step or a prompt names."""
    rows = run._db.execute(
        "SELECT output FROM calls WHERE output_kind = 'image'"
        " UNION SELECT value FROM prompts WHERE kind = 'image'"
    )
    return [row[0] for row in rows]


@cache
def _schema_of_this_version() -> dict[str, dict[str, tuple[Any, ...]]]:
    db = sqlite3.connect(":memory:", isolation_level=None)
    for migrate in MIGRATIONS:
        migrate(db)
    found = {table: _columns_of(db, table) for table in COLUMNS}
    db.close()
    return found


def _columns_of(db: sqlite3.Connection, table: str) -> dict[str, tuple[Any, ...]]:
    """Type, whether it may be empty, default and place in the key, of each column."""
    return {row[1]: row[2:] for row in db.execute(f"PRAGMA table_info({table})")}
