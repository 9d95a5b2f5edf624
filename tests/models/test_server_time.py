"""Time is bounded: a whole answer, a dead address, a stop; and each failure is one request's."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scripted_server import SAID, Handler, Scripted, drawn, picture, said, script

pytest.importorskip("httpx2")

import driftloop
from driftloop.errors import ModelError, ServerError
from driftloop.models._server import retry_after
from driftloop.printing import print_plan
from driftloop.runners import check_model, drive, make_plan
from driftloop.steps import Failure, Output
from driftloop.store import open_run
from driftloop.study import load_study

SOON = 5.0


@pytest.fixture
def server() -> Iterator[Scripted]:
    with script(lambda *_: said()) as found:
        yield found


def drip_body(handler: Handler, _: Any) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    handler.drip(b" ")


def drip_chunks(handler: Handler, _: Any) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.drip(b"1\r\n \r\n")


def drip_header(handler: Handler, _: Any) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    handler.drip(b"x")


def drip_status(handler: Handler, _: Any) -> None:
    handler.wfile.write(b"HTTP/1.1 200 ")
    handler.drip(b"O")


def drip_error(handler: Handler, _: Any) -> None:
    handler.send_response(500)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    handler.drip(b" ")


def drip_picture(handler: Handler, body: Any) -> Any:
    return drawn(b64_json=None, url="/a.png") if body else drip_body(handler, body)


def silent(handler: Handler, _: Any) -> None:
    handler.state.over.wait(60)


@pytest.mark.parametrize(
    "answer",
    [drip_body, drip_chunks, drip_header, drip_status, drip_error, drip_picture, silent],
)
def test_an_answer_that_drips_ends_with_its_time(server: Scripted, answer: Any) -> None:
    server.answer = answer
    started = time.monotonic()
    failed = server.ask("generator", timeout=0.3, retries=1)
    assert "no whole answer within 0.3 s (timeout) (asked 2 times)" in failed.reason
    assert time.monotonic() - started < SOON


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.0\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
        b"",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000,
    ],
)
def test_a_broken_answer_costs_the_answers_beside_it_nothing(server: Scripted, raw: bytes) -> None:
    def answer(handler: Handler, body: Any) -> Any:
        if body["seed"] != 3:
            return said(f"{SAID} {body['seed']}")
        handler.wfile.write(raw)
        handler.close_connection = True
        return None

    server.answer = answer
    outcomes = server.player(concurrency=6).play([picture()] * 6, [1, 2, 3, 4, 5, 6])
    good = [o.content for o in outcomes if isinstance(o, Output)]
    assert good == [f"{SAID} {seed}" for seed in (1, 2, 4, 5, 6)]
    assert isinstance(outcomes[2], Failure)
    assert outcomes[2].reason.startswith(server.url)
    assert len(server.requests) == 5 + 3


def test_waiting_is_as_long_as_the_server_asks_and_bounded() -> None:
    assert retry_after({"retry-after": "7"}) == 7
    assert (retry_after({"retry-after": "Wed, 21 Oct 2099 07:28:00 GMT"}) or 0) > 1e9
    for odd in ("", "soon", "-1", "nan", "inf", "Wed, 21 Oct 1999 07:28:00 GMT"):
        assert retry_after({"retry-after": odd}) is None


def test_a_stop_is_heard_in_a_wait_and_nothing_is_asked_again(server: Scripted) -> None:
    def answer(handler: Handler, body: Any) -> Any:
        if body["seed"] == 1:
            return said()
        return handler.send(429, b"later", Retry_After="60")

    server.answer = answer
    player: Any = server.player(concurrency=2, batch_size=4)
    threading.Timer(0.4, player.stop).start()
    started = time.monotonic()
    outcomes = player.play([picture()] * 4, [1, 2, 3, 4])
    assert time.monotonic() - started < 3
    assert isinstance(outcomes[0], Output)
    assert [o.stopped for o in outcomes[1:] if isinstance(o, Failure)] == [True] * 3
    assert len(server.requests) == 3
    # The next micro-batch is played as ever.
    assert isinstance(player.play([picture()], [1])[0], Output)


def two(server: Scripted, **changes: Any) -> Any:
    known = {"backend": "openai", "path": "m", "base_url": server.url, "seeded": True, **changes}
    return load_study(
        {
            "rounds": 2,
            "prompts": ["a ship", "a cat", "a tree"],
            "models": {
                "draw": {**known, "role": "generator"},
                "look": {**known, "role": "captioner"},
            },
            "arms": [{"name": "a", "network": ["draw", "look"]}],
        }
    )


def test_a_stopped_run_has_no_failures_and_goes_on(server: Scripted, tmp_path: Path) -> None:
    busy = threading.Event()

    def answer(handler: Handler, body: Any) -> Any:
        if busy.is_set():
            return handler.send(503, b"busy", Retry_After="60")
        if "messages" in body:
            return said(f"{SAID} {body['seed']}")
        return drawn()

    server.answer = answer
    study, stop = two(server), threading.Event()
    with driftloop.open_session(study, tmp_path) as session:
        busy.set()
        threading.Timer(0.5, stop.set).start()
        started = time.monotonic()
        drive(session, stop=stop.is_set)
        assert time.monotonic() - started < 4
    with open_run(tmp_path) as run:
        assert (len(run), run.failures()) == (0, [])
        assert run.sessions()[-1]["outcome"] == "stopped"
    busy.clear()
    driftloop.run(study, tmp_path, progress=False).close()
    with open_run(tmp_path) as run:
        assert (len(run), run.failures()) == (12, [])


def test_a_second_interrupt_ends_at_once(server: Scripted, tmp_path: Path) -> None:
    def answer(handler: Handler, body: Any) -> Any:
        if len(server.requests) > 10:
            return drip_body(handler, body)
        return said() if "messages" in body else drawn()

    server.answer = answer
    file = tmp_path / "study.json"
    file.write_text(two(server).model_dump_json(exclude_unset=True))
    code = (
        "import sys, json, driftloop\nfrom driftloop.study import load_study\n"
        f"study = load_study(json.load(open({str(file)!r})))\n"
        f"driftloop.run(study, {str(tmp_path / 'run')!r}, progress=False)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stderr=subprocess.PIPE, env={**os.environ}
    )
    try:
        deadline = time.monotonic() + 60
        while len(server.requests) <= 10 and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        started = time.monotonic()
        process.wait(10)
        assert time.monotonic() - started < 2
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def deaf() -> Iterator[int]:
    """A port that nothing listens at, held so that nobody else may."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:{port}/v1", "nothing listens there: start the server"),
        ("http://no-such-host.invalid/v1", "its name is not known here"),
        ("https://127.0.0.1:{there}/v1", "no secure connection"),
    ],
)
def test_a_dead_address_is_told_before_anything_is_loaded(
    server: Scripted, deaf: int, tmp_path: Path, url: str, words: str
) -> None:
    there = server.url.split(":")[2].removesuffix("/v1")
    address = url.format(port=deaf, there=there)
    started = time.monotonic()
    study = two(server, base_url=address)
    with pytest.raises(ServerError, match=words) as error:
        driftloop.run(study, tmp_path / "run", progress=False)
    for model in ("draw", "look"):
        assert f"models.{model}: {address}/: " in str(error.value)
    assert [words in row.trouble for row in make_plan(study).servers] == [True]
    with pytest.raises(ModelError, match=words):
        check_model("m", backend="openai", role="captioner", base_url=address)
    assert time.monotonic() - started < 3 * SOON
    assert server.requests == []


