"""Models on a server through every fault: no step lost or doubled, and the key untold."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from openai_models import KEY, LONG, describe, draw, load, played, study
from openai_server import FAULTS, FINAL, Faults, Server, serve

pytest.importorskip("openai")

import driftloop
from driftloop.errors import ServerError
from driftloop.runners import cast_study
from driftloop.steps import Failure, Output
from driftloop.store import open_run


@pytest.mark.parametrize("kind", [*FAULTS, "unreachable"])
@pytest.mark.parametrize("role", ["generator", "captioner"])
def test_every_fault_is_asked_again_and_told_when_it_stays(
    server: Server, role: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = "a ship" if role == "generator" else draw("a ship", 1)
    wait = {"timeout": 0.5} if kind == "time-out" else {}
    expected = load(server, role).play([item], [7])
    if kind != "unreachable":
        server.faults = Faults(share=1, kinds=(kind,), most=2, delay=1.0)
        assert load(server, role, **wait).play([item], [7]) == expected
        assert server.faults.counts == {kind: 2}
        server.faults = Faults(share=1, kinds=(kind,), delay=1.0)
    monkeypatch.setenv("DRIFTLOOP_KEYS", f"SERVER_KEY={server.url} SERVER_KEY=http://127.0.0.1:9")
    changes = {"base_url": "http://127.0.0.1:9/v1"} if kind == "unreachable" else {}
    (failed,) = load(server, role, retries=1, **wait, **changes).play([item], [7])
    assert isinstance(failed, Failure)
    assert "(asked 2 times)" in failed.reason
    assert KEY not in failed.reason


@pytest.mark.parametrize("kind", FINAL)
@pytest.mark.parametrize("role", ["generator", "captioner"])
def test_a_whole_answer_that_is_none_fails_at_once(server: Server, role: str, kind: str) -> None:
    item = "a ship" if role == "generator" else draw("a ship", 1)
    server.faults = Faults(share=1, kinds=(kind,))
    (failed,) = load(server, role).play([item], [7])
    assert isinstance(failed, Failure)
    assert failed.reason.startswith(server.url)
    assert len(server.requests) == 1


def test_what_is_refused_is_not_asked_again(server: Server) -> None:
    refused, drawn = load(server, "generator").play(["a forbidden thing", "a ship"], [1, 2])
    assert isinstance(refused, Failure)
    assert "content_policy_violation" in refused.reason
    assert isinstance(drawn, Output)
    (unknown,) = load(server, "generator", path="nobody").play(["a ship"], [1])
    assert "model_not_found" in unknown.reason
    assert len(server.requests) == 3


@pytest.fixture(scope="module")
def quiet_run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the study gives where nothing goes wrong."""
    folder = tmp_path_factory.mktemp("quiet") / "run"
    with pytest.MonkeyPatch.context() as patch, serve(draw, describe, KEY) as server:
        patch.setenv("SERVER_KEY", KEY)
        patch.setenv("DRIFTLOOP_KEYS", f"SERVER_KEY={server.url}")
        driftloop.run(study(server), folder, progress=False).close()
    return played(folder)


def test_no_step_is_lost_or_doubled_through_faults(
    server: Server, quiet_run: Any, tmp_path: Path, record_property: Any
) -> None:
    faults = 0
    for seed in range(4 if LONG else 1):
        server.faults = Faults(share=0.7 if LONG else 0.3, seed=seed, delay=1.5)
        folder = tmp_path / str(seed)
        changes = {"retries": 50, "timeout": 1.0, "backoff": 0.0}
        driftloop.run(study(server, **changes), folder, progress=False).close()
        found = played(folder)
        assert found.equals(quiet_run)
        with open_run(folder) as run:
            assert run.failures() == []
            assert len(run) == cast_study(study(server)).steps
        faults += server.faults.counts.total()
        assert set(server.faults.counts) == set(FAULTS)
    record_property("faults", faults)
    assert faults >= (1000 if LONG else 36)


