"""The doctor finds what was broken on purpose, and a mended run goes on to the same end."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from driftloop_toys import ToyPlayer
from driftloop_toys.studies import toy_study
from PIL import Image
from typer.testing import CliRunner

import driftloop
from driftloop.chains import import_chains
from driftloop.cli import app
from driftloop.errors import StoreError
from driftloop.runners import cast_study, open_session
from driftloop.steps import Role, image_digest
from driftloop.store import examine, open_run, sole_player
from driftloop.store._schema import _m005_imported_steps_in_a_row
from driftloop.store._sums import SEALED, seal_all


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    driftloop.run(toy_study(), tmp_path / "run", progress=False).close()
    return tmp_path / "run"


def test_a_sound_run(whole: Path) -> None:
    assert examine(whole) == []


def test_lost_pictures_are_played_again(whole: Path) -> None:
    with open_run(whole) as run:
        expected = run.steps().drop_columns(["started", "seconds", "shared"])
        pictures = list(dict.fromkeys(run.steps()["image"].drop_null().to_pylist()))
        missing, damaged = run.images.path(pictures[3]), run.images.path(pictures[11])
    missing.unlink()
    damaged.write_bytes(damaged.read_bytes()[:50])
    (whole / "images" / "00").mkdir(exist_ok=True)
    (whole / "images" / "00" / ".x.part").write_text("half")
    kinds = sorted(finding.kind for finding in examine(whole))
    assert kinds == ["leftover", "picture", "picture"]
    assert all(f.mended for f in examine(whole, repair=True) if f.kind != "orphan")
    assert [f for f in examine(whole) if f.kind != "orphan"] == []
    with driftloop.run(toy_study(), whole, progress=False) as run:
        assert run.steps().drop_columns(["started", "seconds", "shared"]).equals(expected)
    assert examine(whole) == []


def test_a_gap_is_mended(whole: Path) -> None:
    with open_run(whole) as run:
        run._db.execute("DELETE FROM steps WHERE trajectory = 2 AND step = 3")
    (finding,) = [f for f in examine(whole) if f.kind == "gap"]
    assert "no whole step 3" in finding.what
    examine(whole, repair=True)
    with driftloop.run(toy_study(), whole, progress=False) as run:
        assert len(run) == cast_study(toy_study()).steps
    assert examine(whole) == []


def test_a_run_that_is_being_played_is_not_repaired(whole: Path) -> None:
    with open_run(whole) as run:
        run.images.path(run.steps()["image"].drop_null()[0].as_py()).unlink()
    (whole / "images" / "00").mkdir(exist_ok=True)
    half = whole / "images" / "00" / ".x.part"
    half.write_text("in the making")
    with open_session(toy_study(rounds=5), whole) as session:
        with pytest.raises(StoreError, match="another process is playing"):
            examine(whole, repair=True)
        assert half.exists()
        assert len(session.run) == cast_study(toy_study()).steps
        # It may be half written because it is being written.
        assert {finding.kind for finding in examine(whole)} == {"picture"}
    assert {f.kind for f in examine(whole, repair=True) if f.mended} == {"picture", "leftover"}


def test_a_repair_is_whole_or_not_at_all(whole: Path) -> None:
    with open_run(whole) as run:
        run._db.execute("DELETE FROM steps WHERE trajectory = 2 AND step = 3")
        run._db.execute(
            "CREATE TRIGGER full BEFORE DELETE ON calls BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
        before = len(run)
    with pytest.raises(StoreError):
        examine(whole, repair=True)
    with open_run(whole) as run:
        assert len(run) == before


def test_what_is_played_again_may_be_answered_otherwise(
    whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_run(whole) as run:
        run.images.path(run.steps()["image"].drop_null()[1].as_py()).unlink()
    examine(whole, repair=True)
    one = ToyPlayer._one

    def moody(player: ToyPlayer, item: Any, seed: int) -> Any:
        outcome = one(player, item, seed)
        if player.role is Role.CAPTIONER:
            return replace(outcome, content=f"{outcome.content} Today it is raining.")
        return outcome

    monkeypatch.setattr(ToyPlayer, "_one", moody)
    with driftloop.run(toy_study(), whole, progress=False) as run:
        steps = run.steps().to_pylist()
    assert any(step["text"] and "raining" in step["text"] for step in steps)
    for before, after in pairwise(steps):
        if after["step"]:
            assert (after["input_text"] or after["input_image"]) == (
                before["text"] or before["image"]
            )


IMPORTED = "chain,round,text,error\nc,1,one,\nc,2,,timeout\nc,3,three,\nc,4,four,\n"


def test_imported_chains_are_never_taken_out(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4), "red").save(tmp_path / "red.png")
    rows = "chain,round,image,text\nc,1,red.png,one\nc,2,,two\n"
    (tmp_path / "chains.csv").write_text(rows, "utf-8")
    import_chains(tmp_path / "chains.csv", tmp_path / "run")
    with open_run(tmp_path / "run") as run:
        run._db.execute("UPDATE steps SET step = step + 5 WHERE step = 2")
        run.images.path(run.steps()["image"].drop_null()[0].as_py()).unlink()
    findings = examine(tmp_path / "run", repair=True)
    assert sorted(finding.kind for finding in findings) == ["gap", "picture", "row"]
    assert not any(finding.mended or finding.mendable for finding in findings)
    result = CliRunner().invoke(app, ["doctor", str(tmp_path / "run")])
    assert "import the chains again" in result.output
    assert "--repair" not in result.output
    with open_run(tmp_path / "run") as run:
        assert len(run) == 3


def test_an_import_with_a_failure_is_sound(tmp_path: Path) -> None:
    (tmp_path / "chains.csv").write_text(IMPORTED, "utf-8")
    import_chains(tmp_path / "chains.csv", tmp_path / "run")
    assert examine(tmp_path / "run", repair=True) == []
    with open_run(tmp_path / "run") as run:
        rows = run.steps().to_pylist()
        assert [(row["step"], row["round"]) for row in rows] == [(0, 1), (1, 3), (2, 4)]
        assert [(row["reason"], row["round"]) for row in run.failures()] == [("timeout", 2)]


def test_an_older_import_with_a_failure_is_sound(tmp_path: Path) -> None:
    (tmp_path / "chains.csv").write_text(IMPORTED, "utf-8")
    import_chains(tmp_path / "chains.csv", tmp_path / "run")
    with open_run(tmp_path / "run") as run:
        run._db.execute("UPDATE steps SET step = step + 1 WHERE step = 2")
        run._db.execute("UPDATE steps SET step = step + 1 WHERE step = 1")
        run._db.execute("UPDATE failures SET step = 1")
        with run._transaction() as db:
            _m005_imported_steps_in_a_row(db)
            for table in ("steps", "failures"):
                seal_all(db, table, SEALED[table])
    assert examine(tmp_path / "run", repair=True) == []
    with open_run(tmp_path / "run") as run:
        rows = run.steps().to_pylist()
        assert [(row["step"], row["text"]) for row in rows] == [
            (0, "one"), (1, "three"), (2, "four"),
        ]  # fmt: skip
        assert [(row["reason"], row["round"]) for row in run.failures()] == [("timeout", 2)]
    assert not import_chains(tmp_path / "chains.csv", tmp_path / "run").fresh


def test_a_lost_text_is_a_gap_and_is_played_again(whole: Path) -> None:
    with open_run(whole) as run:
        before = run.steps()
        lost = next(row for row in before.to_pylist() if row["text"] and row["round"] == 2)
        run._db.execute("DELETE FROM texts WHERE value = ?", (lost["text"],))
    assert {finding.kind for finding in examine(whole)} == {"gap"}
    # Pictures that were made from it are kept, though no step names them now.
    assert {f.mended for f in examine(whole, repair=True) if f.kind != "orphan"} == {True}
    assert {finding.kind for finding in examine(whole)} <= {"orphan"}
    with open_run(whole) as run:
        used = {row["text"] for row in run.steps().to_pylist()}
        used |= {row["input_text"] for row in run.steps().to_pylist()}
        kept = {value for (value,) in run._db.execute("SELECT value FROM texts")}
        assert kept == used - {None}
    driftloop.run(toy_study(), whole, progress=False).close()
    with open_run(whole) as run:
        drop = ["started", "seconds", "shared"]
        assert run.steps().drop_columns(drop).equals(before.drop_columns(drop))


def test_damaged_pages_are_told(whole: Path) -> None:
    with open_run(whole) as run:
        run._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        ((page, size),) = run._db.execute(
            "SELECT rootpage, (SELECT page_size FROM pragma_page_size) FROM sqlite_master"
            " WHERE name = 'trajectories'"
        )
    with (whole / "driftloop.sqlite").open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    result = CliRunner().invoke(app, ["doctor", str(whole)])
    assert result.exit_code == 1, result.exception
    assert "found database:" in result.output
    assert "--repair" not in result.output


def change(folder: Path, statement: str, *values: object) -> None:
    """What somebody writes into a run's file who knows about checksums."""
    with open_run(folder) as run:
        run._db.execute(statement, values)
        for table, columns in SEALED.items():
            seal_all(run._db, table, columns)


