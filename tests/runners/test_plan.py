"""What a study would take: counted, remembered, and looked up where others published it."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from driftloop_toys.studies import toy_data

import driftloop
from driftloop.models import Located, get_backend, remember
from driftloop.runners import Plan, cast_study, make_plan
from driftloop.runners._published import published_for
from driftloop.study import load_study, shipped_studies

SDXL = "stabilityai/stable-diffusion-xl-base-1.0"


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("huggingface_hub")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def generator(**settings: Any) -> Any:
    return get_backend("diffusers").settings.model_validate({"path": SDXL, **settings})


def swept(monkeypatch: pytest.MonkeyPatch, **look: Any) -> Plan:
    """A plan of toys with a captioner in three settings, whose weights have a size."""
    backend = get_backend("toy")
    monkeypatch.setattr(
        type(backend), "locate", lambda self, settings: Located(None, settings.role, 1000)
    )
    data = toy_data()
    data["models"]["look"].update(look)
    data["arms"][0]["sweep"] = {"look.variety": [1, 2, 3]}
    return make_plan(load_study(data))


@pytest.mark.parametrize("name", shipped_studies())
def test_every_shipped_study_has_a_plan_offline(name: str, offline: None) -> None:
    study = load_study(name)
    plan = make_plan(name)
    casting = cast_study(study, unreachable=True)
    assert sum(row.calls for row in plan.rows) == casting.steps == plan.steps
    assert {row.model for row in plan.rows} == set(study.models)
    assert plan.money == 0


def test_a_swap_is_every_pair_and_each_model_a_seat(offline: None) -> None:
    plan = make_plan("model-swap")
    assert len(plan.rows) == 8
    assert {row.calls for row in plan.rows} == {plan.steps // 8}
    assert plan.trajectories == 16 * 24 * 2


def test_only_steps_that_the_study_asks_for_count_as_done(tmp_path: Path) -> None:
    data = toy_data(rounds=2)
    arm = data["arms"][0]
    both = [arm, {**arm, "name": "other", "settings": {"look": {"variety": 5}}}]
    driftloop.run(load_study({**data, "arms": both}), tmp_path, progress=False).close()
    longer = make_plan(load_study({**data, "rounds": 4}), tmp_path)
    assert longer.steps_done == longer.steps // 2
    fewer = make_plan(load_study({**data, "twins": 1, "rounds": 1}), tmp_path)
    assert fewer.steps_done == fewer.steps
    assert make_plan(load_study({**data, "arms": both}), tmp_path).left == 0


def test_weights_that_settings_share_are_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = swept(monkeypatch)
    assert len(plan.rows) == 4
    assert plan.memory_bytes == 2000


def test_what_was_measured_here_comes_first(offline: None) -> None:
    plan = make_plan("elevator-music")
    (there,) = plan.elsewhere
    assert (there.device, there.unknown) == ("NVIDIA A100", ("llava",))
    figure = there.figures["sdxl"]
    assert there.seconds == pytest.approx(70_000 * figure.seconds)
    assert plan.seconds is None
    row = next(row for row in plan.rows if row.model == "sdxl")
    settings = generator(variant="fp16", steps=30, guidance=5.0)
    remember(row.identity, settings.pace, seconds=2.0, device="NVIDIA A100")
    (there,) = make_plan("elevator-music").elsewhere
    assert there.seconds == pytest.approx(70_000 * 2.0)


def test_one_measure_does_for_every_temperature(offline: None) -> None:
    rows = [row for row in make_plan("elevator-music").rows if row.model == "llava"]
    assert len(rows) == 7
    captioner = get_backend("transformers").settings
    told = load_study("elevator-music").models["llava"].settings
    remember(rows[0].identity, captioner.model_validate(told).pace, seconds=0.5, device="mine")
    again = [row for row in make_plan("elevator-music").rows if row.model == "llava"]
    assert {(row.seconds, row.device) for row in again} == {(0.5, "mine")}
    other = captioner.model_validate({**told, "words": 10})
    assert other.pace != captioner.model_validate(told).pace


def test_a_published_figure_is_scaled_by_steps_and_by_nothing_else() -> None:
    (one,) = published_for(generator())
    assert published_for(generator(steps=15))[0].seconds == pytest.approx(one.seconds * 15 / 30)
    assert published_for(generator(width=1024, height=1024)) == (one,)
    for other in (
        {"width": 512, "height": 512},
        {"offload": "model"},
        {"dtype": "float32"},
        {"guidance": 0.0},
        {"path": "somebody/else"},
    ):
        assert published_for(generator(**other)) == ()


def test_every_published_figure_says_where_it_stands() -> None:
    text = resources.files("driftloop.runners").joinpath("published.toml").read_text("utf-8")
    for figure in tomllib.loads(text)["figure"]:
        assert figure["source"].startswith("https://")
        assert figure["how"]
        assert 0 < figure["seconds"] < 60


def test_a_run_tells_the_next_plan_what_it_was_measured_on(tmp_path: Any) -> None:
    study = load_study(toy_data())
    driftloop.run(study, tmp_path, progress=False).close()
    plan = make_plan(study)
    assert plan.seconds is not None
    assert plan.seconds > 0
    assert all(row.device is None for row in plan.rows)
