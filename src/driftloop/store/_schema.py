"""The SQLite file: its tables, its versions, and how it is opened."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import StoreError
from ._calls import text_digest
from ._readonly import copy_of, is_writable
from ._rows import COLUMNS, UncheckedError, first_bad_row, missing_part
from ._sums import SEALED, seal_all

DATABASE = "driftloop.sqlite"
"""Its name in a run folder."""
LOG = f"{DATABASE}-wal"
"""What SQLite writes first, beside it."""
APPLICATION_ID = 0x44524C50
"""``DRLP``: tells a run's file from any other SQLite file."""


def _m001_initial(db: sqlite3.Connection) -> None:
    for statement in (
        # What the user asked for, each time they asked for something else.
        "CREATE TABLE studies (digest TEXT PRIMARY KEY, json TEXT NOT NULL, since REAL NOT NULL)",
        # One sitting at the run: when, with which versions, on what.
        "CREATE TABLE sessions (id INTEGER PRIMARY KEY, study TEXT NOT NULL, started REAL NOT NULL,"
        " ended REAL, outcome TEXT, environment TEXT NOT NULL)",
        "CREATE TABLE prompts (id TEXT PRIMARY KEY, kind TEXT NOT NULL, value TEXT NOT NULL,"
        " source TEXT NOT NULL)",
        # A player as it was set up; its fingerprint names weights, settings and micro-batch.
        "CREATE TABLE players (fingerprint TEXT PRIMARY KEY, model TEXT NOT NULL,"
        " role TEXT NOT NULL, batch_size INTEGER NOT NULL, details TEXT NOT NULL)",
        # A computation and its outcome, once, however many trajectories share it.
        "CREATE TABLE calls (key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL,"
        " input_kind TEXT NOT NULL, input TEXT NOT NULL, seed INTEGER NOT NULL,"
        " output_kind TEXT NOT NULL, output TEXT NOT NULL, tokens_read INTEGER,"
        " tokens_cut INTEGER NOT NULL, cut_text TEXT NOT NULL, flags TEXT NOT NULL,"
        " session INTEGER NOT NULL, started REAL NOT NULL, seconds REAL NOT NULL) WITHOUT ROWID",
        "CREATE TABLE trajectories (id INTEGER PRIMARY KEY, arm TEXT NOT NULL,"
        " prompt TEXT NOT NULL REFERENCES prompts, twin INTEGER NOT NULL,"
        " UNIQUE (arm, prompt, twin))",
        "CREATE TABLE steps (trajectory INTEGER NOT NULL REFERENCES trajectories,"
        " step INTEGER NOT NULL, round INTEGER NOT NULL, role TEXT NOT NULL, model TEXT NOT NULL,"
        " call TEXT NOT NULL REFERENCES calls, shared INTEGER NOT NULL,"
        " PRIMARY KEY (trajectory, step)) WITHOUT ROWID",
        "CREATE TABLE failures (id INTEGER PRIMARY KEY, trajectory INTEGER NOT NULL,"
        " step INTEGER NOT NULL, model TEXT NOT NULL, reason TEXT NOT NULL, trace TEXT NOT NULL,"
        " session INTEGER NOT NULL, time REAL NOT NULL)",
        "CREATE TABLE embeddings (encoder TEXT NOT NULL, content TEXT NOT NULL,"
        " vector BLOB NOT NULL, PRIMARY KEY (encoder, content)) WITHOUT ROWID",
    ):
        db.execute(statement)


def _m002_unknowns(db: sqlite3.Connection) -> None:
    """Let what nobody recorded be NULL: a step that was played elsewhere may have no known seed."""
    for table, columns in {
        "players": "fingerprint TEXT PRIMARY KEY, model TEXT NOT NULL, role TEXT NOT NULL,"
        " batch_size INTEGER, details TEXT NOT NULL",
        "calls": "key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, input_kind TEXT, input TEXT,"
        " seed INTEGER, output_kind TEXT NOT NULL, output TEXT NOT NULL, tokens_read INTEGER,"
        " tokens_cut INTEGER NOT NULL, cut_text TEXT NOT NULL, flags TEXT NOT NULL,"
        " session INTEGER NOT NULL, started REAL, seconds REAL",
    }.items():
        without = " WITHOUT ROWID" if table == "calls" else ""
        db.execute(f"CREATE TABLE new_{table} ({columns}){without}")
        db.execute(f"INSERT INTO new_{table} SELECT * FROM {table}")
        db.execute(f"DROP TABLE {table}")
        db.execute(f"ALTER TABLE new_{table} RENAME TO {table}")


