"""What is deleted or replaced while a run plays is noticed before more is lost."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
from driftloop_toys.studies import toy_study
from PIL import Image

from driftloop.errors import StoreError
from driftloop.runners import Session, open_session
from driftloop.steps import Call, Content, Output, Role, Step, Trajectory
from driftloop.store import create_run, open_run
from driftloop.store._images import ImageFiles


def play_some(session: Session, most: int) -> None:
    for _ in range(most):
        batch = session.ask()
        assert batch is not None
        session.tell(batch, session.play(batch))


@pytest.mark.parametrize("how", ["deleted", "replaced", "its log", "the folder"])
def test_a_database_that_is_gone_is_noticed_at_the_next_commit(how: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with open_session(toy_study(), folder) as session:
        play_some(session, 1)
        file = folder / "driftloop.sqlite"
        if how == "replaced":
            shutil.copy(file, tmp_path / "copy")
            (tmp_path / "copy").replace(file)
        elif how == "the folder":
            shutil.rmtree(folder)
        else:
            Path(f"{file}-wal" if how == "its log" else file).unlink()
        if how == "the folder":
            (folder / "images").mkdir(parents=True)
        with pytest.raises(StoreError, match=r"deleted or replaced while the run was\s+played"):
            play_some(session, 3)


def step(index: int, image: Image.Image) -> Step:
    call = Call("m", "f", (Content("text", "x"),), index)
    return Step(Trajectory("a", "p", 0), index, index + 1, Role.GENERATOR, call, Output(image))


@pytest.mark.parametrize("inner", [False, True])
def test_images_that_are_gone_are_noticed_at_the_next_commit(tmp_path: Path, inner: bool) -> None:
    with create_run(tmp_path) as run:
        run.begin(study="{}", digest="d", prompts=[], environment={})
        run.commit([step(0, Image.new("RGB", (2, 2), "red"))])
        (digest,) = run.images.digests()
        shutil.rmtree(run.images.path(digest).parent if inner else run.images.folder)
        again = Image.new("RGB", (2, 2), "red" if inner else "blue")
        with pytest.raises(StoreError, match="deleted or replaced"):
            run.commit([step(1, again)])
        assert len(run) == 1
    # A run that is opened anew has no folder to miss.
    ImageFiles(tmp_path / "images").put({digest: Image.new("RGB", (2, 2), "red")})


def test_a_clock_that_is_set_back_changes_no_share_and_no_duration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [2_000_000_000.0]

    def back() -> float:
        now[0] -= 3600.0
        return now[0]

    monkeypatch.setattr(time, "time", back)
    with open_session(toy_study(rounds=2), tmp_path / "run") as session:
        while batch := session.ask():
            session.tell(batch, session.players[batch.model].play(
                session.inputs(batch), batch.seeds))  # fmt: skip
        shares = session.busy()
    monkeypatch.undo()
    assert shares
    assert all(0 <= share <= 1.5 for share in shares.values())
    with open_run(tmp_path / "run") as run:
        assert min(run.steps()["seconds"].to_pylist()) >= 0
        (sitting,) = run.sessions()
    assert 0 <= sitting["ended"] - sitting["started"] < 600
