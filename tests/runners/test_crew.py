"""Players at the same time: the same results, and all who may play do."""

from __future__ import annotations

import random
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from driftloop_toys import ToyPlayer
from driftloop_toys.studies import toy_data

import driftloop
from driftloop.errors import ModelError, StudyError
from driftloop.runners import Overlap, Session, cast_study, drive, open_session
from driftloop.steps import Batch
from driftloop.store import open_run
from driftloop.study import Study, load_study

VOLATILE = ["started", "seconds", "shared"]
PATIENCE = 30.0
"""Seconds after which a thread that waits for another gives up, and the test fails."""

Devices = str | list[str]


def study(draw: Devices = "auto", look: Devices = "auto", batch_size: int = 4) -> Study:
    """Eight trajectories: two full micro-batches a model."""
    data = toy_data()
    data["models"]["draw"].update(device=draw, batch_size=batch_size)
    data["models"]["look"].update(device=look, batch_size=batch_size)
    return load_study(data)


def played(folder: Path) -> pa.Table:
    with open_run(folder) as run:
        assert run.failures() == []
        return run.steps().drop_columns(VOLATILE)


@pytest.fixture
def expected(tmp_path: Path) -> pa.Table:
    driftloop.run(study(), tmp_path / "expected", overlap="off", progress=False).close()
    return played(tmp_path / "expected")


Hook = Callable[[ToyPlayer, int], Any]


class Watch:
    """Sees who is in play, and runs a hook in the player's own thread."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.hook: Hook = lambda player, number: None
        self.calls = {"generator": 0, "captioner": 0}
        self.in_play: list[str] = []
        self.most = 0
        self._lock = threading.Lock()
        original = ToyPlayer.play

        def play(player: ToyPlayer, inputs: Any, seeds: Any) -> Any:
            with self._lock:
                self.calls[player.role] += 1
                number = self.calls[player.role]
                self.in_play.append(player.role)
                self.most = max(self.most, len(self.in_play))
            try:
                self.hook(player, number)
                return original(player, inputs, seeds)
            finally:
                with self._lock:
                    self.in_play.remove(player.role)

        monkeypatch.setattr(ToyPlayer, "play", play)

    def start(self, hook: Hook | None = None) -> None:
        """Forget the self-tests."""
        self.calls = dict.fromkeys(self.calls, 0)
        self.most = 0
        self.hook = hook or self.hook


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    return Watch(monkeypatch)


@pytest.mark.parametrize(
    ("draw", "look", "overlap"),
    [
        ("auto", "auto", "devices"),
        ("cpu", "cpu", "devices"),
        ("cpu", "cpu", "models"),
        (["cpu", "cpu"], "cpu", "devices"),
        (["cpu", "cpu", "cpu"], ["cpu", "cpu"], "models"),
        (["cpu:0", "cpu:1"], ["cpu:0", "cpu:1"], "devices"),
        (["cpu", "cpu"], ["cpu", "cpu", "cpu"], "off"),
    ],
)
def test_the_same_bits_with_any_players_together(
    draw: Devices, look: Devices, overlap: Overlap, tmp_path: Path, expected: pa.Table,
    watch: Watch,
) -> None:  # fmt: skip
    dice = random.Random(5)
    watch.hook = lambda player, number: time.sleep(dice.uniform(0, 0.005))
    driftloop.run(study(draw, look), tmp_path / "1", overlap=overlap, progress=False).close()
    assert played(tmp_path / "1").equals(expected)


@pytest.mark.parametrize(
    ("device", "overlap"), [("auto", "devices"), (["cpu", "cpu"], "devices"), ("cpu", "models")]
)
def test_two_models_play_at_the_same_time(
    device: Devices, overlap: Overlap, tmp_path: Path, watch: Watch
) -> None:
    both = threading.Barrier(2)

    def meet(player: ToyPlayer, number: int) -> None:
        # The first pictures are described while the second ones are drawn, or nobody comes.
        drawn_together = device == ["cpu", "cpu"]
        if (player.role, number) in {
            ("generator", 1 if drawn_together else 2),
            ("generator", 2) if drawn_together else ("captioner", 1),
        }:
            both.wait(PATIENCE)

    with open_session(study(device, device), tmp_path / "1") as session:
        watch.start(meet)
        drive(session, overlap=overlap)
    assert played(tmp_path / "1").num_rows == cast_study(study()).steps
    assert not both.broken
    assert watch.most == 2


@pytest.mark.parametrize(("device", "overlap"), [("cpu", "devices"), ("auto", "off")])
def test_players_take_turns(device: str, overlap: Overlap, tmp_path: Path, watch: Watch) -> None:
    with open_session(study(device, device), tmp_path / "1") as session:
        watch.start(lambda player, number: time.sleep(0.002))
        drive(session, overlap=overlap)
    assert watch.most == 1


def test_what_is_played_is_written_while_others_play(
    tmp_path: Path, watch: Watch, expected: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = threading.Event()
    keep = Session.keep
    seen = []

    def slow_disk(session: Session, heard: Any) -> None:
        # The disk is slow until the next micro-batch is in play; on one device, too.
        seen.append(second.wait(PATIENCE))
        keep(session, heard)

    monkeypatch.setattr(Session, "keep", slow_disk)
    with open_session(study("cpu", "cpu"), tmp_path / "1") as session:
        watch.start(lambda player, number: second.set() if sum(watch.calls.values()) > 1 else None)
        drive(session)
    assert all(seen)
    assert played(tmp_path / "1").equals(expected)


def test_nothing_is_in_play_meanwhile_when_overlap_is_off(
    tmp_path: Path, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = Session.keep
    in_play: list[str] = []
    monkeypatch.setattr(
        Session, "keep", lambda *heard: (in_play.extend(watch.in_play), keep(*heard))
    )
    driftloop.run(study(), tmp_path / "1", overlap="off", progress=False).close()
    assert in_play == []


def test_a_micro_batch_that_is_not_full_waits_for_its_device(tmp_path: Path) -> None:
    sizes: list[tuple[int, int]] = []
    with open_session(study("cpu", "cpu", batch_size=5), tmp_path / "1") as session:
        ask, hear = session.ask, session.hear
        out = 0

        def counted_ask(*models: str) -> Batch | None:
            nonlocal out
            if batch := ask(*models):
                sizes.append((len(batch.calls), out))
                out += 1
            return batch

        def counted_hear(*args: Any) -> Any:
            nonlocal out
            out -= 1
            return hear(*args)

        session.ask, session.hear = counted_ask, counted_hear  # type: ignore[method-assign]
        drive(session, overlap="models")
        assert session.scheduler.done
    assert {size for size, _ in sizes} > {5}
    assert all(beside == 0 for size, beside in sizes if size < 5)


class Broken(BaseException):
    """What no player's error is turned into a row for."""