def _m003_rounds_of_failures(db: sqlite3.Connection) -> None:
    """Let a failure say its round: a network of one role plays one step a round, others two."""
    db.execute("ALTER TABLE failures ADD COLUMN round INTEGER NOT NULL DEFAULT 0")
    db.execute(
        "UPDATE failures SET round = CASE"
        " WHEN (SELECT count(DISTINCT role) FROM players) > 1 THEN step / 2 + 1"
        " ELSE 1 + (SELECT coalesce(max(s.round), 0) FROM steps s"
        " WHERE s.trajectory = failures.trajectory AND s.step < failures.step) END"
    )


def _m004_readings(db: sqlite3.Connection) -> None:
    """Keep what each text encoder read; of older runs, what the one did that read the most."""
    db.execute(
        "CREATE TABLE new_calls (key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL,"
        " input_kind TEXT, input TEXT, seed INTEGER, output_kind TEXT NOT NULL,"
        " output TEXT NOT NULL, readings TEXT NOT NULL, tokens_written INTEGER,"
        " cut_text TEXT NOT NULL, flags TEXT NOT NULL, session INTEGER NOT NULL, started REAL,"
        " seconds REAL) WITHOUT ROWID"
    )
    db.execute(
        "INSERT INTO new_calls SELECT key, fingerprint, input_kind, input, seed, output_kind,"
        " output, CASE WHEN output_kind = 'image' AND tokens_read IS NOT NULL"
        " THEN json_array(json_array(tokens_read, tokens_cut, cut_text)) ELSE '[]' END,"
        " CASE output_kind WHEN 'text' THEN tokens_read END,"
        " CASE output_kind WHEN 'text' THEN cut_text ELSE '' END,"
        " flags, session, started, seconds FROM calls"
    )
    db.execute("DROP TABLE calls")
    db.execute("ALTER TABLE new_calls RENAME TO calls")


def _m005_imported_steps_in_a_row(db: sqlite3.Connection) -> None:
    """Number the steps of imported chains as played ones are: failures between them come last."""
    imported = "SELECT 1 FROM studies WHERE json_extract(json, '$.imported') IS NOT NULL"
    if db.execute(imported).fetchone() is None:
        return
    db.execute(
        "CREATE TABLE numbered AS SELECT trajectory, step, row_number()"
        " OVER (PARTITION BY trajectory ORDER BY step) - 1 AS place FROM steps"
    )
    # Below zero at first, where no number is taken.
    db.execute(
        "UPDATE steps SET step = -1 - place FROM numbered n"
        " WHERE n.trajectory = steps.trajectory AND n.step = steps.step"
    )
    db.execute("UPDATE steps SET step = -1 - step")
    db.execute("DROP TABLE numbered")
    db.execute(
        "UPDATE failures SET step = placed.step FROM (SELECT f.id, coalesce(s.steps, 0)"
        " + row_number() OVER (PARTITION BY f.trajectory ORDER BY f.id) - 1 AS step FROM failures f"
        " LEFT JOIN (SELECT trajectory, count(*) AS steps FROM steps GROUP BY trajectory) s"
        " ON s.trajectory = f.trajectory) AS placed WHERE placed.id = failures.id"
    )


def _m006_names_of_players(db: sqlite3.Connection) -> None:
    """Let players of the same weights and settings have names of their own, as an A/A control."""
    db.execute(
        "CREATE TABLE new_players (fingerprint TEXT NOT NULL, model TEXT NOT NULL,"
        " role TEXT NOT NULL, batch_size INTEGER, details TEXT NOT NULL,"
        " PRIMARY KEY (fingerprint, model))"
    )
    db.execute("INSERT INTO new_players SELECT * FROM players ORDER BY rowid")
    db.execute("DROP TABLE players")
    db.execute("ALTER TABLE new_players RENAME TO players")


def _m007_flags_of_prompts(db: sqlite3.Connection) -> None:
    """Keep what was done to a prompt's picture when it was read."""
    db.execute("ALTER TABLE prompts ADD COLUMN flags TEXT NOT NULL DEFAULT '[]'")


