"""A row that does not hold what it should is told by its name, by all that read it."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from toys_store import lay

from driftloop.errors import StoreError
from driftloop.store import Run, examine, open_run
from driftloop.store._rows import COLUMNS, first_bad_row
from driftloop.store._schema import MIGRATIONS
from driftloop.store._sums import KEYS, SEALED, change_row, checksum, put_row

BAD = [
    ("calls", "flags", "[1]", Run.steps),
    ("calls", "flags", "{", Run.steps),
    ("calls", "flags", "[" * 5000, Run.steps),
    ("calls", "readings", '[["a", 1, "", ""]]', Run.steps),
    ("calls", "seconds", 9e999, Run.steps),
    ("calls", "started", -1, Run.steps),
    ("calls", "seed", "none", Run.steps),
    ("calls", "output_kind", "film", lambda run: list(run.played())),
    ("calls", "output", 99, lambda run: list(run.played())),
    ("calls", "cut_text", b"\xff", Run.steps),
    ("texts", "value", b"x", Run.steps),
    ("steps", "round", 999_999, Run.steps),
    ("steps", "round", 0, Run.steps),
    ("steps", "role", "editor of it all", Run.steps),
    ("steps", "call", "nowhere", Run.steps),
    ("trajectories", "twin", -1, Run.trajectories),
    ("trajectories", "arm", b"x", Run.trajectories),
    ("prompts", "kind", "film", Run.prompts),
    ("prompts", "flags", "null", Run.prompts),
    ("players", "details", '{"settings": 3}', Run.players),
    ("players", "batch_size", 0, lambda run: run.batch_size("generator")),
    ("sessions", "environment", '{"versions": []}', Run.sessions),
    ("sessions", "started", 1e300, Run.sessions),
    ("studies", "json", "[]", Run.studies),
    ("studies", "json", '{"prompts": [{"image": 3}]}', Run.studies),
]


@pytest.mark.parametrize(("table", "column", "value", "read"), BAD)
def test_a_bad_row_is_told_by_file_table_and_row(
    tmp_path: Path, table: str, column: str, value: object, read: Any
) -> None:
    with lay(tmp_path) as run:
        run._db.execute(
            f"UPDATE {table} SET {column} = ? WHERE {KEYS[table][0]} IN"
            f" (SELECT {KEYS[table][0]} FROM {table} LIMIT 1)",
            (value,),
        )
    with open_run(tmp_path) as run, pytest.raises(StoreError) as caught:
        read(run)
    said = str(caught.value)
    assert "driftloop.sqlite: table " in said
    assert ", row " in said
    assert said.endswith(f"see driftloop doctor {tmp_path}")
    # The doctor goes on to the next, whatever it meets.
    assert {"row", "gap", "text"} & {finding.kind for finding in examine(tmp_path)}


def test_text_that_is_no_utf8_is_told_by_its_row(tmp_path: Path) -> None:
    with lay(tmp_path) as run:
        run._db.execute("UPDATE calls SET cut_text = CAST(x'ff41' AS TEXT)")
    with open_run(tmp_path) as run, pytest.raises(StoreError, match=r"table calls, row .*cut_text"):
        run.steps()
    assert {finding.kind for finding in examine(tmp_path)} == {"row"}


def test_a_sound_run_has_no_bad_row_and_every_table_is_known(tmp_path: Path) -> None:
    with lay(tmp_path) as run:
        assert first_bad_row(run._db) is None
        tables = run._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        assert {name for (name,) in tables} == set(COLUMNS) == set(KEYS)
        for table, columns in COLUMNS.items():
            assert table == "texts" or (*columns,) == SEALED[table]
            found = [row[1] for row in run._db.execute(f"PRAGMA table_info({table})")]
            assert set(found) == {*columns, *["checksum"] * (table in SEALED)}


def test_a_checksum_is_the_same_in_every_version(tmp_path: Path) -> None:
    assert checksum(("a", 1, 2.5, None, b"x", "ü \U0001fae8")) == checksum(
        ("a", True, 2.5, None, b"x", "ü \U0001fae8")
    )
    assert checksum(("a", 1, 2.5, None, b"x", "ü \U0001fae8")) == -1359385998
    assert len({checksum((value,)) for value in (None, "None", 0, "0", 0.0, "", b"")}) == 7


def test_a_damaged_row_that_is_changed_stays_one_that_is_told(tmp_path: Path) -> None:
    with lay(tmp_path) as run:
        run._db.execute("UPDATE sessions SET started = started + 1")
        with run._transaction() as db:
            assert change_row(db, "sessions", (1,), outcome="finished")
    assert any("table sessions, row 1" in finding.what for finding in examine(tmp_path))


def test_a_run_without_checksums_is_sealed_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lay(tmp_path) as run:
        before = run.steps()
        for table in SEALED:
            run._db.execute(f"ALTER TABLE {table} DROP COLUMN checksum")
        # What came with later versions.
        run._db.execute("ALTER TABLE steps DROP COLUMN slot")
        for table in ("inputs", "states"):
            run._db.execute(f"DROP TABLE {table}")
        names = [migrate.__name__ for migrate in MIGRATIONS]
        run._db.execute(f"PRAGMA user_version = {names.index('_m009_checksums')}")
    assert examine(tmp_path) == []
    with open_run(tmp_path) as run:
        assert run.steps().equals(before)
        run._db.execute("UPDATE calls SET seconds = seconds + 1 WHERE output_kind = 'text'")
    assert {finding.kind for finding in examine(tmp_path)} == {"row"}


def test_a_view_or_a_table_without_a_column_is_no_run(tmp_path: Path) -> None:
    lay(tmp_path).close()
    db = sqlite3.connect(tmp_path / "driftloop.sqlite")
    db.execute("ALTER TABLE steps RENAME TO mine")
    db.execute("CREATE VIEW steps AS SELECT * FROM mine")
    db.commit()
    with pytest.raises(StoreError, match="steps is no table"):
        open_run(tmp_path)
    db.execute("DROP VIEW steps")
    db.execute("ALTER TABLE mine RENAME TO steps")
    db.execute("ALTER TABLE failures DROP COLUMN trace")
    db.commit()
    db.close()
    with pytest.raises(StoreError, match="failures lacks trace"):
        open_run(tmp_path)


def test_vectors_of_several_lengths_are_taken_out_by_a_repair(tmp_path: Path) -> None:
    with lay(tmp_path) as run:
        for content, length in (("a", 8), ("b", 8), ("c", 4)):
            put_row(run._db, "embeddings", "e", content, bytes(length))
        with pytest.raises(StoreError, match="different lengths"):
            run.embeddings("e", ["a", "c"])
    (finding,) = examine(tmp_path, repair=True)
    assert finding.mended
    with open_run(tmp_path) as run:
        assert sorted(run.embeddings("e", ["a", "b", "c"])) == ["a", "b"]
    assert examine(tmp_path) == []
