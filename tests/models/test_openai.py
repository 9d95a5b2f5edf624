"""Models on a server: asked as the API is published, with what is odd told and prices counted."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openai_models import KEY, LONG, describe, draw, load, played, settings, study
from openai_server import Server, serve
from PIL import Image

pytest.importorskip("openai")

import driftloop
from driftloop.errors import ModelError, StudyError
from driftloop.models import check_invariance, get_backend
from driftloop.runners import cast_study, check_model, make_plan
from driftloop.steps import Output
from driftloop.study import load_study

BUDGET = "Describe this picture in at most {words} words."


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
    assert [o.tokens_written for o in said] == [8, 8]


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
    assert drawn == {"model": "painter", "prompt": "a ship", "size": "8x8"}
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


def test_what_was_done_to_read_a_servers_picture_is_told(server: Server) -> None:
    plain = Image.new("RGB", (4, 2), (200, 10, 10))
    clear = plain.convert("RGBA")
    clear.paste((9, 9, 9, 0), (0, 0, 2, 2))
    deep = Image.fromarray(np.array([[0, 65535], [32768, 257]], dtype=np.uint16))
    server.draw = lambda text, seed: {"clear": clear, "deep": deep}.get(text, plain)
    for by_url in (False, True):
        server.by_url = by_url
        answers = load(server, "generator").play(["plain", "clear", "deep"], [1, 2, 3])
        assert [answer.flags for answer in answers] == [
            ("flat",), ("laid on white",), ("scaled to 8 bits",),
        ]  # fmt: skip
        assert answers[1].content.getpixel((0, 0)) == (255, 255, 255)
        levels = [answers[2].content.getpixel(at)[0] for at in ((0, 0), (1, 0), (0, 1), (1, 1))]
        assert levels == [0, 255, 128, 1]


def test_a_servers_picture_that_is_too_large_is_a_failure_that_says_so(server: Server) -> None:
    server.draw = lambda text, seed: Image.new("1", (13_000, 13_000))
    (failed,) = load(server, "generator", retries=0).play(["a"], [1])
    assert "too large: 13000 by 13000 pixels" in failed.reason


def test_answers_do_not_depend_on_company_and_the_test_is_cheap(server: Server) -> None:
    assert check_invariance(load(server, "generator")).verdict == "bit-exact"
    assert check_invariance(load(server, "captioner", concurrency=32)).verdict == "bit-exact"
    assert len(server.requests) == 10


def test_a_server_that_takes_no_seed_is_found_out(server: Server) -> None:
    server.draw = lambda text, seed: draw(text, len(server.requests))
    assert check_invariance(load(server, "generator", seeded=False)).verdict == "no"
    assert not any("seed" in body for _, body in server.requests)


def test_no_more_is_out_than_was_allowed(server: Server) -> None:
    quick = server.draw

    def slow(*asked: Any) -> Any:
        # On a busy machine quick answers would come one after the other.
        time.sleep(0.05)
        return quick(*asked)

    server.draw = slow
    player = load(server, "generator", concurrency=3, batch_size=24)
    player.play([f"picture {n}" for n in range(24)], list(range(24)))
    assert 1 < server.busiest <= 3


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