def _m008_texts_once(db: sqlite3.Connection) -> None:
    """Keep each text once: what a step gives the next one takes, and so does every twin's first.

    The columns of calls are taken as they are, so that what other versions added stays.
    """
    db.execute(
        "CREATE TABLE texts (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE,"
        " value TEXT NOT NULL)"
    )
    db.create_function("text_digest", 1, text_digest, deterministic=True)
    for kind, value in (("output_kind", "output"), ("input_kind", "input")):
        db.execute(
            f"INSERT OR IGNORE INTO texts (digest, value) SELECT text_digest({value}), {value}"
            f" FROM calls WHERE {kind} = 'text'"
        )
    columns = db.execute("PRAGMA table_info(calls)").fetchall()
    made, taken = [], []
    for _, name, kind, filled, default, key in columns:
        content = name in ("input", "output")
        made.append(
            name + ("" if content else f" {kind}") + " PRIMARY KEY" * bool(key)
            + " NOT NULL" * (filled and not key)
            + ("" if default is None else f" DEFAULT {default}")
        )  # fmt: skip
        taken.append(
            f"CASE {name}_kind WHEN 'text' THEN (SELECT id FROM texts WHERE"
            f" digest = text_digest({name})) ELSE {name} END" if content else name
        )  # fmt: skip
    db.execute(f"CREATE TABLE new_calls ({', '.join(made)}) WITHOUT ROWID")
    db.execute(f"INSERT INTO new_calls SELECT {', '.join(taken)} FROM calls")
    db.execute("DROP TABLE calls")
    db.execute("ALTER TABLE new_calls RENAME TO calls")


def _m009_checksums(db: sqlite3.Connection) -> None:
    """Have each row say whether it is as it was written; of older runs, as it is now."""
    for table, columns in {
        "studies": "digest, json, since",
        "sessions": "id, study, started, ended, outcome, environment",
        "prompts": "id, kind, value, source, flags",
        "players": "fingerprint, model, role, batch_size, details",
        "calls": "key, fingerprint, input_kind, input, seed, output_kind, output, readings,"
        " tokens_written, cut_text, flags, session, started, seconds",
        "trajectories": "id, arm, prompt, twin",
        "steps": "trajectory, step, round, role, model, call, shared",
        "failures": "id, trajectory, step, round, model, reason, trace, session, time",
        "embeddings": "encoder, content, vector",
    }.items():
        db.execute(f"ALTER TABLE {table} ADD COLUMN checksum INTEGER")
        seal_all(db, table, columns.split(", "))


def _m010_slots_and_further_inputs(db: sqlite3.Connection) -> None:
    """Let a round have several turns of a role, and a call more than one input."""
    columns = "trajectory, step, round, role, slot, model, call, shared"
    db.execute(
        "CREATE TABLE new_steps (trajectory INTEGER NOT NULL, step INTEGER NOT NULL,"
        " round INTEGER NOT NULL, role TEXT NOT NULL, slot TEXT NOT NULL, model TEXT NOT NULL,"
        " call TEXT NOT NULL, shared INTEGER NOT NULL, checksum INTEGER,"
        " PRIMARY KEY (trajectory, step)) WITHOUT ROWID"
    )
    db.execute(
        f"INSERT INTO new_steps ({columns}) SELECT {columns.replace('slot', 'role')} FROM steps"
    )
    db.execute("DROP TABLE steps")
    db.execute("ALTER TABLE new_steps RENAME TO steps")
    seal_all(db, "steps", columns.split(", "))
    # What a call takes besides the output of the turn before: a text, a picture, or states.
    db.execute(
        "CREATE TABLE inputs (call TEXT NOT NULL, place INTEGER NOT NULL, kind TEXT NOT NULL,"
        " value NOT NULL, checksum INTEGER, PRIMARY KEY (call, place)) WITHOUT ROWID"
    )
    # States in a row: those before, and one more.
    db.execute(
        "CREATE TABLE states (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE,"
        " before INTEGER, kind TEXT, value, checksum INTEGER)"
    )


MIGRATIONS: list[Callable[[sqlite3.Connection], None]] = [
    _m001_initial,
    _m002_unknowns,
    _m003_rounds_of_failures,
    _m004_readings,
    _m005_imported_steps_in_a_row,
    _m006_names_of_players,
    _m007_flags_of_prompts,
    _m008_texts_once,
    _m009_checksums,
    _m010_slots_and_further_inputs,
]
"""Applied in order; the file's ``user_version`` counts how many it has seen. Append only."""


