"""Models on a server: asked as the API is published, through every fault, with the key untold."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai_server import FAULTS, Faults, Server, serve
from PIL import Image

pytest.importorskip("openai")

import driftloop
from driftloop.errors import ModelError, ServerError, StudyError
from driftloop.models import Player, check_invariance, get_backend
from driftloop.runners import cast_study, check_model, make_plan
from driftloop.steps import Failure, Output
from driftloop.store import open_run
from driftloop.study import Study, load_study

KEY = "sk-very-secret-0123456789"
VOLATILE = ["started", "seconds", "shared", "fingerprint", "call"]
"""What differs between equal runs, or on another server: its address is part of what a model is."""
WORDS = "a red house tree ship cat moon on under with the old new small sea".split()
BUDGET = "Describe this picture in at most {words} words."
LONG = bool(os.environ.get("DRIFTLOOP_LONG"))


def digest(*parts: object) -> bytes:
    return hashlib.sha256(repr(parts).encode()).digest()


def draw(text: str, seed: int) -> Image.Image:
    return Image.frombytes("RGB", (4, 2), digest(text, seed)[:24])


def describe(picture: Image.Image, told: str, seed: int) -> str:
    numbers = digest(picture.tobytes(), told, seed)[:8]
    return " ".join(WORDS[number % len(WORDS)] for number in numbers) + "."


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("SERVER_KEY", KEY)
    with serve(draw, describe, KEY) as found:
        yield found


def settings(server: Server, role: str, **changes: Any) -> dict[str, Any]:
    return {
        "path": "painter" if role == "generator" else "watcher",
        "role": role,
        "base_url": server.url,
        "api_key_env": "SERVER_KEY",
        "backoff": 0.001,
        "seeded": True,
        **changes,
    }


def load(server: Server, role: str, **changes: Any) -> Player:
    backend = get_backend("openai")
    checked = backend.settings.model_validate(settings(server, role, **changes))
    return backend.load(checked, backend.locate(checked))


def study(server: Server, **changes: Any) -> Study:
    models = {
        role: {"backend": "openai", **settings(server, role, **changes)}
        for role in ("generator", "captioner")
    }
    return load_study(
        {
            "seed": 5,
            "rounds": 5,
            "twins": 2,
            "prompts": ["a ship at sea", "a red house", "nothing at all", "über die Brücke"],
            "models": models,
            "arms": [
                {"name": "plain", "network": ["generator", "captioner"]},
                {
                    "name": "told",
                    "network": ["generator", "captioner"],
                    "settings": {"captioner": {"instruction": "What is it?"}},
                },
            ],
        }
    )


def played(folder: Path) -> Any:
    with open_run(folder) as run:
        return run.steps().drop_columns(VOLATILE)


def test_pictures_and_captions_come_as_the_models_gave_them(server: Server) -> None:
    painter, watcher = load(server, "generator"), load(server, "captioner", words=50)
    pictures = [output.content for output in painter.play(["a ship", "a cat"], [3, 4])]
    assert pictures == [draw("a ship", 3), draw("a cat", 4)]
    said = watcher.play(pictures, [5, 6])
    told = "Describe this picture."
    assert [output.content for output in said] == [
        describe(pictures[0], told, 5),
        describe(pictures[1], told, 6),
    ]
    assert [o.tokens_read for o in said] == [8, 8]


def test_requests_and_answers_have_the_published_shape(server: Server) -> None:
    import openai
    from openai.types import ImagesResponse, image_generate_params
    from openai.types.chat import ChatCompletion, completion_create_params

    load(server, "generator", seeded=None, width=8, height=8).play(["a ship"], [1])
    load(server, "captioner", temperature=0.5, max_tokens=9).play([draw("a", 1)], [1])
    (images, drawn), (chat, described) = server.requests
    assert (images, chat) == ("/v1/images/generations", "/v1/chat/completions")
    known = image_generate_params.ImageGenerateParamsNonStreaming.__annotations__
    base = image_generate_params.ImageGenerateParamsBase.__annotations__
    assert drawn == {"model": "painter", "prompt": "a ship", "n": 1, "size": "8x8"}
    assert drawn.keys() <= {*known, *base}
    known = completion_create_params.CompletionCreateParamsBase.__annotations__
    assert described.keys() <= {*known}
    assert (described["temperature"], described["max_tokens"]) == (0.5, 9)
    # The tests' server answers in the shape that the official client has for it.
    client = openai.OpenAI(api_key=KEY, base_url=server.url, _strict_response_validation=True)
    assert isinstance(client.images.generate(model="painter", prompt="a"), ImagesResponse)
    answer = client.chat.completions.create(
        model="watcher", messages=described["messages"], temperature=0
    )
    assert isinstance(answer, ChatCompletion)


def test_a_picture_by_its_address_is_the_same_and_costs_no_key(server: Server) -> None:
    plain = load(server, "generator").play(["a ship"], [3])
    server.by_url = True
    assert load(server, "generator").play(["a ship"], [3]) == plain
    assert server.files
    assert all("Authorization" not in headers for headers in server.file_headers)


def test_what_is_odd_is_told(server: Server) -> None:
    server.rewrites = True
    (drawn,) = load(server, "generator").play([" "], [1])
    assert drawn.flags == ("empty prompt", "rewritten prompt")
    picture = draw("a", 1)
    server.ending = "length"
    (cut,) = load(server, "captioner", words=3).play([picture], [1])
    assert cut.flags == ("unfinished", "over budget")
    assert len(cut.content.split()) == 3
    server.ending = "content_filter"
    (filtered,) = load(server, "captioner").play([picture], [1])
    assert "filtered" in filtered.flags


def test_answers_do_not_depend_on_company_and_the_test_is_cheap(server: Server) -> None:
    assert check_invariance(load(server, "generator")).verdict == "bit-exact"
    assert check_invariance(load(server, "captioner", concurrency=32)).verdict == "bit-exact"
    assert len(server.requests) == 10


def test_a_server_that_takes_no_seed_is_found_out(server: Server) -> None:
    server.draw = lambda text, seed: draw(text, len(server.requests))
    assert check_invariance(load(server, "generator", seeded=False)).verdict == "no"
    assert not any("seed" in body for _, body in server.requests)


def test_no_more_is_out_than_was_allowed(server: Server) -> None:
    player = load(server, "generator", concurrency=3, batch_size=24)
    player.play([f"picture {n}" for n in range(24)], list(range(24)))
    assert 1 < server.busiest <= 3


@pytest.mark.parametrize("kind", [*FAULTS, "unreachable"])
@pytest.mark.parametrize("role", ["generator", "captioner"])
def test_every_fault_is_asked_again_and_told_when_it_stays(
    server: Server, role: str, kind: str
) -> None:
    item = "a ship" if role == "generator" else draw("a ship", 1)
    wait = {"timeout": 0.5} if kind == "time-out" else {}
    expected = load(server, role).play([item], [7])
    if kind != "unreachable":
        server.faults = Faults(share=1, kinds=(kind,), most=2, delay=1.0)
        assert load(server, role, **wait).play([item], [7]) == expected
        assert server.faults.counts == {kind: 2}
        server.faults = Faults(share=1, kinds=(kind,), delay=1.0)
    changes = {"base_url": "http://127.0.0.1:9/v1"} if kind == "unreachable" else {}
    (failed,) = load(server, role, retries=1, **wait, **changes).play([item], [7])
    assert isinstance(failed, Failure)
    assert "(asked 2 times)" in failed.reason
    assert KEY not in failed.reason


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
    with driftloop.Session(study(server, **changes), tmp_path) as session:
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
    with pytest.raises(ServerError, match=r"has not answered [67] requests in a row .*goes on"):
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


def test_the_key_reaches_nothing(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: Any
) -> None:
    monkeypatch.setattr("driftloop.encoders.minilm.is_installed", lambda: False)
    with (
        caplog.at_level(logging.DEBUG),
        driftloop.Session(study(server, retries=0), tmp_path) as session,
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


def test_a_key_that_is_not_there_is_told_by_its_variable(server: Server, monkeypatch: Any) -> None:
    monkeypatch.delenv("SERVER_KEY")
    with pytest.raises(ModelError, match="environment variable SERVER_KEY is not set"):
        load(server, "generator")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    backend = get_backend("openai")
    official = backend.settings.model_validate({"path": "gpt-image-1", "role": "generator"})
    with pytest.raises(ModelError, match="OPENAI_API_KEY is not set"):
        backend.load(official, backend.locate(official))
    # A server of one's own may want none.
    server.key = ""
    free = backend.settings.model_validate(
        {"path": "painter", "role": "generator", "base_url": server.url}
    )
    assert isinstance(backend.load(free, backend.locate(free)).play(["a ship"], [1])[0], Output)


@pytest.mark.parametrize(
    ("role", "wrong", "message"),
    [
        ("generator", {"words": 5}, "a generator has no words"),
        ("captioner", {"width": 8, "height": 8}, "a captioner has no height, width"),
        ("generator", {"width": 8}, "width and height go together"),
        ("captioner", {"instruction": "In {words}."}, "no word budget 'words' is set"),
        ("generator", {"base_url": "localhost:8000"}, "is no address of a server"),
        ("generator", {"base_url": "https://me:secret@host/v1"}, "must not hold a password"),
        ("generator", {"api_key": "sk-1"}, "unknown key. Did you mean 'api_key_env'"),
    ],
)
def test_mistakes_are_told_before_anything_is_asked(
    server: Server, role: str, wrong: dict[str, Any], message: str
) -> None:
    data = study(server).model_dump(mode="json", exclude_none=True)
    data["models"][role].update(wrong)
    with pytest.raises(StudyError, match=rf"my\.toml: models\.{role}.*{message}") as error:
        cast_study(load_study(data), "my.toml")
    assert "secret" not in str(error.value)
    assert server.requests == []


def test_settings_that_decide_nothing_are_no_other_player(server: Server) -> None:
    plain = load(server, "captioner")
    patient = load(server, "captioner", timeout=5, retries=2, concurrency=2, price_1k_input=1)
    assert patient.fingerprint == plain.fingerprint == plain.resized(3).fingerprint
    assert load(server, "captioner", temperature=0.1).fingerprint != plain.fingerprint
    assert load(server, "captioner", extra={"top_k": 3}).fingerprint != plain.fingerprint


def test_extra_settings_are_passed_on(server: Server) -> None:
    load(server, "generator", extra={"quality": "low", "steps": 30}).play(["a"], [2**40 + 9])
    _, body = server.requests[0]
    assert (body["quality"], body["steps"], body["seed"]) == ("low", 30, 9)


def test_a_plan_tells_money(server: Server, tmp_path: Path) -> None:
    priced = study(server).model_dump(mode="json", exclude_none=True)
    priced["models"]["generator"]["price_call"] = 0.04
    priced["models"]["captioner"].update(price_1k_input=0.5, price_1k_output=2.0)
    assert make_plan(load_study(study(server).model_dump(mode="json"))).money == 0
    before = make_plan(load_study(priced))
    assert before.money is None
    driftloop.run(load_study(priced), tmp_path, progress=False).close()
    after = make_plan(load_study(priced))
    calls = cast_study(study(server)).steps / 2
    assert after.money == pytest.approx(calls * 0.04 + calls * (100 * 0.5 + 8 * 2.0) / 1000)
    assert make_plan(load_study(priced), tmp_path).money == 0


def test_a_check_asks_little_and_learns_what_a_call_takes(server: Server) -> None:
    chosen = {**settings(server, "captioner"), "price_1k_input": 1.0, "price_1k_output": 1.0}
    found = check_model(chosen.pop("path"), backend="openai", **chosen)
    assert found.invariance.verdict == "bit-exact"
    assert len(server.requests) <= 12
    priced = study(server).model_dump(mode="json", exclude_none=True)
    priced["models"]["captioner"].update(price_1k_input=1.0, price_1k_output=1.0)
    money = make_plan(load_study(priced)).rows[1].price
    assert money == pytest.approx((100 + 8) / 1000)


@pytest.mark.bundled
@pytest.mark.skipif(not LONG, reason="plays the bundled pair one by one")
def test_the_bundled_pair_behind_a_server_plays_as_it_does_here(
    tmp_path: Path, monkeypatch: Any
) -> None:
    pytest.importorskip("diffusers")
    diffusers, transformers = get_backend("diffusers"), get_backend("transformers")
    drawing = diffusers.settings.model_validate({"path": "bundled:postcard-sdxl", "steps": 4})
    telling = transformers.settings.model_validate(
        {"path": "bundled:postcard-llava", "instruction": BUDGET, "words": 20}
    )
    painter = diffusers.load(drawing, diffusers.locate(drawing))
    watcher = transformers.load(telling, transformers.locate(telling))
    with serve(
        lambda text, seed: painter.play([text], [seed])[0].content,
        lambda picture, _, seed: watcher.play([picture], [seed])[0].content,
    ) as server:
        monkeypatch.delenv("OPENAI_API_KEY", raising=False)
        there = {"base_url": server.url, "concurrency": 1, "seeded": True}
        data: dict[str, Any] = {
            "rounds": 2,
            "prompts": ["A ship on the sea."],
            "models": {
                "draw": {"backend": "openai", "path": "painter", "role": "generator", **there},
                "look": {"backend": "openai", "path": "watcher", "role": "captioner", **there},
            },
            "arms": [{"name": "remote", "network": ["draw", "look"]}],
        }
        driftloop.run(load_study(data), tmp_path, progress=False).close()
    steps = played(tmp_path).to_pylist()
    assert len(steps) == 4
    assert all(step["text"] for step in steps if step["role"] == "captioner")
