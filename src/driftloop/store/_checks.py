"""What the doctor looks at, a function each: of a run as it is at one moment.

Each gives what it found. A row that one check has found is left alone by those after it.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, NamedTuple

from ..seeds import digest as hash_of
from ..seeds import seed as seed_of
from ..steps import Content, States, call_key
from ._calls import further_inputs
from ._images import is_name
from ._rows import COLUMNS, LONGEST_GAP, UncheckedError, bad_rows, checked, name_row
from ._run import Run
from ._schema import MIGRATIONS

Kind = Literal[
    "database", "row", "text", "key", "input", "gap", "picture", "leftover", "orphan"
]  # fmt: skip

PICTURES = "images"
"""Where a picture is, as a row is in a table."""


class Trouble(NamedTuple):
    """Something that is not as it should be."""

    kind: Kind
    what: str
    table: str | None = None
    """Where the row is that a repair takes out; None where none does."""
    key: tuple[Any, ...] = ()
    """What names the row."""


@dataclass
class Ground:
    """A run that is looked at, and what was found before."""

    run: Run
    imported: bool
    """Whether its steps were played elsewhere."""
    found: set[tuple[str | None, tuple[Any, ...]]] = field(default_factory=set)
    """Tables and keys of rows."""
    unsure: set[str] = field(default_factory=set)
    """Calls whose key is not that of what they took: it may be that of a place."""

    @property
    def db(self) -> sqlite3.Connection:
        """The file."""
        return self.run._db


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
                what = f"text {id} is not the one that was kept: {_shown(value)}"
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
            what = f"table {table}: {count:,} rows name {_shown(name)}, which {other} do not have"
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
            yield Trouble(
                "key", f"call {_shown(key)} has not the key of its input", "calls", (key,)
            )


def check_steps(ground: Ground) -> Iterator[Trouble]:
    """Each trajectory: step after step, each takes what the one before gave."""
    failures = dict(ground.db.execute("SELECT trajectory, count(*) FROM failures GROUP BY 1"))
    players = {
        (fingerprint, model): role
        for fingerprint, model, role in ground.db.execute(
            "SELECT fingerprint, model, role FROM players"
        )
    }
    told: set[object] = set()
    root = _root(ground)
    before: _Walked | None = None
    for row in ground.db.execute(_WALK):
        step = _Walked(*row)
        same = before is not None and before.trajectory == step.trajectory
        last = before if same else None
        before = step
        want = last.want if last else 0
        if step.step != want or step.bare:
            # Of what comes after a gap it is told once.
            before = step._replace(want=want, gap=True)
            if not (last and last.gap):
                what = f"trajectory {step.trajectory} has no whole step {want}"
                yield Trouble("gap", what, "steps", (step.trajectory, want))
            continue
        bad = {("steps", (step.trajectory, step.step)), ("calls", (step.call,))} & ground.found
        seen = _given(last, step.round)
        before = step = step._replace(want=want + 1, bad=bool(bad), given=seen)
        if bad:
            continue
        if ("trajectories", (step.trajectory,)) not in ground.found:
            yield from _wrong_in(step, last, ground, root, failures.get(step.trajectory, 0))
        who = step.fingerprint, step.model
        if players.get(who, step.role) != step.role:
            what = f"trajectory {step.trajectory}, step {step.step}: its role is not its player's"
            yield Trouble("row", what, "steps", (step.trajectory, step.step))
            continue
        if who not in told and not _is_known(step, players):
            told.add(who)
            name = f"{_shown(step.model)} ({step.role}, fingerprint {_shown(step.fingerprint)})"
            yield Trouble("row", f"table steps: {name} is none of the run's players")


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


class _Walked(NamedTuple):
    """A step with its call and where it stands."""

    trajectory: int
    step: int
    round: int
    role: str
    slot: str
    model: str
    call: str
    bare: int
    """Whether its call or text is not there."""
    fingerprint: str
    seed: int | None
    input_kind: str | None
    input: str | int | None
    input_text: str | None
    output_kind: str
    output: str | int
    arm: str
    prompt: str
    twin: int
    start_kind: str | None
    start: str | None
    """The prompt's content."""
    want: int = 0
    """The step that comes next."""
    gap: bool = False
    given: tuple[tuple[object, object], ...] = ()
    """What the steps of its round gave before it, and the last of the round before."""
    bad: bool = False
    """Whether its rows are found to be wrong, so that nothing is compared with them."""


