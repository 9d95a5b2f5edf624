"""Memory that runs out: before a size was played it shrinks, after that the run waits for more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from driftloop_toys.studies import toy_data

import driftloop
from driftloop.errors import ModelError
from driftloop.models import is_out_of_memory, remember
from driftloop.runners import Session, cast_study, open_session
from driftloop.store import open_run
from driftloop.study import Study, load_study

VOLATILE = ["started", "seconds", "shared"]


def study(**draw: Any) -> Study:
    data = toy_data()
    model = {"backend": "toy", "role": "generator", **draw}
    return load_study({**data, "models": {**data["models"], "draw": model}})


def played(folder: Path) -> Any:
    with open_run(folder) as run:
        return run.steps().drop_columns(VOLATILE)


def test_a_new_micro_batch_shrinks_until_it_fits(tmp_path: Path) -> None:
    tight = study(memory=3)
    seat = cast_study(tight).seats["draw"]
    # This machine has learnt the size when more of its memory was free.
    remember(seat.located.identity, seat.choices, batch_size=16)
    told: list[str] = []
    with open_session(tight, tmp_path / "tight", say=told.append) as session:
        assert session.players["draw"].batch_size == 2
        play(session)
    assert "draw: no memory for a micro-batch of 4, trying 2" in told
    with open_session(tight, tmp_path / "tight") as session:
        assert session.players["draw"].batch_size == 2
    driftloop.run(study(batch_size=2), tmp_path / "plain", progress=False).close()
    assert played(tmp_path / "tight").equals(played(tmp_path / "plain"))


def test_a_size_that_the_study_sets_is_not_changed(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"its micro-batch of 8.*set batch_size = 4"):
        open_session(study(memory=4, batch_size=8), tmp_path)
    with pytest.raises(ModelError, match="too little memory for one input"):
        open_session(study(memory=0, batch_size=1), tmp_path / "one")


class Forgetful:
    """A player whose memory runs out at some of its micro-batches."""

    def __init__(self, player: Any, runs_out: Iterator[bool]) -> None:
        self._player = player
        self._runs_out = runs_out

    def play(self, inputs: Sequence[Any], seeds: Sequence[int]) -> Any:
        if next(self._runs_out):
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB.")
        return self._player.play(inputs, seeds)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._player, name)


def play(session: Session) -> None:
    while batch := session.ask():
        session.tell(batch, session.play(batch))


def test_memory_that_comes_back_changes_nothing(tmp_path: Path) -> None:
    driftloop.run(study(batch_size=3), tmp_path / "plain", progress=False).close()
    with open_session(study(batch_size=3), tmp_path / "tight") as session:
        every_other = iter([False, True] * 1000)
        session.players["draw"] = Forgetful(session.players["draw"], every_other)
        play(session)
    assert played(tmp_path / "tight").equals(played(tmp_path / "plain"))


def test_memory_that_stays_away_stops_the_run_and_loses_nothing(tmp_path: Path) -> None:
    driftloop.run(study(batch_size=3), tmp_path / "plain", progress=False).close()
    with open_session(study(batch_size=3), tmp_path / "tight") as session:
        never_again = iter([False] * 3 + [True] * 1000)
        session.players["draw"] = Forgetful(session.players["draw"], never_again)
        with pytest.raises(ModelError, match="free memory and play again"):
            play(session)
    with open_run(tmp_path / "tight") as run:
        assert 0 < len(run) < cast_study(study()).steps
        assert run.failures() == []
    driftloop.run(study(batch_size=3), tmp_path / "tight", progress=False).close()
    assert played(tmp_path / "tight").equals(played(tmp_path / "plain"))


def test_what_counts_as_memory_that_ran_out() -> None:
    torch = pytest.importorskip("torch")
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert is_out_of_memory(RuntimeError("DefaultCPUAllocator: not enough memory: you tried"))
    assert not is_out_of_memory(RuntimeError("shapes do not match"))
    assert not is_out_of_memory(ValueError("out of memory"))
