"""Shapes of answers: a caption or a picture is found in each, or the failure says what came."""

from __future__ import annotations

import base64
import gzip
import io
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image
from scripted_server import SAID, Handler, Scripted, drawn, picture, png, said, script

pytest.importorskip("httpx2")

from driftloop.models._answers import LONGEST_CAPTION
from driftloop.steps import Failure, Output

THOUGHT = "I see a lake and something red on it."


@pytest.fixture
def server() -> Iterator[Scripted]:
    with script(lambda *_: said()) as found:
        yield found


@pytest.mark.parametrize(
    ("answer", "flags"),
    [
        (said([{"type": "text", "text": SAID}]), ()),
        (said([{"type": "output_text", "text": "A red boat "}, "on a calm lake."]), ()),
        (said({"type": "text", "text": SAID}), ()),
        ({"choices": [{"text": SAID, "finish_reason": "stop"}]}, ()),
        ({"choices": [{"message": SAID}], "error": None}, ()),
        ({**said(), "error": {"code": 0, "message": ""}, "errors": []}, ()),
        (said(SAID, None, refusal=None, tool_calls=[]), ()),
        (said(SAID, "LENGTH"), ("unfinished",)),
        (said(SAID, "content_filter"), ("filtered",)),
        (said(SAID, reasoning_content=THOUGHT), ("reasoning: 37 characters",)),
        (said(SAID, reasoning=THOUGHT, reasoning_content=THOUGHT), ("reasoning: 37 characters",)),
        (
            said([
                {"type": "thinking", "thinking": [{"type": "text", "text": THOUGHT}]},
                {"type": "text", "text": SAID},
            ]),
            ("reasoning: 37 characters",),
        ),
        (
            said([{"type": "reasoning", "summary": [{"text": THOUGHT}]}, {"text": SAID}]),
            ("reasoning: 37 characters",),
        ),
        (said([{"text": SAID}, {"type": "image_url", "image_url": {}}]), ("parts left out: 1",)),
        (said(f"<think>{THOUGHT}</think>{SAID}"), ("reasoning: 37 characters",)),
    ],
)  # fmt: skip
def test_a_caption_is_found_in_every_shape(
    server: Scripted, answer: Any, flags: tuple[str, ...]
) -> None:
    server.answer = lambda *_: answer
    outcome = server.ask()
    assert isinstance(outcome, Output), outcome.reason
    assert (outcome.content, outcome.flags) == (SAID, flags)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (said(None, reasoning_content=THOUGHT), r"reasoning only \(37 characters\).*max_tokens"),
        (said("", "length", reasoning=THOUGHT), "reasoning only .*cut at its token limit"),
        (said(f"<think>{THOUGHT}", "length"), "reasoning only .*turn thinking off"),
        (said([{"type": "thinking", "thinking": THOUGHT}]), "reasoning only"),
        (said(None, "length"), "ended at its token limit with no caption"),
        (said("", "length"), "ended at its token limit with no caption"),
        (said(None), "without a text"),
        (said(None, "tool_calls", tool_calls=[{"id": "1"}]), "without a text .*tool_calls"),
        (said(None, refusal="I'm sorry, no."), "the model refused: I'm sorry, no\\."),
        (said([{"type": "refusal", "refusal": "No."}]), "the model refused: No\\."),
        (said(None, "content_filter"), "content filter left no caption"),
        (said("x" * (2**20 + 1) + "</think>" + SAID), "1048611 characters, which is no caption"),
        (said(7), "content is a int"),
        ({"choices": []}, "without choices"),
        ({"choices": "many"}, "without choices"),
        ({"choices": [None]}, "without choices"),
        ([], "without choices"),
        ("yes", "without choices: .yes"),
        (b"null", "without choices"),
        ({"error": "no such model"}, "no such model"),
        ({"error": {"message": "blocked", "code": "moderation_blocked"}}, "blocked .moderation_bl"),
        ([{"error": {"message": "bad field", "status": "INVALID_ARGUMENT"}}], "bad field"),
        ({"errors": [{"detail": "bad thing"}]}, "bad thing"),
        ({"object": "error", "message": "too long", "choices": None}, "too long"),
        ({"detail": [{"loc": ["body", "x"], "msg": "extra"}]}, "extra"),
        ({"choices": [{"finish_reason": "error", "error": {"message": "gone"}}]}, "gone"),
        ({"choices": [{"finish_reason": "error", "message": {"content": "A"}}]}, "with an error"),
        (b"[" * 200_000, "nested too deep"),
    ],
)
def test_what_is_no_caption_fails_at_once_and_is_told(
    server: Scripted, answer: Any, reason: str
) -> None:
    server.answer = lambda *_: answer
    outcome = server.ask()
    assert isinstance(outcome, Failure)
    assert outcome.reason.startswith(f"{server.url}/chat/completions: ")
    assert re.search(reason, outcome.reason), outcome.reason
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        ({"message": "slow down", "code": 429}, 3),
        ({"message": "busy", "code": "503"}, 3),
        ({"message": "busy", "type": "server_error"}, 3),
        ({"message": "no such thing", "code": 404}, 1),
        ({"message": "never", "code": 501}, 1),
        ({"message": "pay", "code": "insufficient_quota", "status": 429}, 1),
        ({"message": "not this"}, 1),
        ("not this", 1),
    ],
)
def test_the_number_of_an_error_inside_says_whether_it_is_asked_again(
    server: Scripted, error: Any, asked: int
) -> None:
    for answer in (
        {"error": error},
        {"choices": None, "error": error},
        {"choices": [{"finish_reason": "error", "error": error}]},
    ):
        server.requests.clear()
        server.answer = lambda *_, answer=answer: answer
        assert isinstance(server.ask(), Failure)
        assert len(server.requests) == asked


