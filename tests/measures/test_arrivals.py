"""Motifs are come to: what prompts were from the start is not the loop's doing."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from planted import attractors, unit

from driftloop.measures import find_motifs
from driftloop.measures._arrivals import closeness_made


def groups(
    seed: int, k: int, target: str, noise: float = 0.3, prompts: int = 24, rounds: int = 30
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Groups of near-duplicate prompts that stay, or go to common places, or to one each."""
    rng = np.random.default_rng(seed)
    group = np.arange(prompts) % k
    start = unit(unit(rng.normal(size=(k, 48)))[group] + 0.03 * rng.normal(size=(prompts, 48)))
    places = attractors(k, 48, 0.3, rng)
    goal = {
        "stay": start,
        "own": places[group],
        "two": places[group // 2],
        "one": places[0 * group],
    }
    z, end = (np.repeat(part, 2, axis=0) for part in (start, goal[target]))
    begin, states = z, []
    for _ in range(rounds):
        z = z + 0.4 * (end - z)
        states.append(unit(z + noise / 48**0.5 * rng.normal(size=z.shape)))
    return np.stack(states, axis=1), np.repeat(np.arange(prompts), 2), begin


@pytest.mark.parametrize(("target", "noise"), [("stay", 0.0), ("stay", 0.3), ("own", 0.3)])
def test_near_duplicates_that_stay_or_move_together_make_no_motif(
    target: str, noise: float
) -> None:
    x, prompts, start = groups(0, 4, target, noise)
    found = find_motifs(x, prompts, start=start)
    assert not found.claimed
    assert found.number.value == 0
    assert found.k.value == 4
    assert found.stayed_in
    assert all(np.isnan(motif.came.value) or motif.came.value < 0.1 for motif in found.motifs)


def test_near_duplicates_that_go_where_others_go_do() -> None:
    x, prompts, start = groups(1, 8, "two")
    found = find_motifs(x, prompts, start=start)
    assert found.claimed
    assert found.number.value == 4
    # Of five others in a place three began far away: 3 / 5.
    assert all(0.4 < motif.came.value < 0.75 for motif in found.motifs)


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_all_in_one_place_is_one_motif(noise: float) -> None:
    x, prompts, start = groups(2, 24, "one", noise)
    found = find_motifs(x, prompts, start=start)
    assert found.claimed
    assert found.number[:3] == (1, 1, 1)
    assert found.motifs[0].reach == 24
    # Where all prompts are near-duplicates, nothing came together.
    x, prompts, start = groups(2, 1, "stay", noise)
    assert not find_motifs(x, prompts, start=start).claimed


def test_places_that_nobody_came_to_are_not_counted() -> None:
    rng = np.random.default_rng(3)
    homes, places = unit(rng.normal(size=(2, 48))), attractors(3, 48, 0.2, rng)
    start = unit(rng.normal(size=(24, 48)))
    start[:10] = unit(homes[np.arange(10) % 2] + 0.03 * rng.normal(size=(10, 48)))
    end = np.concatenate([start[:10], places[np.arange(14) % 3]])
    x = unit(np.repeat(end, 2, axis=0)[:, None] + 0.03 * rng.normal(size=(48, 30, 48)))
    found = find_motifs(x, np.repeat(np.arange(24), 2), start=np.repeat(start, 2, axis=0))
    assert found.claimed
    assert (found.k.value, found.number.value) == (5, 3)
    assert sum(not motif.come_to for motif in found.motifs) == 2


def slow(x: np.ndarray, first: np.ndarray, inside: np.ndarray, prompts: list[int]) -> float:
    """By loops over pairs of trajectories and rounds."""
    time = inside.mean(axis=1)
    end = before = weight = apart = pairs = 0.0
    for a, b in product(range(len(x)), repeat=2):
        if prompts[a] == prompts[b]:
            continue
        share = 1 / (prompts.count(prompts[a]) * prompts.count(prompts[b]))
        apart += share * (1 - first[a] @ first[b])
        pairs += share
        before += share * time[a] * time[b] * (1 - first[a] @ first[b])
        weight += share * time[a] * time[b]
        for s, t in product(range(x.shape[1]), repeat=2):
            if inside[a, s] and inside[b, t]:
                end += share * (1 - x[a, s] @ x[b, t]) / x.shape[1] ** 2
    end, before, apart = end / weight, before / weight, apart / pairs
    return (before - end) / (apart - end)


def test_closeness_made_agrees_with_a_loop_over_pairs() -> None:
    rng = np.random.default_rng(4)
    x, first = unit(rng.normal(size=(7, 5, 4)) + 1.0), unit(rng.normal(size=(7, 4)))
    inside, prompts = rng.random((7, 5)) < 0.6, [0, 0, 1, 1, 1, 2, 3]
    found = closeness_made(x, first, inside, prompts)
    assert found.value == pytest.approx(slow(x, first, inside, prompts))
    assert found.low <= found.value <= found.high
    # A prompt alone in a place has nobody to have come together with.
    assert np.isnan(closeness_made(x, first, inside & (np.arange(7) == 5)[:, None], prompts).value)
