"""The eye: pictures and texts of one world in one space."""

import random
from importlib import resources

import numpy as np
import pytest
from PIL import Image

from driftloop.encoders import default_encoders, get_encoder
from driftloop.encoders.clip import is_installed

pytestmark = [
    pytest.mark.bundled,
    pytest.mark.skipif(not is_installed(), reason="torch or transformers not installed"),
]


def pictures(count: int) -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [
        Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)).resize((128, 128))
        for _ in range(count)
    ]


def test_pictures_and_texts_have_unit_vectors_in_one_space() -> None:
    seen = get_encoder("postcard-clip").encode(pictures(3))
    read = get_encoder("postcard-clip-text").encode(["A cat.", "Two ships at sea.", " "])
    assert seen.shape == read.shape
    assert seen.dtype == read.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(seen, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(read[:2], axis=1), 1, atol=1e-5)
    assert np.isnan(read[2]).all()


@pytest.mark.parametrize("name", ["postcard-clip", "postcard-clip-text"])
def test_a_vector_does_not_depend_on_its_company(name: str) -> None:
    encoder = get_encoder(name)
    texts = ["A cat.", "It is a stormy night on the sea. There are two ships on the left.", "Owl."]
    contents = pictures(3) if encoder.kind == "image" else texts
    together = encoder.encode(contents)
    alone = np.concatenate([encoder.encode([content]) for content in contents])
    np.testing.assert_allclose(together, alone, atol=1e-4)


def test_it_reads_captions_by_what_they_say() -> None:
    texts = ["A cat at night.", "By night, a cat.", "Three whales on the sea by day in a storm."]
    alike = (vectors := get_encoder("postcard-clip-text").encode(texts)) @ vectors.T
    assert alike[0, 1] > alike[0, 2] + 0.2


def test_what_it_does_not_read_is_counted() -> None:
    encoder = get_encoder("postcard-clip-text")
    rng = random.Random(0)
    long = " ".join(rng.choice(["cat", "ship", "night", "meadow"]) for _ in range(120))
    assert encoder.cut(["A cat.", long])[0] == 0
    assert encoder.cut(["A cat.", long])[1] > 40
    assert get_encoder("postcard-clip").cut(pictures(2)) == [0, 0]


def test_a_report_uses_it_for_the_world_that_it_knows_only() -> None:
    names = [encoder.name for encoder in default_encoders("text")]
    assert "postcard-clip-text" not in names
    named = [encoder.name for encoder in default_encoders("text", postcards=True)]
    assert "postcard-clip-text" in named
    assert "postcard-clip" in [e.name for e in default_encoders("image", postcards=True)]


def test_it_ships_with_a_card() -> None:
    card = resources.files("driftloop").joinpath("postcards/weights/postcard-clip/README.md")
    assert "shares no weights" in card.read_text("utf-8")
