"""Players that tests may not play, and players that answer otherwise the next time."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from driftloop_toys import ToyPlayer
from driftloop_toys.studies import toy_data, toy_study
from typer.testing import CliRunner

import driftloop
from driftloop.cli import app
from driftloop.report._gather import gather
from driftloop.report._provenance import describe_players
from driftloop.runners import open_session
from driftloop.steps import Role
from driftloop.store import open_run
from driftloop.study import load_study


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Who was played, and with how many inputs."""
    found: list[tuple[str, int]] = []
    play = ToyPlayer.play

    def seen(player: ToyPlayer, inputs: Any, seeds: Any) -> Any:
        found.append((player.role, len(inputs)))
        return play(player, inputs, seeds)

    monkeypatch.setattr(ToyPlayer, "play", seen)
    return found


def with_look(**settings: Any) -> driftloop.Study:
    data = toy_data()
    data["models"]["look"] = {"backend": "toy", "role": "captioner", **settings}
    return load_study(data)


@pytest.mark.parametrize("device", ["auto", ["gpu:0", "gpu:1"]])
def test_who_cannot_be_tested_is_asked_for_steps_alone(
    tmp_path: Path, asked: list[tuple[str, int]], device: Any
) -> None:
    study = with_look(testable=False, device=device)
    with open_session(study, tmp_path / "run") as session:
        assert {role for role, _ in asked} == {Role.GENERATOR}
        assert session.players["look"].batch_size == 1
    driftloop.run(study, tmp_path / "run", progress=False).close()
    with open_run(tmp_path / "run") as run:
        described = {player["model"]: player["details"] for player in run.players()}
        steps = run.steps().to_pylist()
    calls = {step["call"] for step in steps if step["text"] is not None}
    assert sum(size for role, size in asked if role == Role.CAPTIONER) == len(calls) > 0
    assert described["look"]["invariance"]["verdict"] == "untested"
    assert described["draw"]["invariance"]["verdict"] == "bit-exact"


def test_being_tested_or_not_changes_nothing_that_is_played(tmp_path: Path) -> None:
    tables = []
    for number, testable in enumerate((True, False)):
        study = with_look(testable=testable, batch_size=1)
        with driftloop.run(study, tmp_path / str(number), progress=False) as run:
            tables.append(run.steps().drop_columns(["started", "seconds"]))
    assert tables[0].equals(tables[1])


def test_a_report_says_who_was_not_tested(tmp_path: Path) -> None:
    with driftloop.run(with_look(testable=False), tmp_path / "run", progress=False) as run:
        facts = {player.model: player for player in describe_players(gather(run))}
    assert facts["look"].invariance == "not tested, since this player cannot be"
    assert not facts["look"].trusted
    assert facts["draw"].trusted


def test_checking_who_cannot_be_tested_asks_nothing(asked: list[tuple[str, int]]) -> None:
    chosen = ["check", "toy", "--backend", "toy", "-s", "role=captioner", "-s", "testable=false"]
    shown = CliRunner().invoke(app, chosen)
    assert "none: it cannot be tested (micro-batch 1)" in shown.output
    assert "batch invariance" not in shown.output
    data = json.loads(CliRunner().invoke(app, [*chosen, "--json"]).output)
    assert data["invariance"]["verdict"] == "untested"
    assert (data["example"], data["across_sizes"], data["seconds"]) == (None, None, {})
    assert asked == []


def moody(monkeypatch: pytest.MonkeyPatch, *, says_so: bool) -> None:
    """Let captioners say something else each time, and maybe say that they do."""
    one, numbers = ToyPlayer._one, count()

    def answer(player: ToyPlayer, item: Any, seed: int) -> Any:
        mood = next(numbers) if player.role is Role.CAPTIONER else 0
        return one(player, item, seed + mood)

    monkeypatch.setattr(ToyPlayer, "_one", answer)
    monkeypatch.setattr(ToyPlayer, "answers_the_same", not says_so, raising=False)


@pytest.mark.parametrize("says_so", [True, False])
def test_who_answers_otherwise_each_time_is_not_said_to_depend_on_company(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says_so: bool
) -> None:
    moody(monkeypatch, says_so=says_so)
    with driftloop.run(toy_study(), tmp_path / "run", progress=False) as run:
        details = {player["model"]: player["details"] for player in run.players()}
        facts = {player.model: player for player in describe_players(gather(run))}
    assert details["look"]["answers_the_same"] is not says_so
    assert facts["look"].invariance.startswith("not known" if says_so else "not independent")
    assert not facts["look"].trusted
    chosen = ["check", "toy", "--backend", "toy", "-s", "role=captioner"]
    assert ("same answer twice" in CliRunner().invoke(app, chosen).output) is says_so
