"""What every editor does, whatever its family: the same contract for each tiny checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("diffusers")
pytest.importorskip("transformers")

import diffusers as df
from PIL import Image
from tiny_generators import FAMILIES, checker, save, sd, sight, xl
from tiny_parts import WIDTH

from driftloop.errors import ModelError, StudyError
from driftloop.models import check_invariance, get_backend
from driftloop.runners import cast_study
from driftloop.steps import Output, Role
from driftloop.study import load_study

EDITORS = ["SDXL", "SDXL with LCM", "SD 1.5", "SD 1.5 with a safety checker", "SD3", "FLUX"]


def load(folder: Path, **settings: Any) -> Any:
    backend = get_backend("diffusers")
    editor = {
        "path": str(folder), "task": "image-to-image", "steps": 4, "strength": 0.5,
        "batch_size": 2, "dtype": "float32",
    }  # fmt: skip
    checked = backend.settings.model_validate({**editor, **settings})
    return backend.load(checked, backend.locate(checked))


def fields(count: int, side: int = 32) -> list[Image.Image]:
    """Smooth colour fields, each its own."""
    corners = np.random.default_rng(7).integers(0, 256, (count, 2, 2, 3), dtype=np.uint8)
    return [Image.fromarray(one).resize((side, side), Image.Resampling.BICUBIC) for one in corners]


def pixels(player: Any, image: Image.Image, seed: int = 1) -> np.ndarray[Any, Any]:
    (output,) = player.play([image], [seed])
    assert isinstance(output, Output)
    return np.asarray(output.content, dtype=float)


@pytest.fixture(scope="module", params=EDITORS)
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("editor")
    FAMILIES[request.param](folder)
    return folder


@pytest.fixture(scope="module")
def player(checkpoint: Path) -> Any:
    return load(checkpoint)


def test_one_picture_of_each_in_order_and_as_large(player: Any) -> None:
    assert player.role is Role.EDITOR
    images = [*fields(1), *fields(2, side=48)[1:]]
    together = [output.content for output in player.play(images, [1, 2])]
    assert [(image.mode, image.size) for image in together] == [
        ("RGB", (32, 32)), ("RGB", (48, 48)),
    ]  # fmt: skip
    for image, seed, edited in zip(images, [1, 2], together, strict=True):
        assert np.array_equal(pixels(player, image, seed), np.asarray(edited))


def test_answers_do_not_depend_on_company(player: Any) -> None:
    assert check_invariance(player).verdict == "bit-exact"


def test_a_seed_is_one_picture_of_a_picture(player: Any) -> None:
    one, other = fields(2)
    assert np.array_equal(pixels(player, one, 5), pixels(player, one, 5))
    assert not np.array_equal(pixels(player, one, 5), pixels(player, one, 6))
    assert not np.array_equal(pixels(player, one, 5), pixels(player, other, 5))


def test_the_weaker_the_nearer(checkpoint: Path) -> None:
    image = fields(1)[0]
    # Through the autoencoder alone, whose weights are random, the picture is another already.
    weak, middle, strong = (
        pixels(load(checkpoint, strength=strength, steps=8), image) for strength in (0.125, 0.5, 1)
    )
    assert np.abs(weak - middle).mean() < np.abs(weak - strong).mean()


def test_weights_are_shared_with_the_generator(checkpoint: Path, player: Any) -> None:
    backend = get_backend("diffusers")
    drawing = {"path": str(checkpoint), "steps": 2, "batch_size": 2, "dtype": "float32"}
    checked = backend.settings.model_validate(drawing)
    generator = backend.load(checked, backend.locate(checked))
    part = "unet" if hasattr(generator.pipeline, "unet") else "transformer"
    assert getattr(generator.pipeline, part) is getattr(player.pipeline, part)
    assert generator.role is Role.GENERATOR
    assert generator.fingerprint != player.fingerprint
    before = pixels(player, fields(1)[0])
    generator.play(["A ship."], [1])
    assert np.array_equal(before, pixels(player, fields(1)[0]))


def test_a_prompt_of_its_own_makes_a_difference_and_is_read_whole(checkpoint: Path) -> None:
    told = load(checkpoint, prompt="A ship on the sea.")
    assert not np.array_equal(pixels(told, fields(1)[0]), pixels(load(checkpoint), fields(1)[0]))
    assert told.fingerprint != load(checkpoint).fingerprint
    with pytest.raises(ModelError, match=r"prompt: it has .* tokens and .* are read; not read: "):
        load(checkpoint, prompt="A ship on the sea at night. " * 60)


def test_what_the_safety_checker_blanks_is_told(tmp_path: Path) -> None:
    save(sd(safety_checker=checker(blocks=True), feature_extractor=sight()), tmp_path)
    output, _ = load(tmp_path).play(fields(2), [1, 2])
    assert output.flags == ("flat", "filtered")


def test_an_editor_by_its_files_keeps_their_settings(tmp_path: Path) -> None:
    # As SDXL's refiner has it: one text encoder, and a number that says how beautiful.
    whole = xl(
        df.EulerDiscreteScheduler(),
        cross_attention_dim=WIDTH,
        projection_class_embeddings_input_dim=5 * 8 + WIDTH,
    )
    parts = {**whole.components, "text_encoder": None, "tokenizer": None}
    refiner = df.StableDiffusionXLImg2ImgPipeline(**parts, requires_aesthetics_score=True)
    save(refiner, tmp_path)
    player = load(tmp_path)
    assert player.pipeline.config.requires_aesthetics_score
    assert pixels(player, fields(1)[0]).shape == (32, 32, 3)


MISTAKES = {
    "no strength of a generator": ({"task": "text-to-image"}, 'need task = "image-to-image"'),
    "no step left": ({"steps": 4, "strength": 0.2}, "at least"),
    "more than all": ({"strength": 1.5}, "less than or equal to 1"),
    "no such task": ({"task": "img2img"}, "'text-to-image' or 'image-to-image'"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_told_before_anything_loads(name: str, tmp_path: Path) -> None:
    changes, expected = MISTAKES[name]
    FAMILIES["SDXL"](tmp_path)
    model = {
        "backend": "diffusers", "path": str(tmp_path), "task": "image-to-image", "steps": 4,
        "strength": 0.5,
    }  # fmt: skip
    study = {
        "rounds": 2,
        "prompts": ["a ship"],
        "models": {"repaint": {**model, **changes}, "draw": {**model, "task": "text-to-image"}},
        "arms": [{"name": "alone", "opening": ["draw"], "network": ["repaint"]}],
    }
    del study["models"]["draw"]["strength"]
    with pytest.raises(StudyError, match=r"models\.repaint") as caught:
        cast_study(load_study(study), "my.toml")
    assert expected in str(caught.value)


def test_a_family_that_edits_nothing_is_told_before_it_loads(tmp_path: Path) -> None:
    FAMILIES["PixArt-Sigma"](tmp_path)
    with pytest.raises(ModelError, match="has no image-to-image pipeline for its PixArtSigma"):
        load(tmp_path)


def test_an_option_that_the_pipeline_does_not_take_is_told(tmp_path: Path) -> None:
    FAMILIES["SDXL"](tmp_path)
    with pytest.raises(ModelError, match="StableDiffusionXLImg2ImgPipeline takes no width"):
        load(tmp_path, width=64)
