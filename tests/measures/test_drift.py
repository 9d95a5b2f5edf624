"""Drift: against plain loops, and what must hold on any sphere."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cosine

from driftloop.measures import cosine_distance, distance_from, distance_per_step, strangers_from


def states(seed: int, trajectories: int = 6, rounds: int = 4, d: int = 5) -> np.ndarray:
    x = np.random.default_rng(seed).normal(size=(trajectories, rounds, d))
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_distances_agree_with_scipy(seed: int) -> None:
    x = states(seed)
    per_start, per_step = distance_from(x, x[:, 0]), distance_per_step(x)
    for i in range(len(x)):
        for t in range(x.shape[1]):
            assert per_start[i, t] == pytest.approx(cosine(x[i, t], x[i, 0]), abs=1e-9)
        for t in range(1, x.shape[1]):
            assert per_step[i, t - 1] == pytest.approx(cosine(x[i, t], x[i, t - 1]), abs=1e-9)


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_it_is_half_the_squared_distance_and_turns_with_the_space(seed: int) -> None:
    x = states(seed)
    halves = ((x - x[:, :1]) ** 2).sum(axis=-1) / 2
    np.testing.assert_allclose(distance_from(x, x[:, 0]), halves, atol=1e-12)
    turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(5, 5)))
    np.testing.assert_allclose(distance_per_step(x @ turn), distance_per_step(x), atol=1e-12)


def test_float32_gives_no_negative_distances() -> None:
    x = states(1, 200, 2, 384).astype(np.float32)
    assert (cosine_distance(x, x) >= 0).all()
    assert cosine_distance(x, x).max() < 1e-6


def test_missing_states_stay_missing() -> None:
    x = states(2)
    x[1, 2] = np.nan
    x[3, 0] = np.nan
    far = distance_from(x, x[:, 0])
    assert np.isnan(far[1]).tolist() == [False, False, True, False]
    assert np.isnan(far[3]).all()
    assert np.isnan(distance_per_step(x)[1]).tolist() == [False, True, True]


def slow_strangers(x: np.ndarray, baseline: np.ndarray, prompts: list[int], t: int) -> float:
    """Mean over pairs of prompts of the mean over pairs of their trajectories."""
    pairs = []
    for p in set(prompts):
        for q in set(prompts) - {p}:
            mine = [i for i, label in enumerate(prompts) if label == p]
            theirs = [j for j, label in enumerate(prompts) if label == q]
            found = [cosine(x[i, t], baseline[j]) for i in mine for j in theirs]
            pairs.append(sum(found) / len(found))
    return sum(pairs) / len(pairs)


@pytest.mark.parametrize("d", [2, 40])
def test_strangers_agree_with_a_loop_over_pairs(d: int) -> None:
    x = states(3, 9, 3, d)
    prompts = [0, 0, 1, 1, 1, 2, 3, 3, 4]
    result = strangers_from(x, x[:, 0], prompts, resamples=50)
    for t in range(3):
        assert result.mean[t] == pytest.approx(slow_strangers(x, x[:, 0], prompts, t))
        assert result.low[t] <= result.mean[t] <= result.high[t]


def test_both_ways_of_summing_agree() -> None:
    x = states(4, 12, 2, 12)
    padded = np.concatenate([x, np.zeros((12, 2, 1))], axis=-1)
    one = strangers_from(x, x[:, 0], range(12), resamples=100)
    other = strangers_from(padded, padded[:, 0], range(12), resamples=100)
    np.testing.assert_allclose(one[:3], other[:3])


def test_strangers_of_prompts_that_are_gone_are_left_out() -> None:
    x = states(5, 4, 2)
    x[2:, 1] = np.nan
    result = strangers_from(x, x[:, 0], [0, 1, 2, 3], resamples=20)
    assert result.prompts.tolist() == [4, 2]
    kept = slow_strangers(x[:2], x[:2, 0], [0, 1], 1)
    assert result.mean[1] == pytest.approx(kept)


def test_one_prompt_has_no_strangers() -> None:
    x = states(6, 3, 2)
    assert np.isnan(strangers_from(x, x[:, 0], ["a", "a", "a"]).mean).all()


def test_forgetting_is_where_own_and_others_meet() -> None:
    rng = np.random.default_rng(7)
    start = rng.normal(size=(40, 1, 30))
    x = np.concatenate(
        [start, start + 0.1 * rng.normal(size=start.shape), rng.normal(size=start.shape)], 1
    )
    x /= np.linalg.norm(x, axis=-1, keepdims=True)
    own = distance_from(x, x[:, 0]).mean(axis=0)
    others = strangers_from(x, x[:, 0], range(40))
    assert own[1] < 0.1 < 0.9 < others.low[1]
    assert others.low[2] - 0.1 < own[2] < others.high[2] + 0.1


def test_states_must_have_three_axes() -> None:
    with pytest.raises(ValueError, match="trajectories, rounds, d"):
        distance_per_step(np.zeros((2, 3)))
