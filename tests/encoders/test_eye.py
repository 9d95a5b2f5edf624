"""The eye: pictures and texts of one world in one space."""

import random
from importlib import resources

import numpy as np
import pytest
from PIL import Image

from driftloop.encoders import default_encoders, get_encoder
from driftloop.steps import Kind

pytestmark = pytest.mark.bundled
pytest.importorskip("torch")
pytest.importorskip("transformers")
EYE = "bundled:postcard-clip"


def pictures(count: int) -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [
        Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)).resize((128, 128))
        for _ in range(count)
    ]


def test_pictures_and_texts_have_unit_vectors_in_one_space() -> None:
    seen = get_encoder(EYE, "image").encode(pictures(3))
    read = get_encoder(EYE, "text").encode(["A cat.", "Two ships at sea.", " "])
    assert seen.shape == read.shape
    assert seen.dtype == read.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(seen, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(read[:2], axis=1), 1, atol=1e-5)
    assert np.isnan(read[2]).all()


@pytest.mark.parametrize("kind", ["image", "text"])
def test_a_vector_does_not_depend_on_its_company(kind: Kind) -> None:
    encoder = get_encoder(EYE, kind)
    texts = ["A cat.", "It is a stormy night on the sea. There are two ships on the left.", "Owl."]
    contents = pictures(3) if encoder.kind == "image" else texts
    together = encoder.encode(contents)
    alone = np.concatenate([encoder.encode([content]) for content in contents])
    np.testing.assert_array_equal(together, alone)


def test_it_reads_captions_by_what_they_say() -> None:
    texts = ["A cat at night.", "By night, a cat.", "Three whales on the sea by day in a storm."]
    alike = (vectors := get_encoder(EYE, "text").encode(texts)) @ vectors.T
    assert alike[0, 1] > alike[0, 2] + 0.2


def test_what_it_does_not_read_is_counted() -> None:
    encoder = get_encoder(EYE, "text")
    rng = random.Random(0)
    long = " ".join(rng.choice(["cat", "ship", "night", "meadow"]) for _ in range(120))
    assert encoder.cut(["A cat.", long])[0] == 0
    assert encoder.cut(["A cat.", long])[1] > 40
    assert get_encoder(EYE, "image").cut(pictures(2)) == [0, 0]


@pytest.mark.parametrize("kind", ["image", "text"])
def test_a_report_uses_it_for_the_world_that_it_knows_only(kind: Kind) -> None:
    eye = get_encoder(EYE, kind).name
    assert eye not in [encoder.name for encoder in default_encoders(kind)]
    assert eye in [encoder.name for encoder in default_encoders(kind, postcards=True)]


def test_it_ships_with_a_card() -> None:
    card = resources.files("driftloop").joinpath("postcards/weights/postcard-clip/README.md")
    assert "shares no weights" in card.read_text("utf-8")
