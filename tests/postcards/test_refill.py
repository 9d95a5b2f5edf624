"""What is refilled is what scenes hold in which the told things are."""

import random
from collections import Counter
from itertools import permutations

import numpy as np
import pytest

from driftloop.postcards import SETTINGS, WORLD, Scene, parse, prior, refill, sample_scene
from driftloop.postcards.refill import _included


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    rng = random.Random(11)
    return [sample_scene(rng) for _ in range(40_000)]


@pytest.mark.parametrize(
    "text",
    ["A whale.", "A cat at night.", "An owl and a pine.", "A kite.", "A cat in snow.", "A bed."],
)
def test_it_agrees_with_the_scenes_that_hold_what_is_told(text: str, scenes: list[Scene]) -> None:
    said = parse(text)
    chosen = [
        scene
        for scene in scenes
        if set(said.names) <= {thing.name for thing in scene.objects}
        and all(getattr(said, role) in (None, getattr(scene, role)) for role in SETTINGS)
    ]
    assert len(chosen) > 40
    for role in SETTINGS:
        counts = Counter(getattr(scene, role) for scene in chosen)
        exact = refill(said, role)
        assert sum(exact.values()) == pytest.approx(1)
        for name, share in exact.items():
            error = 4.5 * (share * (1 - share) / len(chosen)) ** 0.5 + 1.5 / len(chosen)
            assert counts[name] / len(chosen) == pytest.approx(share, abs=error), (role, name)


def test_where_nothing_is_told_it_is_the_prior() -> None:
    for role in ("ground", "style"):
        assert refill(parse(""), role) == pytest.approx(prior(WORLD, role))


def test_a_tint_rules_out_a_style_without_colours() -> None:
    assert refill(parse("A blue cow."), "style")["sepia"] == 0
    assert refill(parse("A cow."), "style")["sepia"] > 0.05


def test_what_cannot_be_is_an_error() -> None:
    with pytest.raises(ValueError, match="no scene"):
        refill(parse("A kite in a kitchen."), "time")


@pytest.mark.parametrize("draws", [1, 2, 3])
@pytest.mark.parametrize("wanted", [[2], [0, 3], [1, 2, 4]])
def test_inclusion_is_the_sum_over_all_draws(draws: int, wanted: list[int]) -> None:
    weights = np.array([0.4, 0.1, 0.2, 0.05, 0.25])
    total = 0.0
    for order in permutations(range(5), draws):
        share, left = 1.0, 1.0
        for at in order:
            share, left = share * weights[at] / left, left - weights[at]
        total += share * (set(wanted) <= set(order))
    assert _included(weights, wanted, draws) == pytest.approx(total)
