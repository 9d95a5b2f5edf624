"""A device with too little memory for all models: they take turns, and give the same."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from driftloop_toys import ToyPlayer, ToyWeights
from driftloop_toys.studies import toy_data

import driftloop
from driftloop.errors import ModelError
from driftloop.models import Fitted, get_backend
from driftloop.runners import Overlap, cast_study, drive, open_session
from driftloop.runners._turns import InTurn, Turns
from driftloop.store import open_run
from driftloop.study import Study, load_study

VOLATILE = ["started", "seconds", "shared"]
ROUNDS = 3


@pytest.fixture(autouse=True)
def nothing_held() -> Iterator[None]:
    ToyWeights.held.clear()
    ToyWeights.moved.clear()
    yield
    ToyWeights.held.clear()


def study(room: int = 1, device: Any = "gpu", **changes: Any) -> Study:
    """Eight trajectories: two full micro-batches a model."""
    data = toy_data(**changes)
    for model in data["models"].values():
        model.update(room=room, device=device, batch_size=4)
    return load_study({**data, "rounds": ROUNDS})


def played(folder: Path) -> Any:
    with open_run(folder) as run:
        assert run.failures() == []
        return run.steps().drop_columns(VOLATILE)


@pytest.fixture
def expected(tmp_path: Path) -> Any:
    driftloop.run(study(room=9), tmp_path / "expected", progress=False).close()
    ToyWeights.held.clear()
    ToyWeights.moved.clear()
    return played(tmp_path / "expected")


def waves() -> list[str]:
    """Who played after whom was moved in, without the moves of loading and tests."""
    return ToyWeights.moved[-2 * ROUNDS :]


def test_each_wave_is_whole_and_moves_once(tmp_path: Path, expected: Any) -> None:
    with open_session(study(), tmp_path / "1", turns=True) as session:
        before = len(ToyWeights.moved)
        batches: list[str] = []
        ask = session.ask

        def noted(*models: str) -> Any:
            batch = ask(*models)
            batches.extend([batch.model] if batch else [])
            return batch

        session.ask = noted  # type: ignore[method-assign]
        drive(session)
    assert ToyWeights.moved[before:] == ["generator", "captioner"] * ROUNDS
    assert [name for name, _ in groupby(batches)] == ["draw", "look"] * ROUNDS
    assert len(batches) == 2 * 2 * ROUNDS
    assert len(ToyWeights.held) == 1
    assert played(tmp_path / "1").equals(expected)


def test_the_option_of_the_command(tmp_path: Path, expected: Any) -> None:
    driftloop.run(study(), tmp_path / "1", overlap="turns", progress=False).close()
    assert waves() == ["generator", "captioner"] * ROUNDS
    assert played(tmp_path / "1").equals(expected)


def test_seats_of_the_same_weights_are_one_wave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared: dict[str, ToyWeights] = {}
    make = ToyPlayer.__init__

    def sharing(player: ToyPlayer, settings: Any, size: int, weights: Any = None) -> None:
        make(player, settings, size, weights)
        player.weights = shared.setdefault(settings.role, player.weights)

    monkeypatch.setattr(ToyPlayer, "__init__", sharing)
    arms = [
        {"name": "a", "network": ["draw", "look"]},
        {"name": "b", "network": ["draw", "look"], "sweep": {"look.says": [" One.", " Two."]}},
    ]
    with open_session(study(arms=arms), tmp_path / "1", turns=True) as session:
        before = len(ToyWeights.moved)
        drive(session)
        assert len(session.players) == 4
    assert ToyWeights.moved[before:] == ["generator", "captioner"] * ROUNDS
    assert played(tmp_path / "1").num_rows == cast_study(study(arms=arms)).steps


def test_what_does_not_fit_beside_another_takes_turns_and_says_so(
    tmp_path: Path, expected: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        driftloop.run(study(), tmp_path / "1", progress=False).close()
    (record,) = caplog.records
    assert "gpu has too little memory for all models" in record.getMessage()
    assert waves() == ["generator", "captioner"] * ROUNDS
    assert played(tmp_path / "1").equals(expected)


@pytest.mark.parametrize("overlap", ["off", "devices", "models"])
def test_memory_that_runs_out_while_they_play_is_shared_in_turns(
    overlap: Overlap, tmp_path: Path, expected: Any, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    play = ToyPlayer.play
    tight = False

    def short(player: ToyPlayer, inputs: Any, seeds: Any) -> Any:
        if tight and len(ToyWeights.held) > 1:
            raise MemoryError
        return play(player, inputs, seeds)

    monkeypatch.setattr(ToyPlayer, "play", short)
    with open_session(study(room=2), tmp_path / "1") as session:
        assert len(ToyWeights.held) == 2
        tight = True
        drive(session, overlap=overlap)
    assert len(caplog.records) == 1
    # Loaded together; the generator, which begins, stayed.
    assert ToyWeights.moved == [
        "generator", "captioner", "captioner", *["generator", "captioner"] * (ROUNDS - 1),
    ]  # fmt: skip
    assert played(tmp_path / "1").equals(expected)


def test_a_micro_batch_that_may_not_shrink_gets_the_memory_of_others(
    tmp_path: Path, expected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    play = ToyPlayer.play

    def short(player: ToyPlayer, inputs: Any, seeds: Any) -> Any:
        if len(ToyWeights.held) > 1:
            raise MemoryError
        return play(player, inputs, seeds)

    monkeypatch.setattr(ToyPlayer, "play", short)
    driftloop.run(study(room=2), tmp_path / "1", progress=False).close()
    assert played(tmp_path / "1").equals(expected)


@pytest.mark.parametrize("device", ["gpu", "cpu"])
def test_what_does_not_fit_alone_is_an_error(device: str, tmp_path: Path) -> None:
    cramped = study(room=1, device=device)
    if device == "gpu":
        other = ToyWeights("another program", "gpu", 1)
        other.move_in()
    with pytest.raises(ModelError, match=r"model '(draw|look)' loads but cannot be played: Memory"):
        open_session(cramped, tmp_path / "1")


def test_devices_take_turns_each_for_itself(tmp_path: Path, expected: Any) -> None:
    both = study(device=["gpu:0", "gpu:1"])
    driftloop.run(both, tmp_path / "1", overlap="turns", progress=False).close()
    assert played(tmp_path / "1").equals(expected)
    assert {weights.device for weights in ToyWeights.held} == {"gpu:0", "gpu:1"}


def test_a_captioner_that_is_told_a_budget_still_waits_for_its_turn() -> None:
    settings = get_backend("toy").settings
    turns = Turns(everywhere=True)
    look, draw = (
        turns.seat(ToyPlayer(settings(role=role, device="gpu", room=1, window=9), 2))
        for role in ("captioner", "generator")
    )
    assert draw.reader is not None
    fitted = Fitted(look, draw.reader).resized(1)
    assert isinstance(fitted, Fitted)
    assert isinstance(fitted.player, InTurn)
    assert fitted.limits()["budget"] == 6
    fitted.play(look.samples(1), [1])
    draw.play(["a ship"], [1])
    assert ToyWeights.moved == ["captioner", "generator", "captioner", "generator"]


def test_real_models_give_the_same_bits_and_move_as_seldom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("diffusers")
    from driftloop.models import _torch

    moves: list[tuple[int, str]] = []
    move = _torch.move

    def noted(modules: Any, device: Any) -> None:
        # To the device and back: on the CPU both are the same memory, so they are told by order.
        moves.append((id(modules), str(device)))
        assert all(isinstance(module, torch.nn.Module) for module in modules)
        move(modules, device)

    monkeypatch.setattr(_torch, "move", noted)
    real = load_study(
        {
            "seed": 3,
            "rounds": 2,
            "prompts": ["A whale in a storm.", "A red house at night."],
            "models": {
                "draw": {
                    "backend": "diffusers", "path": "bundled:postcard-sdxl", "batch_size": 2,
                    "steps": 1, "device": "cpu",
                },
                "look": {
                    "backend": "transformers", "path": "bundled:postcard-git", "batch_size": 2,
                    "words": 12, "device": "cpu", "temperature": 0.7,
                },
            },
            "arms": [
                {"name": "a", "network": ["draw", "look"], "sweep": {"look.temperature": [0, 1.4]}}
            ],
        }
    )  # fmt: skip
    driftloop.run(real, tmp_path / "together", progress=False).close()
    # Each of both models was moved to its device, and never again.
    assert len(moves) == len(set(moves)) == 2
    moves.clear()
    with open_session(real, tmp_path / "turns", turns=True) as session:
        moves.clear()
        drive(session)
    # A model moves out and another in, twice a round.
    assert len(moves) == 2 * 2 * real.rounds
    whose = [name for name, _ in moves]
    assert all(whose[at] != whose[at + 1] for at in range(0, len(whose), 2))
    assert all(whose[at] == whose[at + 1] for at in range(1, len(whose) - 1, 2))
    assert played(tmp_path / "turns").equals(played(tmp_path / "together"))