_WALK = """
SELECT s.trajectory, s.step, s.round, s.role, s.slot, s.model, s.call,
 c.key IS NULL OR t.id IS NULL OR c.output IS NULL
 OR c.output_kind = 'text' AND NOT EXISTS (SELECT 1 FROM texts o WHERE o.id = c.output)
 OR c.input_kind = 'text' AND i.id IS NULL,
 c.fingerprint, c.seed, c.input_kind, c.input, i.value, c.output_kind, c.output,
 t.arm, t.prompt, t.twin, p.kind, p.value
FROM steps s LEFT JOIN calls c ON c.key = s.call LEFT JOIN trajectories t ON t.id = s.trajectory
LEFT JOIN prompts p ON p.id = t.prompt
LEFT JOIN texts i ON c.input_kind = 'text' AND i.id = c.input
ORDER BY s.trajectory, s.step
"""


def _wrong_in(
    step: _Walked, last: _Walked | None, ground: Ground, root: int | None, failures: int
) -> Iterator[Trouble]:
    """What is wrong with a step, which follows another or is a trajectory's first."""
    where = f"trajectory {step.trajectory}, step {step.step}"
    # What the step before gave may have been changed as well.
    out = "steps", (step.trajectory, max(step.step - 1, 0))
    elsewhere = step.call in ground.unsure
    if elsewhere and not _is_of_place(step, failures):
        yield Trouble("key", f"{where}: the key of its call is not that of its input", *out)
        return
    taken: tuple[object, object] = step.input_kind, step.input
    if last is not None:
        given: tuple[object, object] = last.output_kind, last.output
        it = "what the step before gave"
        # One of several candidates takes what the first of them took, and who chooses takes all.
        if step.slot != step.role and taken in step.given:
            given = taken
    else:
        taken = step.input_kind, step.input_text if step.input_kind == "text" else step.input
        given, it = (step.start_kind, step.start), "the prompt"
    missing = given == (None, None) or (elsewhere and step.input_kind is None)
    if last is not None and last.bad:
        return
    if not missing and taken != given:
        yield Trouble("input", f"{where}: its input is not {it}", *out)
    played = last.round if last else 0
    if not played <= step.round <= played + (LONGEST_GAP if elsewhere else 0) + 1:
        what = f"{where}: round {step.round} cannot come after round {played}"
        yield Trouble("row", what, "steps", (step.trajectory, step.step))
    elif not elsewhere and root is not None and step.start is not None:
        seed = seed_of(root, step.start, step.twin, step.round, step.slot)
        if seed != step.seed:
            yield Trouble("row", f"{where}: its seed is not that of its place", *out)


def _given(last: _Walked | None, round: int) -> tuple[tuple[object, object], ...]:
    """What was given before a step of a round, in it and by the last step before it."""
    if last is None:
        return ()
    given = last.output_kind, last.output
    return (*last.given, given) if last.round == round else (given,)


def _is_of_place(step: _Walked, failures: int) -> bool:
    """Whether a call has the key that a step has which was played elsewhere.

    Older versions counted failures as steps, so that the number in the key may be larger.
    """
    place = step.fingerprint, step.arm, step.prompt, step.twin
    return any(
        hash_of("recorded", *place, index).hex() == step.call
        for index in range(step.step, step.step + failures + 1)
    )


def _is_known(step: _Walked, players: dict[tuple[str, str], str]) -> bool:
    role = players.get((step.fingerprint, step.model))
    if role is not None:
        return role == step.role
    # Older versions kept one name for players of the same weights and settings.
    roles = {of for (fingerprint, _), of in players.items() if fingerprint == step.fingerprint}
    return step.role in roles and step.model not in {model for _, model in players}


def _root(ground: Ground) -> int | None:
    """The seed that a run's seeds come from; None where it has no study that was played."""
    rows = ground.db.execute("SELECT json FROM studies").fetchall()
    try:
        studies = [study for (study,) in checked(rows, "studies.json")]
    except UncheckedError:
        return None
    roots = [study.get("seed", 0) for study in studies if "rounds" in study]
    alike = all(type(root) is int and root == roots[0] for root in roots)
    return roots[0] if roots and alike else None


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


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
