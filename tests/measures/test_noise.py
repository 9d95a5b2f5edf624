"""The noise floor: noise is counted, movement and alternation are not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import cycle, shuffled, still, unit, wander, world

from driftloop.measures import lag_distances, noise_floor, separation


def test_it_is_what_independent_looks_are_apart() -> None:
    x, _ = still(0, noise=0.5, prompts=60, rounds=40)
    assert noise_floor(x) == pytest.approx(lag_distances(x, 1).mean(), rel=0.02)


def test_slow_movement_is_taken_out() -> None:
    rng = np.random.default_rng(4)
    steps = 0.1 * rng.normal(size=(200, 60, 40))
    walk = np.cumsum(steps, axis=1) + rng.normal(size=(200, 1, 40))
    moving = unit(unit(walk) + 0.02 * rng.normal(size=walk.shape))
    standing = unit(unit(walk[:, :1]) + 0.02 * rng.normal(size=walk.shape))
    assert noise_floor(moving) == pytest.approx(noise_floor(standing), rel=0.05)
    assert lag_distances(moving, 1).mean() > 1.2 * noise_floor(moving)


@pytest.mark.parametrize("period", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("swing", [0.3, 1.5])
def test_alternation_is_no_noise(period: int, swing: float) -> None:
    exact, prompts = cycle(1, period=period, swing=swing)
    assert noise_floor(exact, prompts) == pytest.approx(0, abs=1e-6)
    noisy, _ = cycle(1, period=period, swing=swing, noise=0.5)
    apart = [lag_distances(noisy, 5 * period)[:, lag - 1].mean() for lag in range(1, 5 * period)]
    assert noise_floor(noisy) == pytest.approx(apart[period - 1], rel=0.06)
    assert noise_floor(noisy) < apart[0]
    assert separation(exact, prompts, resamples=0).late.period == period


def test_a_cycle_that_also_moves_is_extended_along_its_period() -> None:
    rng = np.random.default_rng(2)
    walk = np.cumsum(0.08 * rng.normal(size=(300, 60, 40)), axis=1) + 2 * rng.normal(
        size=(300, 1, 40)
    )
    places = rng.normal(size=(300, 3, 40))[:, np.arange(60) % 3]
    noise = 0.3 * rng.normal(size=walk.shape)
    moving, standing = unit(walk + places + noise), unit(walk[:, :1] + places + noise)
    assert noise_floor(moving) == pytest.approx(noise_floor(standing), rel=0.15)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    rounds=st.integers(4, 30),
    gone=st.sets(st.integers(0, 29), max_size=8),
    period=st.integers(1, 5),
    noise=st.sampled_from([0.0, 0.3, 3.0]),
)
def test_no_floor_exceeds_any_lag_or_makes_memory_more_than_one(
    seed: int, rounds: int, gone: set[int], period: int, noise: float
) -> None:
    x, prompts = cycle(seed, period=period, noise=noise, rounds=rounds, prompts=8, d=8)
    x[:, sorted(gone & set(range(rounds)))] = np.nan
    floor = noise_floor(x, prompts)
    late = x[:, rounds - max(3, round(rounds / 2)) :]
    means = [
        np.mean([lag_distances(late, 6)[prompts == p, lag].mean() for p in range(8)])
        for lag in range(2)
    ]
    assert np.isnan(floor) or floor <= np.nanmin(means) + 1e-9
    found = separation(x, prompts, resamples=20)
    assert not (found.memory.mean > 1).any()
    assert not found.late.memory.value > 1


def test_the_least_is_taken_of_means_not_of_single_trajectories() -> None:
    # Whatever is shuffled is noise: the floor is what strangers are apart.
    x, prompts = wander(3)
    x = shuffled(3, x)
    floor, strangers = noise_floor(x, prompts), separation(x, prompts, resamples=0).late.strangers
    assert floor == pytest.approx(strangers.value, rel=0.05)
    each = lag_distances(x, 12, first=30).min(axis=1).mean()
    assert each < 0.97 * floor


def test_the_step_is_what_was_recorded() -> None:
    # Every tenth round alone: two looks at one place are ten rounds apart.
    x, prompts = still(0, noise=0.5, rounds=100, prompts=40)
    few = np.full_like(x, np.nan)
    few[:, 9::10] = x[:, 9::10]
    assert noise_floor(few, prompts) == pytest.approx(noise_floor(x, prompts), rel=0.05)


def test_too_few_rounds_have_no_floor() -> None:
    x, _ = world(0, rounds=2)
    assert np.isnan(noise_floor(x))
    assert np.isnan(noise_floor(np.empty((0, 4, 3))))


@pytest.mark.parametrize("stride", [1, 3])
def test_many_lags_together_are_those_one_by_one(
    stride: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 240, 5)).cumsum(axis=1)
    x /= np.linalg.norm(x, axis=2, keepdims=True)
    x[rng.random((3, 240)) < 0.2] = np.nan
    x[2, 4:] = np.nan
    together = lag_distances(x, 70, stride=stride)
    monkeypatch.setattr("driftloop.measures._noise.MANY", 70)
    np.testing.assert_allclose(together, lag_distances(x, 70, stride=stride), atol=1e-12)
