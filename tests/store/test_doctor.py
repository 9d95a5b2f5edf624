"""The doctor finds what was broken on purpose, and a mended run goes on to the same end."""

from __future__ import annotations

import shutil
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
from driftloop.runners import Session, cast_study
from driftloop.steps import Role
from driftloop.store import examine, open_run
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
    with Session(toy_study(rounds=5), whole) as session:
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


def test_a_run_can_be_moved(whole: Path, tmp_path: Path) -> None:
    shutil.move(whole, tmp_path / "elsewhere")
    assert examine(tmp_path / "elsewhere") == []