def test_an_empty_caption_is_a_caption_and_a_long_one_is_cut_and_told(server: Scripted) -> None:
    server.answer = lambda *_: said("")
    assert server.ask().flags == ("empty",)
    server.answer = lambda *_: said("boat " * 30_000)
    outcome = server.ask()
    assert len(outcome.content) <= LONGEST_CAPTION
    assert outcome.flags == ("too long: 150000 characters",)


@pytest.mark.parametrize("tokens", [-1, True, 10**30, "8", None, 2.5])
def test_odd_counts_of_tokens_are_none(server: Scripted, tokens: Any) -> None:
    server.answer = lambda *_: {**said(), "usage": {"completion_tokens": tokens}}
    outcome = server.ask()
    assert (outcome.content, outcome.tokens_written) == (SAID, None)


def base(data: bytes = b"") -> str:
    return base64.b64encode(data or png()).decode()


def noisy() -> bytes:
    """A file whose base64 has both of the characters that differ between alphabets."""
    file = io.BytesIO()
    Image.effect_noise((32, 32), 90).convert("RGB").save(file, "PNG")
    assert {"+", "/"} <= set(base(file.getvalue()))
    return file.getvalue()


@pytest.mark.parametrize(
    "answer",
    [
        drawn(),
        drawn(b64_json=base64.encodebytes(png()).decode()),
        drawn(b64_json="\r\n" + base() + "\n"),
        drawn(b64_json=base().rstrip("=")),
        drawn(b64_json=base() + "==\0"),
        drawn(b64_json="data:image/png;base64," + base()),
        drawn(b64_json="DATA:image/png;charset=x;base64," + base()),
        drawn(b64_json=None, url="data:image/png;base64," + base().replace("=", "%3D")),
        drawn(b64_json="", url="files/a.png"),
        drawn(b64_json=None, url="/files/a.png"),
        {"images": [base()], "info": "{}"},
        {"images": [{"url": "/files/a.png"}]},
        {"data": [base()]},
        {"artifacts": [{"base64": base(), "finishReason": "SUCCESS"}]},
        {"output": "data:image/png;base64," + base()},
        {"created": 1, "error": None, "message": "done", "image": base()},
    ],
)
def test_a_picture_is_found_in_every_shape(server: Scripted, answer: Any) -> None:
    def act(handler: Handler, body: dict[str, Any]) -> Any:
        return answer if body else handler.send(200, png())

    server.answer = act
    outcome = server.ask("generator")
    assert isinstance(outcome, Output), outcome.reason
    assert outcome.content == picture()
    assert outcome.flags == ()


