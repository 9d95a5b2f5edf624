"""The bundled pair, through the code that Stable Diffusion XL and LLaVA take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import driftloop
from driftloop.errors import ModelError
from driftloop.models import Fitted, Player, check_invariance, get_backend
from driftloop.models._reading import PromptReader
from driftloop.postcards import parse
from driftloop.runners import open_session
from driftloop.steps import Output, Role, fullest
from driftloop.store import open_run
from driftloop.study import Study, load_study

pytestmark = pytest.mark.bundled
pytest.importorskip("diffusers")
pytest.importorskip("transformers")

VOLATILE = ["started", "seconds", "shared"]


def load(backend: str, **settings: Any) -> Player:
    found = get_backend(backend)
    checked = found.settings.model_validate(settings)
    return found.load(checked, found.locate(checked))


@pytest.fixture(scope="module")
def generator() -> Player:
    return load("diffusers", path="bundled:postcard-sdxl", steps=4, guidance=3, batch_size=4)


@pytest.fixture(scope="module")
def other_generator() -> Player:
    return load("diffusers", path="bundled:postcard-turbo", steps=4, guidance=1, batch_size=4)


@pytest.fixture(scope="module")
def captioner() -> Player:
    return load(
        "transformers",
        path="bundled:postcard-llava",
        instruction="Describe this picture in at most {words} words.",
        words=20,
        temperature=1.0,
        batch_size=4,
    )


@pytest.fixture(scope="module")
def other_captioner() -> Player:
    return load(
        "transformers",
        path="bundled:postcard-git",
        instruction="Describe this picture in at most {words} words.",
        words=20,
        temperature=1.0,
        batch_size=4,
    )


@pytest.mark.parametrize("name", ["generator", "other_generator", "captioner", "other_captioner"])
def test_answers_do_not_depend_on_company(name: str, request: pytest.FixtureRequest) -> None:
    verdict = check_invariance(request.getfixturevalue(name))
    assert verdict.verdict == "bit-exact", verdict


def test_a_seed_is_one_picture(generator: Player) -> None:
    prompts = ["A ship on the sea."] * 3
    a, b, c = (output.reference.value for output in generator.play(prompts, [1, 2, 1]))
    assert a == c
    assert a != b


def test_the_generator_edits_with_the_same_weights(generator: Any) -> None:
    weak, strong = (
        load("diffusers", path="bundled:postcard-sdxl", task="image-to-image", steps=6,
             guidance=1, strength=strength, batch_size=2)
        for strength in (0.2, 0.8)
    )  # fmt: skip
    assert weak.pipeline.unet is strong.pipeline.unet is generator.pipeline.unet  # type: ignore[attr-defined]
    assert weak.role is Role.EDITOR
    verdict = check_invariance(weak)
    assert verdict.verdict == "bit-exact", verdict
    drawn = [output.content for output in generator.play(PROMPTS, [1, 2])]
    for player, least, most in ((weak, 0, 12), (strong, 4, 120)):
        edited = player.play(drawn, [1, 2])
        for before, after in zip(drawn, edited, strict=True):
            assert isinstance(after, Output)
            assert after.flags == ()
            assert (
                least < np.abs(np.asarray(before, float) - np.asarray(after.content)).mean() < most
            )


def test_what_a_generator_did_not_read_is_recorded(generator: Player) -> None:
    text = " ".join(["A ship sails on the sea."] * 40) + " The end is nigh."
    (long,) = generator.play([text], [1])
    (short,) = generator.play(["A ship."], [1])
    assert isinstance(long, Output)
    assert isinstance(short, Output)
    assert [reading.text_encoder for reading in long.readings] == ["text_encoder", "text_encoder_2"]
    for reading in long.readings:
        assert reading.tokens == 75
        assert reading.cut > 100
        assert reading.cut_text.endswith("The end is nigh.")
        assert text.endswith(reading.cut_text)
    assert {reading[1:3] for reading in short.readings} == {(0, "")}


@pytest.mark.parametrize("name", ["captioner", "other_captioner"])
def test_a_caption_is_fitted_to_what_the_generator_reads(
    name: str, generator: Any, request: pytest.FixtureRequest
) -> None:
    captioner: Any = request.getfixturevalue(name)
    readers = [reader._replace(window=12) for reader in generator.reader.readers]
    narrow = PromptReader(tuple(readers), "narrow")
    fitted = Fitted(captioner, narrow)
    told = fitted.limits()["instruction"]
    assert "at most 9 words" in told
    pictures = captioner.samples(4)
    whole = Fitted(captioner, generator.reader).play(pictures, [1, 2, 3, 4])
    short = fitted.play(pictures, [1, 2, 3, 4])
    assert all(fullest(narrow.read(output.content)).cut == 0 for output in short)
    assert all(output.content for output in short)
    assert sum(len(o.content) for o in short) < sum(len(o.content) for o in whole)
    # Where it says more than is read all the same, the rest is on record.
    held = [fitted._fit(output) for output in captioner.play(pictures, [1, 2, 3, 4])]
    cut = [output for output in held if "shortened" in output.flags]
    assert cut
    assert all(output.cut_text for output in cut)


def test_an_empty_prompt_is_told(generator: Player) -> None:
    (output,) = generator.play([""], [1])
    assert "empty prompt" in output.flags


PROMPTS = ["A ship on the sea at night.", "Two cats in a meadow by day."]


@pytest.mark.parametrize("drawn_by", ["generator", "other_generator"])
@pytest.mark.parametrize("told_by", ["captioner", "other_captioner"])
def test_every_pair_keeps_what_is_asked(
    drawn_by: str, told_by: str, request: pytest.FixtureRequest
) -> None:
    generator = request.getfixturevalue(drawn_by)
    pictures = [output.content for output in generator.play(PROMPTS, [1, 2])]
    for prompt, output in zip(
        PROMPTS, request.getfixturevalue(told_by).play(pictures, [1, 2]), strict=True
    ):
        assert 0 < len(output.content.split()) <= 20
        assert output.content.endswith(".") or "over budget" in output.flags
        asked, told = parse(prompt), parse(output.content)
        assert told.ground in (None, asked.ground)
        assert told.time in (None, asked.time)


@pytest.mark.parametrize("path", ["bundled:postcard-llava", "bundled:postcard-git"])
def test_a_captioner_follows_its_instruction(path: str, generator: Player) -> None:
    prompts = [
        "A large red castle on the left, a cow in the middle and two bats at the upper right.",
        "A small blue cat on the left and a robot on the right in a kitchen at night, in sepia.",
    ]
    pictures = [output.content for output in generator.play(prompts, [1, 2])]
    lengths = {}
    for words in (5, 40):
        instruction = "Describe this picture in at most {words} words."
        told = load(
            "transformers", path=path, instruction=instruction, words=words, batch_size=4
        ).play(pictures, [1, 2])
        lengths[words] = sum(len(output.content.split()) for output in told)
    assert lengths[5] <= 10 < lengths[40]


def small(**changes: Any) -> Study:
    study = load_study("quickstart")
    prompts = [study.prompts[0], study.prompts[-1], study.prompts[5]]
    return study.model_copy(update={"prompts": prompts, "rounds": 2, **changes})


def played(folder: Path) -> Any:
    with open_run(folder) as run:
        return run.steps().drop_columns(VOLATILE)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "run"
    driftloop.run(small(), folder, progress=False).close()
    return folder


def test_a_study_of_the_bundled_pair_repeats_with_any_players_together(
    whole: Path, tmp_path: Path
) -> None:
    models = dict(small().models)
    generator = models["postcard-turbo"]
    models["postcard-turbo"] = generator.model_copy(update={"device": ["cpu", "cpu"]})
    again = small(models=models)
    driftloop.run(again, tmp_path / "again", overlap="models", progress=False).close()
    assert played(whole).equals(played(tmp_path / "again"))
    assert driftloop.examine(whole) == []


def test_another_order_of_micro_batches_is_the_same(whole: Path, tmp_path: Path) -> None:
    turned = small(prompts=small().prompts[::-1])
    with open_session(turned, tmp_path / "turned") as session:
        while not session.scheduler.done:
            # Captions as soon as there is one picture, not when all are drawn.
            batch = session.ask("postcard-llava") or session.ask()
            session.tell(batch, session.play(batch))
    assert played(whole).equals(played(tmp_path / "turned"))


def test_a_trajectory_alone_is_the_same(whole: Path, tmp_path: Path) -> None:
    alone = small(prompts=small().prompts[1:2], twins=1)
    driftloop.run(alone, tmp_path / "alone", progress=False).close()
    mine = played(tmp_path / "alone").to_pylist()
    all_of_them = played(whole).to_pylist()
    assert len(mine) == 4
    assert all(row in all_of_them for row in mine)


def test_the_invariance_verdict_is_stored(whole: Path) -> None:
    with open_run(whole) as run:
        verdicts = [player["details"]["invariance"]["verdict"] for player in run.players()]
    assert verdicts == ["bit-exact", "bit-exact"]


def test_the_wrong_backend_is_told() -> None:
    with pytest.raises(ModelError, match='a captioner wants backend = "transformers"'):
        load("diffusers", path="bundled:postcard-llava")
    with pytest.raises(ModelError, match='a generator wants backend = "diffusers"'):
        load("transformers", path="bundled:postcard-sdxl")
    with pytest.raises(ModelError, match="Did you mean 'postcard-sdxl'"):
        load("diffusers", path="bundled:postcard-sdx")
