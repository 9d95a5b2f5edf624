"""Prompts that are far from each other: the search is right, repeats, and says how far."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from driftloop.cli import app
from driftloop.errors import StudyError
from driftloop.prompts import load_prompts, maximin, measure, write_candidates
from driftloop.runners import search_prompts


def unit(n: int, d: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(n, d))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def smallest(vectors: np.ndarray, chosen: tuple[int, ...]) -> float:
    """Written out, pair by pair."""
    return min(1 - float(vectors[a] @ vectors[b]) for a, b in itertools.combinations(chosen, 2))


def test_it_finds_what_was_planted() -> None:
    far = np.eye(6)
    near = unit(200, 6, 1) * 0.05 + np.array([1, 1, 1, 1, 1, 1]) / 6**0.5
    near /= np.linalg.norm(near, axis=1, keepdims=True)
    vectors = np.concatenate([near[:100], far, near[100:]])
    found = maximin(vectors, 6, seed=0)
    assert found.chosen == (100, 101, 102, 103, 104, 105)
    assert found.smallest == pytest.approx(1.0)
    assert found.nearest == found.mean == pytest.approx(1.0)


@settings(max_examples=30, deadline=None)
@given(st.integers(4, 9), st.integers(2, 4), st.integers(0, 10_000))
def test_it_is_never_worse_than_half_of_the_best(n: int, count: int, seed: int) -> None:
    vectors = unit(n, 3, seed)
    best = max(smallest(vectors, c) for c in itertools.combinations(range(n), count))
    found = maximin(vectors, count, seed=seed)
    assert found.smallest == pytest.approx(smallest(vectors, found.chosen))
    assert len(set(found.chosen)) == count
    # Farthest-first is within a factor of 2 of the best in a metric; the cosine distance is half
    # the square of one, hence 4.
    assert best / 4 - 1e-12 <= found.smallest <= best + 1e-12


def test_it_is_better_than_chance_and_repeats() -> None:
    vectors = unit(400, 16, 3)
    found = maximin(vectors, 20, seed=5)
    assert found == maximin(vectors, 20, seed=5)
    dice = np.random.default_rng(0)
    by_chance = [measure(vectors, dice.choice(400, 20, replace=False)).smallest for _ in range(50)]
    assert found.smallest > max(by_chance)


@pytest.mark.parametrize("count", [1, 5])
def test_a_choice_that_cannot_be_made_is_told(count: int) -> None:
    with pytest.raises(ValueError, match=f"cannot choose {count} of 4"):
        maximin(unit(4, 3, 0), count)


def test_the_grammar_writes_different_short_sentences() -> None:
    texts = write_candidates(2000, words=12, seed=4)
    assert texts == write_candidates(2000, words=12, seed=4)
    assert texts[:5] != write_candidates(5, words=12, seed=5)
    assert len(set(texts)) == len(texts) == 2000
    assert all(len(text) >= 3 and len(text.split()) <= 12 for text in texts)
    assert all(text[0].isupper() or text[0].isdigit() for text in texts)
    assert not any("{" in text or "  " in text or ".." in text for text in texts)


def test_a_search_repeats_and_is_a_set_that_a_study_can_name(tmp_path: Path) -> None:
    found = search_prompts(12, encoder="lexical", pool=300, seed=2)
    assert found == search_prompts(12, encoder="lexical", pool=300, seed=2)
    assert found.found.smallest >= found.by_chance.smallest
    assert found.found.nearest > found.by_chance.nearest
    file = tmp_path / "far.toml"
    file.write_text(found.as_toml(), "utf-8")
    assert [prompt.text for prompt in load_prompts(str(file), Path())] == list(found.texts)
    assert f"smallest distance {found.found.smallest:.4f}" in file.read_text("utf-8")


def test_a_users_file_is_searched(tmp_path: Path) -> None:
    lines = [
        "a red house",
        "a red house with a door",
        'a "ship" at sea \\ night',
        "über die Brücke",
    ]
    lines += ["this one has far too many words to be a prompt of this search"]
    file = tmp_path / "mine.txt"
    file.write_text("\n".join([*lines, lines[0]]), "utf-8")
    found = search_prompts(3, words=6, encoder="lexical", candidates=str(file))
    assert set(found.texts) < set(lines[:4])
    assert not {"a red house", "a red house with a door"} <= set(found.texts)
    assert (found.candidates, found.left_out) == (4, 1)
    with pytest.raises(StudyError, match=r"mine\.txt: 4 candidates of at most 6 words, and 9"):
        search_prompts(9, words=6, encoder="lexical", candidates=str(file))
    with pytest.raises(StudyError, match="looks at pictures"):
        search_prompts(2, encoder="pixels")


def test_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "far.toml"
    arguments = ["prompts", "-n", "5", "--encoder", "lexical", "--pool", "50", "--out", str(file)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "by chance" in done.output
    assert len(load_prompts(str(file), Path())) == 5
