"""What a failure says: the server's own words, its address, the fix, and never a key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from scripted_server import Scripted, said, script

pytest.importorskip("httpx2")

from driftloop.errors import ModelError
from driftloop.models import get_backend
from driftloop.models._keys import belongs
from driftloop.steps import Failure, Output

ODD_KEYS = [
    "sk-abcdef0123456789abcdef",
    "two words  and more",
    'it\'s "quoted"',
    "back\\slash",
    "k",
]


@pytest.fixture
def server() -> Iterator[Scripted]:
    with script(lambda *_: said()) as found:
        yield found


def refuse(status: int, body: Any) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda handler, _: handler.send(status, data)


@pytest.mark.parametrize(
    ("words", "param", "hint"),
    [
        ("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", None,
         "extra = { max_completion_tokens = N }"),
        ("max_tokens is too large", None, "leave max_tokens out"),
        ("Unsupported value", "temperature", "leave temperature out"),
        ("top_p must be 1", None, "leave top_p out"),
        ("Unknown name \"seed\"", None, "seeded = false"),
        ("`top_k` is not known", None, "take top_k out of extra"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("status", [400, 422, 200])
def test_a_setting_that_is_refused_is_named_with_its_fix(
    server: Scripted, words: str, param: str | None, hint: str, status: int
) -> None:
    server.answer = refuse(status, {"error": {"message": words, "param": param}})
    failed = server.ask(max_tokens=9, temperature=0.5, top_p=0.5, extra={"top_k": 3})
    assert words in failed.reason
    assert hint in failed.reason
    assert len(server.requests) == 1


def test_a_size_that_is_refused_is_named_and_other_errors_have_no_such_hint(
    server: Scripted,
) -> None:
    server.answer = refuse(400, {"error": {"message": "Invalid size 512x512", "param": "size"}})
    failed = server.ask("generator", width=512, height=512)
    assert "leave width and height out" in failed.reason
    server.answer = refuse(400, {"error": {"message": "Your prompt was rejected"}})
    assert "refuses" not in server.ask("generator").reason
    server.answer = refuse(404, b"404 page not found")
    assert "/v1" in server.ask("generator").reason
    server.answer = lambda handler, _: handler.send(308, b"", Location="https://there/v1")
    assert "moved to https://there/v1" in server.ask("generator").reason


@pytest.mark.parametrize(
    "body",
    [
        b"no such thing" + b"x" * 10_000,
        {"error": {"message": "no such thing" + "x" * 10_000}},
        {"detail": "no such thing" + "x" * 10_000},
        {"message": {"detail": [{"loc": ["body"], "msg": "no such thing" + "x" * 10_000}]}},
        [{"error": {"message": "no such thing" + "x" * 10_000}}],
        {"error": "no such thing" + "x" * 10_000},
    ],
)
def test_words_are_cut_and_told_with_the_address(server: Scripted, body: Any) -> None:
    server.answer = refuse(400, body)
    reason = server.ask().reason
    assert reason.startswith(f"{server.url}/chat/completions: 400: no such thing")
    assert len(reason) < 400


def test_control_characters_are_shown_and_not_sent_to_a_terminal(server: Scripted) -> None:
    server.answer = refuse(400, {"error": {"message": "a\x1b[31mred\x07 \u202eback \ud83d half"}})
    reason = server.ask().reason
    assert reason.isprintable()
    assert "\\x1b[31mred\\x07" in reason


@pytest.mark.parametrize("key", ODD_KEYS)
@pytest.mark.parametrize("status", [200, 401, 503])
def test_a_key_is_struck_out_however_a_server_repeats_it(
    server: Scripted, monkeypatch: pytest.MonkeyPatch, key: str, status: int
) -> None:
    monkeypatch.setenv("LAB", f" {key}\n")
    monkeypatch.setenv("DRIFTLOOP_KEYS", f"LAB={server.url}")
    echoes = [
        f"wrong key: {key}", {"error": {"message": f"x{' ' * 180}{key}"}},
        {"error": {"message": json.dumps({"key": key})}}, {"error": f"Bearer {key} is wrong"},
        {"error": {"message": "y" * 190 + key}},
        {"error": {"message": f"not {' '.join(key.split())}"}},
        f"Authorization: Bearer {key}; sk-0123456789abcdefghij and Bearer another.one",
    ]  # fmt: skip
    for echo in echoes:
        server.answer = refuse(status, echo if isinstance(echo, dict) else echo.encode())
        failed = server.ask(api_key_env="LAB", retries=0)
        assert isinstance(failed, Failure)
        assert server.headers[-1]["Authorization"] == f"Bearer {key}"
        told = failed.reason.removeprefix(server.url) + failed.trace
        if len(key) > 1:
            assert key[:9] not in told
            assert json.dumps(key)[1:9] not in told
        assert "another.one" not in told
        assert "sk-0123" not in told


def test_a_key_goes_only_where_it_belongs(
    server: Scripted, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("DRIFTLOOP_CONFIG", str(tmp_path))
    monkeypatch.delenv("DRIFTLOOP_KEYS", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-mine")
    monkeypatch.setenv("AWS_SECRET", "secret")
    # What the study does not name is not sent to others, and what it names needs the user's word.
    assert isinstance(server.ask(), Output)
    assert "Authorization" not in server.headers[-1]
    for name in ("OPENAI_API_KEY", "AWS_SECRET"):
        with pytest.raises(ModelError, match=f"DRIFTLOOP_KEYS={name}={server.url[:-3]} in the env"):
            server.ask(api_key_env=name)
    assert len(server.requests) == 1
    (tmp_path / "keys.toml").write_text(f'AWS_SECRET = ["https://x.example", "{server.url}"]\n')
    server.ask(api_key_env="AWS_SECRET")
    assert server.headers[-1]["Authorization"] == "Bearer secret"
    (tmp_path / "keys.toml").write_text('AWS_SECRET = "x.example"\n')
    with pytest.raises(ModelError, match=r"keys\.toml: AWS_SECRET: 'x\.example' is no address"):
        server.ask(api_key_env="AWS_SECRET")


@pytest.mark.parametrize(
    ("variable", "address", "does"),
    [
        ("OPENAI_API_KEY", "https://api.openai.com/v1/", True),
        ("OPENAI_KEY_OF_THE_LAB", "https://api.openai.com/v1/", True),
        ("OPENAI_API_KEY", "http://api.openai.com/v1/", False),
        ("OPENAI_API_KEY", "https://api.openai.com.evil.example/v1/", False),
        ("OPENAI_API_KEY", "https://openrouter.ai/api/v1/", False),
        ("OPENROUTER_API_KEY", "https://openrouter.ai/api/v1/", True),
        ("AWS_SECRET", "https://api.openai.com/v1/", False),
        ("LAB", "https://lab.example:8443/v1/", True),
        ("LAB", "https://lab.example/v1/", False),
        ("LAB", "http://lab.example:8443/v1/", False),
        ("LAB", "https://other.example:8443/v1/", False),
    ],
)
def test_whom_a_key_belongs_to(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, variable: str, address: str, does: bool
) -> None:
    monkeypatch.setenv("DRIFTLOOP_CONFIG", str(tmp_path))
    monkeypatch.setenv("DRIFTLOOP_KEYS", "LAB=https://lab.example:8443")
    assert belongs(variable, address) == does


def test_a_key_that_cannot_be_sent_is_told_without_it(
    server: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRIFTLOOP_KEYS", f"LAB={server.url}")
    for key in ("two\nlines", "schlüssel"):
        monkeypatch.setenv("LAB", key)
        with pytest.raises(ModelError, match="LAB holds a key that cannot be sent") as error:
            server.ask(api_key_env="LAB")
        assert key not in str(error.value)


@pytest.mark.parametrize(
    "url",
    ["http://h:99999/v1", "http://h:0/v1", "http://[::1/v1", "http://h\\x/v1", "http://h /v1",
     "http://h/v1/chat/completions", "http://h/v1#k"],
)  # fmt: skip
def test_an_address_that_is_none_is_told_with_the_study(url: str) -> None:
    with pytest.raises(ValueError, match=r"address|leave"):
        get_backend("openai").settings.model_validate(
            {"path": "m", "role": "captioner", "base_url": url}
        )


@pytest.mark.parametrize("extra", [{"stream": True}, {"n": 2}, {"model": "x"}, {"messages": []}])
def test_extra_does_not_change_what_is_read(extra: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="extra"):
        get_backend("openai").settings.model_validate(
            {"path": "m", "role": "captioner", "extra": extra}
        )
