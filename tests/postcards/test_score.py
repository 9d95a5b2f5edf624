"""What is compared, and what a comparison leaves out."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftloop.postcards import LOOKS, SETTINGS, Look, Score, caption, parse, sample_scene, score


@given(st.integers(0, 2**32), st.integers(4, 60), st.sampled_from(LOOKS))
def test_a_truthful_caption_has_no_miss(seed: int, words: int, look: Look) -> None:
    rng = random.Random(seed)
    scene = sample_scene(rng)
    figures = score(parse(caption(scene, words, rng, look=look)), scene)
    found = figures.pop("objects found")
    assert found.trials == len(scene.objects)
    assert found.hits >= 1
    for name, (hits, trials) in figures.items():
        assert hits == trials, name


@given(st.integers(0, 2**32), st.integers(4, 60))
def test_a_caption_agrees_with_itself(seed: int, words: int) -> None:
    rng = random.Random(seed)
    said = parse(caption(sample_scene(rng), words, rng))
    assert all(hits == trials for hits, trials in score(said, said).values())


def test_every_kind_of_error_counts_where_it_belongs() -> None:
    right = parse(
        "A small blue cat on the left and a dog in a meadow in autumn at night, in sepia."
    )
    wrong = parse("Two cats on the right and a pig on a beach in spring by day in ink outlines.")
    figures = score(wrong, right)
    assert figures["objects found"] == Score(1, 2)
    assert figures["objects right"] == Score(1, 2)
    assert figures["counts right"] == Score(0, 1)
    assert figures["places right"] == Score(0, 1)
    assert figures["sizes right"] == Score(0, 0)
    assert figures["weather right"] == Score(0, 0)
    for role in SETTINGS:
        if role != "weather":
            assert figures[f"{role} right"] == Score(0, 1), role


def test_relations_are_checked_against_the_scene() -> None:
    rng = random.Random(0)
    while True:
        scene = sample_scene(rng)
        text = caption(scene, 60, rng)
        if " to the left of " in text:
            break
    assert score(parse(text), scene)["relations right"] == Score(1, 1)
    turned = text.replace(" to the left of ", " to the right of ")
    assert score(parse(turned), scene)["relations right"] == Score(0, 1)


def test_nothing_said_is_no_share() -> None:
    silent = score(parse(""), parse(""))
    assert silent["objects right"].share != silent["objects right"].share


@pytest.mark.parametrize("tint", ["red", "crimson", "scarlet"])
def test_a_tint_by_nature_is_none(tint: str) -> None:
    assert parse(f"A {tint} apple.").objects[0].tint == "natural"
    assert parse(f"A {tint} cow.").objects[0].tint == "red"
    assert parse("An apple.").objects[0].tint is None
