"""Studies that are wrong in ways nobody thought of: refused in words, with no traceback, soon."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from driftloop_toys.studies import toy_data

from driftloop.encoders import get_encoder
from driftloop.errors import DriftloopError, ModelError, StoreError, StudyError
from driftloop.models import get_backend
from driftloop.runners import cast_study, default_folder
from driftloop.store import create_run, is_run, open_run
from driftloop.study import MAX_ARMS, Arm, load_study

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from mutants import mutants, try_out


@pytest.mark.parametrize("number", range(4))
def test_a_sample_of_mutants_is_played_or_refused(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    ended = [try_out(text, tmp_path) for text in mutants(20, seed=number)]
    assert {how for how, _ in ended} <= {"played", "refused"}
    assert max(seconds for _, seconds in ended) < 5


def study(**changes: Any) -> dict[str, Any]:
    return {**toy_data(), **changes}


def test_arms_are_counted_before_they_are_written_out() -> None:
    arm = toy_data()["arms"][0]
    sweep = {f"look.s{number}": list(range(100)) for number in range(5)}
    started = time.perf_counter()
    with pytest.raises(StudyError, match=r"come to 10,000,000,000 arms, and 100,000 are the most"):
        load_study(study(arms=[{**arm, "sweep": sweep}]))
    many = {f"look.s{number}": list(range(100)) for number in range(2000)}
    with pytest.raises(StudyError, match=r"come to about 10\^4000 arms"):
        load_study(study(arms=[{**arm, "sweep": many}]))
    assert time.perf_counter() - started < 2
    assert Arm(**{**arm, "sweep": {"look.variety": [1, 2]}}).count == 2
    assert MAX_ARMS >= 10_000


@pytest.mark.parametrize("key", ["rounds", "twins", "seed"])
def test_true_is_no_number_of_a_study(key: str) -> None:
    with pytest.raises(StudyError, match=f"{key}: a number is wanted, and it is true"):
        load_study(study(**{key: True}))


@pytest.mark.parametrize(
    ("backend", "key"),
    [
        ("diffusers", "steps"), ("diffusers", "batch_size"), ("diffusers", "guidance"),
        ("transformers", "words"), ("transformers", "temperature"), ("openai", "retries"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("how", ["model", "settings", "sweep"])
def test_true_is_no_number_of_a_setting(backend: str, key: str, how: str) -> None:
    data = toy_data()
    mine: dict[str, Any] = {"backend": backend, "path": "bundled:postcard-sdxl"}
    if backend == "transformers":
        mine["path"] = "bundled:postcard-llava"
    if backend == "openai":
        mine["role"] = "captioner"
    arm = {**data["arms"][0]}
    arm["network"] = ["mine", "look"] if backend == "diffusers" else ["draw", "mine"]
    if how == "model":
        mine[key] = True
    elif how == "settings":
        arm["settings"] = {"mine": {key: True}}
    else:
        arm["sweep"] = {f"mine.{key}": [True]}
    data["models"]["mine"] = mine
    with pytest.raises(StudyError, match=f"mine.*{key}: a number is wanted, and it is true"):
        cast_study(load_study({**data, "arms": [arm]}))


@pytest.mark.parametrize("text", ["postcards-24", "prompts.txt", "mine/set.toml", "a.csv"])
def test_the_name_of_a_set_in_a_list_is_not_drawn(text: str) -> None:
    with pytest.raises(StudyError, match="in a list is a text to draw"):
        load_study(study(prompts=[text]))
    assert load_study(study(prompts=[f"a page of {text}"])).prompts


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:99999/v1", "http://host:port/v1", "http://[::1/v1", "http://h:0/v1"]
)
def test_a_port_that_is_none_is_told(url: str) -> None:
    settings = get_backend("openai").settings
    with pytest.raises(ValueError, match=r"is no address of a server|IPv6"):
        settings.model_validate({"path": "m", "role": "captioner", "base_url": url})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [[float("nan")]], {1, 2}])
def test_what_json_cannot_say_is_not_sent(value: Any) -> None:
    settings = get_backend("openai").settings
    with pytest.raises(ValueError, match="cannot be sent as JSON"):
        settings.model_validate({"path": "m", "role": "captioner", "extra": {"x": value}})


HOSTILE = ["x" * 300, "é" * 200, "a\0b", "~nobody-here", "a/" * 3000, "~nobody-here/model"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_text_that_is_no_path_is_told_wherever_one_may_stand(name: str) -> None:
    with pytest.raises(ModelError):
        get_encoder(name)
    for backend in ("diffusers", "transformers", "controls"):
        found = get_backend(backend)
        more = {"kind": "random"} if backend == "controls" else {}
        with pytest.raises(ModelError):
            found.locate(found.settings.model_validate({"path": name, **more}))
    diffusers = get_backend("diffusers")
    with pytest.raises(ModelError):
        diffusers.locate(
            diffusers.settings.model_validate({"path": "bundled:postcard-sdxl", "lora": name})
        )
    for key in ("prompts", "image"):
        prompts = name if key == "prompts" else [{"image": name}]
        with pytest.raises(StudyError):
            load_study(study(prompts=prompts))
    with pytest.raises(DriftloopError):
        load_study(name)


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "a/" * 3000])
def test_no_run_is_made_where_no_folder_can_be(name: str) -> None:
    for act in (create_run, open_run, is_run):
        with pytest.raises(StoreError, match=r"NUL|too long"):
            act(name)


def test_a_long_title_still_gives_a_folder() -> None:
    named = load_study(study(title="猫" * 300))
    assert len(default_folder(named).name.encode()) <= 200
    short = load_study(study(title="a study: of ships"))
    assert default_folder(short).name == "a study- of ships"
    assert json.dumps(default_folder(named).name)