HAND = {
    "a caption": ("text", "UPDATE texts SET value = value || '!' WHERE value LIKE '%ship%'"),
    "a seed": ("key", "UPDATE calls SET seed = seed + 1 WHERE output_kind = 'image'"),
    "a weight": ("key", "UPDATE calls SET fingerprint = 'another' WHERE output_kind = 'text'"),
    "what a step took": (
        "key",
        "UPDATE calls SET input = (SELECT output FROM calls c WHERE c.output_kind = 'image'"
        " AND c.output <> calls.input) WHERE input_kind = 'image'",
    ),
    "what a step gave": (
        "input",
        "UPDATE calls SET output = (SELECT max(output) FROM calls c WHERE c.output_kind = 'text')"
        " WHERE output_kind = 'text' AND key IN (SELECT call FROM steps WHERE step = 1)",
    ),
    "the prompt": (
        "input",
        "UPDATE prompts SET value = 'a sheep at sea' WHERE value LIKE '%ship%'",
    ),
    "a round": ("row", "UPDATE steps SET round = round + 1 WHERE step > 3"),
    "a role": ("row", "UPDATE steps SET role = 'writer' WHERE role = 'captioner'"),
    "a model": ("row", "UPDATE steps SET model = 'draw' WHERE model = 'look'"),
    "a twin": ("row", "UPDATE trajectories SET twin = 7 WHERE twin = 1"),
    "a session": ("row", "UPDATE calls SET session = 9"),
    "a study": ("row", "UPDATE sessions SET study = 'mine'"),
    "a trigger": (
        "database",
        "CREATE TRIGGER mine AFTER INSERT ON steps BEGIN DELETE FROM texts; END",
    ),
    "a column": ("database", "ALTER TABLE calls RENAME COLUMN seconds TO secondr"),
}


