"""Strangers, twins, memory, contraction: against loops over pairs, and on planted worlds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from planted import shuffled, still, unit, world

from driftloop.measures import noise_floor, separation, twin_distances, verdict
from driftloop.measures._influence import pair_distance, products, standard_error


def slow(x: np.ndarray, prompts: np.ndarray, t: int) -> tuple[float, float]:
    """Mean distance of strangers and of twins, pair by pair."""
    strangers, twins = [], []
    for p, q in itertools.combinations(sorted(set(prompts)), 2):
        pairs = [
            1 - x[i, t] @ x[j, t]
            for i in np.flatnonzero(prompts == p)
            for j in np.flatnonzero(prompts == q)
            if np.isfinite(x[i, t, 0]) and np.isfinite(x[j, t, 0])
        ]
        if pairs:
            strangers.append(np.mean(pairs))
    for p in sorted(set(prompts)):
        rows = [i for i in np.flatnonzero(prompts == p) if np.isfinite(x[i, t, 0])]
        pairs = [1 - x[i, t] @ x[j, t] for i, j in itertools.combinations(rows, 2)]
        if pairs:
            twins.append(np.mean(pairs))
    return float(np.mean(strangers)), float(np.mean(twins))


@pytest.fixture
def ragged() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    prompts = np.array([0, 0, 0, 1, 1, 2, 2, 2, 3, 4, 4])
    x = unit(rng.normal(size=(11, 7, 5)) + 2 * rng.normal(size=(5, 1, 5))[prompts])
    x[1, 3:] = np.nan
    x[4, 5] = np.nan
    return x, prompts


def test_it_agrees_with_loops_over_pairs(ragged: tuple[np.ndarray, np.ndarray]) -> None:
    x, prompts = ragged
    found = separation(x, prompts, resamples=20)
    noise = noise_floor(x, prompts)
    first = slow(x, prompts, 0)[0]
    for t in range(7):
        strangers, twins = slow(x, prompts, t)
        assert found.strangers.mean[t] == pytest.approx(strangers, abs=1e-6)
        assert found.twins.mean[t] == pytest.approx(twins, abs=1e-6)
        expected = (strangers - twins) / (strangers - noise)
        assert found.memory.mean[t] == pytest.approx(min(expected, 1.0), rel=1e-5)
        assert found.contraction.mean[t] == pytest.approx(1 - strangers / first, abs=1e-5)
    late = np.mean([slow(x, prompts, t) for t in range(3, 7)], axis=0)
    assert found.late.first == 3
    assert found.late.strangers.value == pytest.approx(late[0], abs=1e-6)
    expected = (late[0] - late[1]) / (late[0] - noise)
    assert found.late.memory.value == pytest.approx(min(expected, 1.0))
    assert found.twins.prompts.tolist() == [4, 4, 4, 4, 4, 3, 4]


def test_the_error_of_a_mean_over_pairs_is_the_jackknifes() -> None:
    x = unit(np.random.default_rng(1).normal(size=(9, 4)))
    pairs = np.triu_indices(9, 1)
    distances = 1 - x @ x.T
    left_out = []
    for gone in range(9):
        kept = (pairs[0] != gone) & (pairs[1] != gone)
        left_out.append(distances[pairs][kept].mean())
    jackknife = np.sqrt(8 / 9 * ((np.array(left_out) - np.mean(left_out)) ** 2).sum())
    found = pair_distance(np.ones((1, 9)), x)
    error = standard_error([np.ones(1)], products(np.ones((1, 9)), [found.influence]), 9)
    assert found.value[0] == pytest.approx(distances[pairs].mean())
    assert error[0] == pytest.approx(jackknife)
    assert found.influence.sum() == pytest.approx(0)


def test_resamples_leave_out_a_prompts_pairs_with_its_copies() -> None:
    x = unit(np.random.default_rng(2).normal(size=(4, 3)))
    weights = np.array([[2.0, 1.0, 0.0, 1.0]])
    rows = [0, 0, 1, 3]
    pairs = [1 - x[i] @ x[j] for i, j in itertools.combinations(rows, 2) if i != j]
    assert pair_distance(weights, x).value[0] == pytest.approx(np.mean(pairs))


def test_single_precision_is_enough() -> None:
    x = unit(np.random.default_rng(3).normal(size=(600, 1, 16))).astype(np.float32)
    few = pair_distance(np.ones((1, 600)), x[:, 0].astype(np.float64)).value[0]
    gram = x[:, 0].astype(np.float64) @ x[:, 0].astype(np.float64).T
    assert few == pytest.approx(1 - (gram.sum() - np.trace(gram)) / (600 * 599), abs=1e-6)


def test_twins_that_coincide_have_memory_one_and_strangers_none() -> None:
    x, prompts = still(1)
    late = separation(x, prompts).late
    assert 0.98 < late.memory.low <= late.memory.value <= late.memory.high == 1.0
    assert late.contraction.value == pytest.approx(0, abs=0.02)
    found = separation(shuffled(0, x), prompts).late
    assert found.separation.low < 0 < found.separation.high


def test_prompts_without_twins_have_strangers_and_no_memory() -> None:
    x, prompts = still(2, twins=1)
    found = separation(x, prompts, resamples=50)
    assert np.isfinite(found.strangers.low).all()
    assert np.isnan(found.twins.mean).all()
    assert np.isnan(found.late.memory.value)
    assert verdict(found.late).kind == "undecided"
    assert np.isnan(twin_distances(x, prompts)).all()


def test_one_prompt_or_none_gives_no_number() -> None:
    x, _ = still(3, prompts=1)
    assert np.isnan(separation(x, [0, 0]).late.strangers.value)
    empty = separation(np.empty((0, 4, 3)), [])
    assert np.isnan(empty.strangers.mean).all()


@pytest.mark.parametrize(
    ("kind", "make"),
    [
        ("collapses", lambda s: world(s, k=6)),
        ("collapses", lambda s: world(s, k=1)),
        ("contracts", lambda s: world(s, k=12, loyal=1.0)),
        ("wanders", lambda s: world(s, k=24, near=0.0, escape=0.3)),
        ("wanders", lambda s: (shuffled(s, still(s)[0]), still(s)[1])),
        ("remembers", still),
    ],
)
def test_planted_worlds_get_their_verdict(kind: str, make) -> None:  # type: ignore[no-untyped-def]
    found = [verdict(separation(*make(seed), resamples=300).late).kind for seed in range(3)]
    assert found.count(kind) >= 2
    assert set(found) <= {kind, "undecided"}


def test_a_collapse_into_few_places_that_are_hardly_left_is_seen_over_more_rounds() -> None:
    late, asked = [], []
    for seed in range(12):
        x, prompts = world(100 + seed, k=3, escape=0.05)
        late.append(separation(x[:, 30:], prompts, late=1.0, resamples=200).late)
        asked.append(separation(x, prompts, resamples=200).late)
    alone = [found.pivots.memory.below(1 / 3) for found in late]
    longer = [found.pivots.memory.below(1 / 3) for found in asked]
    assert np.median(longer) < np.median(alone)
    assert np.mean(np.array(longer) < 0.05) > 0.8


def test_a_verdicts_p_is_that_of_its_weaker_answer() -> None:
    late = separation(*world(0, k=6), resamples=200).late
    found = verdict(late)
    parts = late.pivots.contraction.above(0.1), late.pivots.memory.below(1 / 3)
    assert found.kind == "collapses"
    assert found.p == max(parts) < 0.05
    # A threshold that is nearer is harder to be sure of.
    assert verdict(late, falls=late.contraction.value - 0.02).p > found.p


def test_a_first_round_of_another_register_is_not_contraction() -> None:
    # Nothing moves after round 1, whose states were made from prompts that are far apart.
    x, prompts = still(4)
    x = unit(shuffled(4, x) + 2.0)
    x[:, 0] = unit(np.eye(x.shape[2], dtype=np.float32)[prompts] + 0.2 * x[:, 0])
    assert verdict(separation(x, prompts, resamples=300).late).kind == "collapses"
    own = separation(x, prompts, since=1, resamples=300)
    assert verdict(own.late).kind == "wanders"
    assert own.contraction.mean[0] < -1
    assert own.contraction.mean[1] == 0


@pytest.mark.parametrize(("rounds", "known"), [(1, False), (2, False), (3, False), (4, True)])
def test_contraction_is_not_measured_from_a_late_round(rounds: int, known: bool) -> None:
    x, prompts = still(5)
    late = separation(x[:, :rounds], prompts, since=1, resamples=50).late
    assert np.isfinite(late.strangers.value)
    assert np.isfinite(late.contraction.value) == known
    assert np.isfinite(late.contraction.low) == known
    assert known or verdict(late).kind == "undecided"


def test_captions_that_are_all_the_same_have_collapsed() -> None:
    x = np.tile(unit(np.ones(8, dtype=np.float32)), (12, 6, 1))
    found = verdict(separation(x, np.repeat(np.arange(6), 2)).late)
    assert found.kind == "collapses"
    assert np.isnan(found.memory.value)


def test_a_short_or_small_run_is_undecided() -> None:
    x, prompts = world(0, prompts=3, rounds=6)
    assert verdict(separation(x, prompts).late).kind == "undecided"


def test_intervals_cover_the_truth() -> None:
    # Prompts and noise are drawn anew; the truth is what very many prompts show.
    def draw(seed: int, prompts: int) -> tuple[np.ndarray, np.ndarray]:
        return world(seed, k=4, loyal=1.0, noise=0.6, rounds=8, d=12, prompts=prompts)

    truth = np.mean([
        (late.memory.value, late.contraction.value, late.strangers.value)
        for seed in range(8)
        for late in [separation(*draw(10_000 + seed, 2000), resamples=0).late]
    ], axis=0)  # fmt: skip
    hits = np.zeros(3)
    runs = 250
    for seed in range(runs):
        late = separation(*draw(seed, 24), resamples=300, seed=seed).late
        for i, part in enumerate((late.memory, late.contraction, late.strangers)):
            hits[i] += part.low <= truth[i] <= part.high
    # 4 standard errors below 95 %.
    assert (hits / runs > 0.895).all()
