"""Embedding a run: each content once, kept between calls, nothing made up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from driftloop.encoders import embed, embed_in_place, get_encoder
from driftloop.steps import Kind, image_digest
from driftloop.store import Run, create_run, open_run


class Counting:
    """Encodes a text as its length, and remembers what it was asked."""

    name = title = "counting"
    kind: Kind = "text"
    identity = "counting/1"
    batch_size = 3

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.breaks_at: str | None = None

    def encode(self, contents: Sequence[str]) -> np.ndarray:
        if self.breaks_at in contents:
            raise RuntimeError("out of memory")
        self.asked += contents
        angles = np.array([len(text) for text in contents]) / 100
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)

    def cut(self, contents: Sequence[str]) -> list[int]:
        return [max(0, len(text) - 10) for text in contents]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with create_run(tmp_path / "run") as run:
        yield run


def test_each_content_once_and_in_order(run: Run) -> None:
    encoder = Counting()
    vectors = embed(run, encoder, ["one", "three", "one", "a long long text"])
    assert encoder.asked == ["one", "three", "a long long text"]
    assert vectors.computed == 3
    assert vectors.cut == {"a long long text": 6}
    rows = vectors.of(["three", None, "one", "never seen"])
    np.testing.assert_allclose(rows[0], [np.cos(0.05), np.sin(0.05)], rtol=1e-6)
    assert np.isnan(rows).any(axis=1).tolist() == [False, True, False, True]


def test_vectors_are_kept_in_the_run(run: Run) -> None:
    first = embed(run, Counting(), ["one", "two"])
    encoder = Counting()
    with open_run(run.folder) as again:
        second = embed(again, encoder, ["two", "four!", "one"])
    assert encoder.asked == ["four!"]
    assert second.computed == 1
    np.testing.assert_array_equal(first.of(["one", "two"]), second.of(["one", "two"]))


def test_another_identity_shares_nothing(run: Run) -> None:
    embed(run, Counting(), ["one"])
    other = Counting()
    other.identity = "counting/2"
    assert embed(run, other, ["one"]).computed == 1


def test_blank_texts_have_no_vector_and_are_named(run: Run) -> None:
    encoder = Counting()
    vectors = embed(run, encoder, ["", "  ", "words"])
    assert vectors.missing == {"", "  "}
    assert encoder.asked == ["words"]
    assert set(vectors.rows) == {"words"}


def test_what_was_done_before_a_crash_is_kept(run: Run) -> None:
    encoder = Counting()
    encoder.breaks_at = "seven"
    texts = ["a", "bb", "ccc", "dddd", "eeeee", "ffffff", "seven"]
    with pytest.raises(RuntimeError):
        embed(run, encoder, texts)
    after = Counting()
    assert embed(run, after, texts).computed == 1
    assert after.asked == ["seven"]


def test_progress_adds_up(run: Run) -> None:
    done: list[int] = []
    embed(run, Counting(), [str(number) for number in range(10)], advance=done.append)
    embed(run, Counting(), [str(number) for number in range(5, 12)], advance=done.append)
    assert sum(done) == 10 + 7


def test_pictures_that_are_gone_are_missing(run: Run) -> None:
    image = Image.new("RGB", (8, 8), "red")
    digest = image_digest(image)
    run.put_image(image, digest)
    vectors = embed(run, get_encoder("pixels"), [digest, "0" * 64])
    assert set(vectors.rows) == {digest}
    assert vectors.missing == {"0" * 64}


def test_nothing_to_embed(run: Run) -> None:
    vectors = embed(run, Counting(), [])
    assert vectors.of([None, None]).shape[0] == 2
    assert np.isnan(vectors.of([None])).all()


def test_an_encoder_that_breaks_its_promise_is_found_out(run: Run) -> None:
    class Wrong(Counting):
        def encode(self, contents: Sequence[str]) -> np.ndarray:
            return np.zeros((len(contents), 2))

    with pytest.raises(TypeError, match="float64"):
        embed(run, Wrong(), ["one"])


def test_many_more_contents_than_a_query_takes(run: Run) -> None:
    texts = [f"text {number}" for number in range(2500)]
    assert embed(run, get_encoder("lexical"), texts).computed == 2500
    assert embed(run, get_encoder("lexical"), texts).computed == 0


def test_vectors_in_place_are_those_by_content(run: Run) -> None:
    contents = ["one", None, "", "three", "one", "a long long text", None, "three"]
    placed = embed_in_place(run, Counting(), contents)
    vectors = embed(run, Counting(), [text for text in contents if text is not None])
    np.testing.assert_array_equal(placed.matrix, vectors.of(contents))
    assert (placed.missing, placed.cut, placed.computed) == (vectors.missing, vectors.cut, 3)
    assert vectors.computed == 0