def test_a_run_through_a_server_that_went_away_goes_on(
    server: Server, quiet_run: Any, tmp_path: Path
) -> None:
    changes = {"retries": 0}
    with driftloop.open_session(study(server, **changes), tmp_path) as session:
        server.faults = Faults(share=0.4, seed=3, kinds=("500", "reset", "garbage"))
        while batch := session.ask():
            session.tell(batch, session.play(batch))
    with open_run(tmp_path) as run:
        assert len(run) < cast_study(study(server)).steps
        assert run.failures()
    server.faults = Faults()
    driftloop.run(study(server, **changes), tmp_path, progress=False).close()
    assert played(tmp_path).equals(quiet_run)


def test_a_server_that_is_gone_stops_the_run_and_nothing_is_lost(
    server: Server, quiet_run: Any, tmp_path: Path
) -> None:
    changes = {"retries": 1, "gives_up": 6, "concurrency": 2}
    folder = tmp_path / "run"
    server.faults = Faults(share=1, after=20, kinds=("503", "reset"))
    # Both models have two requests out when it is plain.
    with pytest.raises(ServerError, match=r"has not answered [6-9] requests in a row .*goes on"):
        driftloop.run(study(server, **changes), folder, progress=False)
    with open_run(folder) as run:
        assert 0 < len(run) < cast_study(study(server)).steps
        # Only those that were out before it was plain that nobody answers.
        assert 6 <= len(run.failures()) <= 16
        assert run.sessions()[-1]["outcome"] == "stopped"
    server.faults = Faults()
    driftloop.run(study(server, **changes), folder, progress=False).close()
    assert played(folder).equals(quiet_run)


def test_what_is_refused_or_comes_late_is_no_silence(server: Server) -> None:
    player = load(server, "generator", gives_up=1, retries=1)
    for _ in range(2):
        assert isinstance(player.play(["a forbidden thing"], [1])[0], Failure)
    server.faults = Faults(share=1, kinds=("500",), most=1)
    assert isinstance(player.play(["a ship"], [1])[0], Output)
    server.faults = Faults(share=1, kinds=("500",))
    assert isinstance(player.resized(2).play(["a ship"], [1])[0], Failure)
    with pytest.raises(ServerError):
        player.play(["a ship"], [1])


def test_half_an_emoji_is_told_and_played_on(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("driftloop.encoders.minilm.is_installed", lambda: False)
    monkeypatch.setattr(server, "describe", lambda *_: "A ship \ud83d at sea.")
    with driftloop.run(study(server), tmp_path / "run", progress=False) as run:
        captions = [row for row in run.steps().to_pylist() if row["text"] is not None]
        assert run.failures() == []
    assert {row["text"] for row in captions} == {"A ship ? at sea."}
    assert all("half character" in row["flags"] for row in captions)
    driftloop.write_report(tmp_path / "run")


def test_the_key_reaches_nothing(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: Any
) -> None:
    monkeypatch.setattr("driftloop.encoders.minilm.is_installed", lambda: False)
    with (
        caplog.at_level(logging.DEBUG),
        driftloop.open_session(study(server, retries=0), tmp_path) as session,
    ):
        server.faults = Faults(share=0.3, seed=1, kinds=("500", "garbage", "reset"))
        while batch := session.ask():
            session.tell(batch, session.play(batch))
        server.faults = Faults()
        player = load(server, "generator")
        server.key = "another"
        (failed,) = player.play(["a ship"], [1])
    with open_run(tmp_path) as run:
        assert run.failures()
    driftloop.write_report(tmp_path)
    assert "invalid_api_key" in failed.reason
    assert "***" in failed.reason
    assert KEY not in failed.reason + repr(player) + caplog.text
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert {"driftloop.sqlite", "report.html"} <= {file.name for file in files}
    assert not [file for file in files if KEY.encode() in file.read_bytes()]