@pytest.mark.parametrize("what", HAND)
def test_what_follows_from_something_else_is_compared_with_it(what: str, whole: Path) -> None:
    kind, statement = HAND[what]
    if what == "a column":
        with open_run(whole) as run:
            run._db.execute(statement)
        with pytest.raises(StoreError, match="calls lacks seconds"):
            examine(whole)
        return
    change(whole, statement)
    assert kind in {finding.kind for finding in examine(whole)}


@pytest.mark.parametrize("what", ["a caption", "a seed", "what a step gave", "a round", "a role"])
def test_what_was_changed_by_hand_is_mended_to_the_same_bits(what: str, whole: Path) -> None:
    with open_run(whole) as run:
        expected = run.steps().drop_columns(["started", "seconds", "shared"])
    change(whole, HAND[what][1])
    assert examine(whole, repair=True)
    assert {finding.kind for finding in examine(whole)} <= {"orphan"}
    with driftloop.run(toy_study(), whole, progress=False) as run:
        assert run.steps().drop_columns(["started", "seconds", "shared"]).equals(expected)
    assert examine(whole) == []


UNTOLD_ELSEWHERE = {
    "calls": ("seconds", "started", "tokens_written", "cut_text", "flags", "readings"),
    "players": ("details", "batch_size"),
    "sessions": ("ended", "environment", "outcome"),
    "studies": ("json", "since"),
    "steps": ("shared",),
    "prompts": ("source", "flags"),
}


@pytest.mark.parametrize("table", UNTOLD_ELSEWHERE)
def test_what_follows_from_nothing_else_has_a_checksum(table: str, whole: Path) -> None:
    for column in UNTOLD_ELSEWHERE[table]:
        with open_run(whole) as run:
            (before,) = run._db.execute(f"SELECT {column} FROM {table}").fetchone()
            other = {"json": '{"title": 1}', "flags": '["flat"]', "readings": '[[1, 0, ""]]'}
            run._db.execute(f"UPDATE {table} SET {column} = ?", (other.get(column, 1),))
        assert {finding.kind for finding in examine(whole)} == {"row"}, column
        with open_run(whole) as run:
            run._db.execute(f"UPDATE {table} SET {column} = ?", (before,))
            with run._transaction() as db:
                seal_all(db, table, SEALED[table])
    assert examine(whole) == []


def test_nothing_is_told_of_a_run_while_it_is_played(tmp_path: Path) -> None:
    code = (
        "import sys, driftloop\n"
        "from driftloop_toys.studies import toy_study\n"
        "driftloop.run(toy_study(rounds=200), sys.argv[1], progress=False).close()"
    )
    toys = str(Path(__file__).parents[1] / "toys")
    path = os.pathsep.join([str(Path(driftloop.__file__).parents[1]), toys])
    player = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "run")],
        env={**os.environ, "PYTHONPATH": path},
    )
    looked = 0
    try:
        while player.poll() is None and looked < 8:
            try:
                with open_run(tmp_path / "run") as run:
                    begun = len(run)
            except StoreError:
                continue
            if begun:
                assert examine(tmp_path / "run") == []
                looked += player.poll() is None
    finally:
        player.kill()
        player.wait()
    assert looked
    # What it left half-written, or without its row, is told once it plays no more.
    (tmp_path / "run" / "images" / "00").mkdir(exist_ok=True)
    (tmp_path / "run" / "images" / "00" / ".x.part").write_text("half")
    assert "leftover" in {finding.kind for finding in examine(tmp_path / "run")}
    assert {f.kind for f in examine(tmp_path / "run", repair=True)} <= {"leftover", "orphan"}


def test_a_picture_without_a_row_is_told_unless_somebody_plays(whole: Path) -> None:
    image = Image.new("RGB", (3, 3), "red")
    with open_run(whole) as run:
        run.put_images({image_digest(image): image})
    assert {finding.kind for finding in examine(whole)} == {"orphan"}
    with sole_player(whole):
        assert examine(whole) == []


def test_a_run_can_be_moved(whole: Path, tmp_path: Path) -> None:
    shutil.move(whole, tmp_path / "elsewhere")
    assert examine(tmp_path / "elsewhere") == []