def test_other_alphabets_and_more_pictures(server: Scripted) -> None:
    data = noisy()
    server.answer = lambda *_: drawn(b64_json=base64.urlsafe_b64encode(data).decode())
    with Image.open(io.BytesIO(data)) as expected:
        assert server.ask("generator").content == expected.convert("RGB")
    server.answer = lambda *_: {"data": [{"b64_json": base()}, {"b64_json": base()}]}
    assert server.ask("generator").flags == ("pictures left out: 1",)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"created": 1, "data": []}, "without a picture"),
        ({"data": [{}]}, "without a picture"),
        ({"data": [None]}, "without a picture"),
        ({"data": 7}, "without a picture"),
        (drawn(b64_json=["x"]), "without a picture"),
        (drawn(b64_json="not base64 at all!"), "not base64"),
        (drawn(b64_json=base()[:60]), "cannot be read"),
        (drawn(b64_json=base(b"no picture")), "cannot be read"),
        (drawn(b64_json="data:image/svg+xml,<svg/>"), "not base64: data:image/svg"),
        ({"data": [{"error": {"message": "blocked"}}]}, "blocked"),
        (drawn(b64_json=None, url="file:///etc/passwd"), "not http"),
        (drawn(b64_json=None, url="ftp://127.0.0.1/a.png"), "not http"),
        (drawn(b64_json=None, url="http://127.0.0.1:99999/a.png"), "address that is none"),
        (drawn(b64_json=None, url="http://[::1/a.png"), "address that is none"),
        (drawn(b64_json=None, url="http://10.1.2.3/a.png"), "private network"),
        (drawn(b64_json=None, url="http://169.254.169.254/latest"), "private network"),
    ],
)
def test_what_is_no_picture_fails_at_once_and_is_told(
    server: Scripted, answer: Any, reason: str
) -> None:
    server.answer = lambda *_: answer
    outcome = server.ask("generator")
    assert isinstance(outcome, Failure)
    assert outcome.reason.startswith("http://")
    assert reason in outcome.reason
    assert len(server.requests) == 1


def test_a_picture_that_was_paid_for_is_fetched_again_and_not_drawn_again(
    server: Scripted,
) -> None:
    def act(handler: Handler, body: dict[str, Any]) -> Any:
        if body:
            return drawn(b64_json=None, url="/files/a.png?sig=secret")
        if len(server.fetched) < 3:
            return handler.send(503, b"busy")
        if len(server.fetched) < 4:
            return handler.send(302, b"", Location="/other.png")
        return handler.send(200, png())

    server.answer = act
    assert server.ask("generator").content == picture()
    assert (len(server.requests), len(server.fetched)) == (1, 4)
    agents = {headers["User-Agent"] for headers in server.headers[1:]}
    assert all(agent.startswith("Mozilla") for agent in agents)
    for status in (403, 404):
        server.answer = lambda handler, body, status=status: (
            drawn(b64_json=None, url="/x.png?sig=secret") if body else handler.send(status, b"no")
        )
        failed = server.ask("generator")
        assert f"{server.url.removesuffix('/v1')}/x.png: {status}: no" in failed.reason
        assert "secret" not in failed.reason


def test_what_is_too_large_is_not_read(server: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("driftloop.models.openai.LARGEST_TEXT", 100_000)
    monkeypatch.setattr("driftloop.models.openai.LARGEST_PICTURE", 100_000)
    large = json.dumps(said("x" * 200_000)).encode()

    def declared(handler: Handler, body: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(10**15))
        handler.end_headers()
        handler.drip(b"x")

    def endless(handler: Handler, body: Any) -> None:
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        while True:
            handler.wfile.write(b"x" * 65536)

    def zipped(handler: Handler, body: Any) -> None:
        handler.send(200, gzip.compress(large), Content_Encoding="gzip")

    for answer in (lambda *_: large, declared, endless, zipped):
        server.requests.clear()
        server.answer = answer
        for role in ("captioner", "generator"):
            assert "is not read" in server.ask(role).reason
        assert len(server.requests) == 2