def connect(path: Path, *, create: bool = False, timeout: float = 10.0) -> sqlite3.Connection:
    """Open a run's SQLite file, bringing an older one up to date.

    Raises:
        StoreError: It is not SQLite, not a run of driftloop, newer than this version, or damaged.
    """
    exists = path.exists()
    if not exists and not create:
        raise StoreError(f"{path.parent}: no run there (no {path.name})")
    db: sqlite3.Connection | None = None
    try:
        if exists:
            _check_file(path, create=create)
        if exists and not create and not is_writable(path):
            db = copy_of(path)
        else:
            db = sqlite3.connect(path, isolation_level=None, timeout=timeout)
        version = db.execute("PRAGMA user_version").fetchone()[0]
        tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        application = db.execute("PRAGMA application_id").fetchone()[0]
        if tables and application != APPLICATION_ID:
            raise StoreError(
                f"{path}: an SQLite file, but not a run of driftloop; choose another folder"
            )
        if version > len(MIGRATIONS):
            raise StoreError(
                f"{path}: written by a newer driftloop (schema {version}); "
                f"update driftloop to read it"
            )
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = OFF")
        if version < len(MIGRATIONS):
            db.execute("BEGIN IMMEDIATE")
            # Another process may have done it while this one waited for the lock.
            version = db.execute("PRAGMA user_version").fetchone()[0]
            for number, migrate in enumerate(MIGRATIONS[version:], start=version + 1):
                migrate(db)
                db.execute(f"PRAGMA user_version = {number}")
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute("COMMIT")
            _shrink(db)
        if exists:
            _check_tables(db, path)
            if create:
                refuse_triggers(db, path)
        return db
    except StoreError:
        if db is not None:
            db.close()
        raise
    except (sqlite3.Error, OSError) as error:
        if db is not None:
            db.close()
        raise StoreError(f"{path}: cannot be opened: {error}") from error


def _shrink(db: sqlite3.Connection) -> None:
    """Give back the room that a migration left, where that is most of the file."""
    ((free,), (pages,)) = (
        db.execute(f"PRAGMA {count}").fetchone() for count in ("freelist_count", "page_count")
    )
    if 2 * free > pages:
        # Only a matter of size: another process may be reading, or the disk may be full.
        with suppress(sqlite3.OperationalError):
            db.execute("VACUUM")


def _check_tables(db: sqlite3.Connection, path: Path) -> None:
    """Refuse a file that lacks a table or column, or has something else by the name of a table.

    Raises:
        StoreError: With the table.
    """
    # A view would be computed, by what its maker wrote, whenever a run is read.
    kinds = dict(db.execute("SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view')"))
    for table, columns in COLUMNS.items():
        found = {name for _, name, *_ in db.execute(f"PRAGMA table_info({table})")}
        wanted = [*columns, *["checksum"] * (table in SEALED)]
        if kinds.get(table) != "table" or (lost := [one for one in wanted if one not in found]):
            what = "is no table" if kinds.get(table) != "table" else f"lacks {', '.join(lost)}"
            raise StoreError(
                f"{path}: it is damaged: {table} {what}; put back a copy, or play the study into "
                f"another folder"
            )


def refuse_triggers(db: sqlite3.Connection, path: Path) -> None:
    """Write nothing into a file in which that would set off what somebody else wrote.

    Raises:
        StoreError: There is a trigger, with its name.
    """
    found = db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchone()
    if found is not None:
        raise StoreError(
            f"{path}: trigger {found[0]!r} is none of a run's, and would change what is written; "
            f"put back a copy, or play the study into another folder"
        )


@contextmanager
def telling(path: Path, db: sqlite3.Connection) -> Iterator[None]:
    """Have errors of reading and writing name a run's file, and what can be done.

    Raises:
        StoreError: Whatever SQLite says, or which row does not hold what it should.
    """
    see = f"see driftloop doctor {path.parent}"
    try:
        yield
    except (UncheckedError, sqlite3.Error, UnicodeError) as error:
        # Its subclasses are a full disk, a lock, a constraint; what is damaged has none of its own.
        damaged = type(error) is sqlite3.DatabaseError
        if isinstance(error, UncheckedError) or "Could not decode" in str(error):
            what = first_bad_row(db) or missing_part(db) or error
            raise StoreError(f"{path}: {what}; {see}") from error
        fix = f"; it is damaged, {see}" if damaged else ""
        raise StoreError(f"{path}: {error}{fix}") from error


def _check_file(path: Path, *, create: bool) -> None:
    if not path.is_file():
        raise StoreError(f"{path}: not a file; choose another folder")
    if not path.stat().st_size:
        # A process that is killed as it makes a run leaves an empty file, and nothing beside it.
        if create and not (path.parent / "images").exists():
            return
        raise StoreError(
            f"{path}: an empty file, and no run: its rows are lost, as a copy that was broken off "
            f"loses them; put back a whole copy"
        )
    with path.open("rb") as stream:
        head = stream.read(16)
    if head != b"SQLite format 3\0":
        raise StoreError(
            f"{path}: not an SQLite file, or one whose beginning is damaged; "
            f"choose another folder, or put back a copy of it"
        )
