"""The doctor finds what was broken on purpose, and a mended run goes on to the same end."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from driftloop_toys.studies import toy_study

import driftloop
from driftloop.runners import cast_study
from driftloop.store import examine, open_run


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


def test_a_run_can_be_moved(whole: Path, tmp_path: Path) -> None:
    shutil.move(whole, tmp_path / "elsewhere")
    assert examine(tmp_path / "elsewhere") == []