def test_an_error_in_a_thread_surfaces_and_what_else_is_in_play_is_kept(
    tmp_path: Path, watch: Watch, expected: pa.Table
) -> None:
    both = threading.Barrier(2)

    def break_second(player: ToyPlayer, number: int) -> None:
        if (player.role, number) == ("captioner", 1):
            both.wait(PATIENCE)
            time.sleep(0.05)
        elif (player.role, number) == ("generator", 2):
            both.wait(PATIENCE)
            raise Broken("the toy's spring")

    with open_session(study(), tmp_path / "1") as session:
        watch.start(break_second)
        with pytest.raises(Broken, match="spring") as caught:
            drive(session)
    assert "break_second" in "".join(traceback.format_tb(caught.value.__traceback__))
    with open_run(tmp_path / "1") as run:
        assert sorted(run.steps()["role"].to_pylist()) == ["captioner"] * 4 + ["generator"] * 4
    watch.hook = lambda player, number: None
    driftloop.run(study(), tmp_path / "1", progress=False).close()
    assert played(tmp_path / "1").equals(expected)


def test_memory_that_does_not_do_for_two_does_for_one_after_the_other(
    tmp_path: Path, watch: Watch, expected: pa.Table
) -> None:
    refused = threading.Event()
    attempts = 0

    def crowd(player: ToyPlayer, number: int) -> None:
        nonlocal attempts
        if (player.role, number) == ("generator", 2):
            assert refused.wait(PATIENCE)
        elif player.role == "captioner" and "generator" in watch.in_play:
            attempts += 1
            if attempts == 2:
                refused.set()
            raise MemoryError

    with open_session(study("cpu", "cpu"), tmp_path / "1") as session:
        watch.start(crowd)
        drive(session, overlap="models")
    assert attempts >= 2
    assert played(tmp_path / "1").equals(expected)


def test_memory_that_does_not_do_for_one_stops_the_run(tmp_path: Path, watch: Watch) -> None:
    def never(player: ToyPlayer, number: int) -> None:
        if player.role == "captioner":
            raise MemoryError

    with open_session(study("cpu", "cpu"), tmp_path / "1") as session:
        watch.start(never)
        with pytest.raises(ModelError, match="too little memory"):
            drive(session, overlap="models")
    assert 0 < played(tmp_path / "1").num_rows < cast_study(study()).steps


def test_a_second_interrupt_waits_for_nobody(
    tmp_path: Path, watch: Watch, expected: pa.Table
) -> None:
    let_go = threading.Event()

    def hang(player: ToyPlayer, number: int) -> None:
        if (player.role, number) == ("generator", 2):
            let_go.wait(PATIENCE)

    def interrupt() -> None:
        raise KeyboardInterrupt

    with open_session(study(), tmp_path / "1") as session:
        watch.start(hang)
        with pytest.raises(KeyboardInterrupt):
            drive(session, after_each=interrupt)
        assert not let_go.is_set()
        assert "generator" in watch.in_play
    let_go.set()
    driftloop.run(study(), tmp_path / "1", progress=False).close()
    assert played(tmp_path / "1").equals(expected)


def test_replicas_that_disagree_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = ToyPlayer._one
    monkeypatch.setattr(
        ToyPlayer,
        "_one",
        lambda player, item, seed: one(player, item, seed + player.settings.copy_number),
    )
    with pytest.raises(ModelError, match=r"model 'draw': device: its replicas give different"):
        open_session(study(["cpu", "cpu"]), tmp_path / "1")


def test_devices_of_one_list_are_of_one_kind(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"models\.draw\.device: .*these are cpu, cuda"):
        open_session(study(["cpu", "cuda:0"]), tmp_path / "1")
    with pytest.raises(StudyError, match=r"models\.draw\.device: name a device"):
        open_session(study([]), tmp_path / "1")


def test_an_unknown_way_is_told_before_anything_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"overlap is 'both'; it can be off, devices, models"):
        driftloop.run(study(), tmp_path / "1", overlap="both")  # type: ignore[arg-type]
    assert not (tmp_path / "1").exists()