def test_a_port_that_speaks_something_else_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            found, _ = listener.accept()
            with found:
                found.sendall(b"SSH-2.0-OpenSSH_9.0\r\n")
                found.recv(1000)

        threading.Thread(target=greet, daemon=True).start()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        with pytest.raises(ServerError, match="does not speak HTTP"):
            check_model("m", backend="openai", role="captioner", base_url=address)


def test_a_finished_run_needs_no_server(tmp_path: Path) -> None:
    with script(lambda _, body: said() if "messages" in body else drawn()) as server:
        study = two(server)
        driftloop.run(study, tmp_path, progress=False).close()
    with driftloop.run(study, tmp_path, progress=False) as run:
        assert len(run) == 12


def test_a_plan_says_which_key_goes_where(
    server: Scripted, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LAB", "secret")
    monkeypatch.setenv("DRIFTLOOP_KEYS", f"LAB={server.url}")
    data = two(server).model_dump(mode="json", exclude_none=True)
    data["models"]["look"]["api_key_env"] = "LAB"
    print_plan(make_plan(load_study(data)))
    monkeypatch.setenv("DRIFTLOOP_KEYS", "")
    print_plan(make_plan(load_study(data)))
    told = capsys.readouterr()
    assert f"draw: {server.url}/ gets no key" in told.out
    assert f"look: {server.url}/ gets the key in LAB" in told.out
    assert "the key in LAB is not sent to" in told.err
    assert "secret" not in told.out + told.err
    assert server.requests == []
