"""What every generator does, whatever its family: the same contract for each tiny checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("diffusers")
pytest.importorskip("transformers")

from tiny_generators import FAMILIES, checker, save, sd, sight

from driftloop.models import check_invariance, get_backend
from driftloop.steps import Output, Role, fullest

SIZES = {"FLUX": 32, "Sana": 512}
"""Pixels of the side where a family has a size of its own whatever its network was trained at."""
READS = {
    "SDXL": 75, "SDXL with LCM": 75, "SD 1.5": 75, "SD 1.5 with a safety checker": 75, "SD3": 255,
    "FLUX": 511, "PixArt-Alpha": 119, "PixArt-Sigma": 299, "Sana": 298,
}  # fmt: skip
"""Tokens of a prompt that the text encoder with the most room takes."""


def load(folder: Path, **settings: Any) -> Any:
    backend = get_backend("diffusers")
    settings = {"path": str(folder), "steps": 2, "batch_size": 2, "dtype": "float32", **settings}
    checked = backend.settings.model_validate(settings)
    return backend.load(checked, backend.locate(checked))


@pytest.fixture(scope="module", params=FAMILIES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def checkpoint(name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generator")
    FAMILIES[name](folder)
    return folder


@pytest.fixture(scope="module")
def size(name: str) -> dict[str, int]:
    return {"width": SIZES[name], "height": SIZES[name]} if name in SIZES else {}


@pytest.fixture(scope="module")
def player(checkpoint: Path, size: dict[str, int]) -> Any:
    return load(checkpoint, **size)


def picture(player: Any, text: str, seed: int = 1) -> bytes:
    (output,) = player.play([text], [seed])
    assert isinstance(output, Output)
    return output.content.tobytes()


def test_it_says_what_it_is(name: str, player: Any) -> None:
    limits = player.limits()
    assert player.role is Role.GENERATOR
    assert limits["prompt tokens"] == READS[name]
    assert limits["parameters"] > 10_000


def test_one_picture_a_prompt_in_order(name: str, player: Any) -> None:
    prompts = ["A ship on the sea.", "Rain."]
    together = [output.content for output in player.play(prompts, [1, 2])]
    assert [image.mode for image in together] == ["RGB", "RGB"]
    if name in SIZES:
        assert together[0].size == (SIZES[name], SIZES[name])
    assert [image.tobytes() for image in together] == [
        picture(player, prompts[0], 1),
        picture(player, prompts[1], 2),
    ]
    assert np.ptp(np.asarray(together[0])) > 50


def test_answers_do_not_depend_on_company(player: Any) -> None:
    assert check_invariance(player).verdict == "bit-exact"


def test_a_seed_is_one_picture(player: Any) -> None:
    one, two = player.play(["A ship."] * 2, [5, 6])
    assert one.reference != two.reference
    assert picture(player, "A ship.", 5) == one.content.tobytes()
    assert picture(player, "Rain, rain, rain.", 5) != one.content.tobytes()


def test_a_full_micro_batch_is_all_that_it_takes(player: Any) -> None:
    with pytest.raises(ValueError, match="3 inputs for a micro-batch of 2"):
        player.play(["a"] * 3, [1, 2, 3])


def test_an_empty_prompt_is_told(player: Any) -> None:
    output, _ = player.play(["", "A ship."], [1, 1])
    assert "empty prompt" in output.flags
    assert {reading[:3] for reading in output.readings} == {(0, 0, "")}


def test_what_was_cut_makes_no_difference_and_what_was_read_does(player: Any) -> None:
    window = player.limits()["prompt tokens"]
    text = "A ship on the sea at night, " * (window // 5) + "seen by an old man."
    output, _ = player.play([text, "A ship."], [3, 3])
    reading = fullest(output.readings)
    assert reading.tokens == window
    assert reading.cut > 0
    assert text.endswith(reading.cut_text)
    read = text.removesuffix(reading.cut_text)
    # The window may end within a word, whose end then decides how its beginning is split.
    word = reading.cut_text.split(" ")[0]
    assert picture(player, f"{read}{word} and two cats", 3) == output.content.tobytes()
    assert picture(player, read[:-3], 3) != output.content.tobytes()
    (whole,) = player.play([read[:-3]], [3])
    assert fullest(whole.readings)[1:3] == (0, "")


def test_each_text_encoder_has_its_own_reading(name: str, player: Any) -> None:
    windows = player.limits()["of each text encoder"]
    parts = player.pipeline.components
    assert set(windows) == {
        part for part in parts if part.startswith("text_encoder") and parts[part] is not None
    }
    text = "A ship on the sea at night, " * 100
    output, _ = player.play([text, "A ship."], [3, 3])
    for reading in output.readings:
        assert reading.tokens == windows[reading.text_encoder]
        assert reading.cut > 0
        assert text.endswith(reading.cut_text)
    assert len(output.readings) == len(windows)
    assert len({reading.tokens for reading in output.readings}) == len(set(windows.values()))


def test_a_picture_that_the_safety_checker_blanks_is_told(tmp_path: Path) -> None:
    save(sd(safety_checker=checker(blocks=True), feature_extractor=sight()), tmp_path)
    output, _ = load(tmp_path).play(["A ship.", "Rain."], [1, 2])
    assert output.flags == ("flat", "filtered")
    assert np.ptp(np.asarray(output.content)) == 0
