"""Means over prompts: against loops, in shape, and with intervals that cover the truth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from driftloop.measures import curve, share

finite = st.floats(-5, 5)


@st.composite
def tables(draw: st.DrawFn) -> tuple[np.ndarray, list[str]]:
    trajectories, rounds = draw(st.integers(1, 12)), draw(st.integers(1, 5))
    values = draw(arrays(float, (trajectories, rounds), elements=finite | st.just(float("nan"))))
    prompts = draw(st.lists(st.sampled_from("abcd"), min_size=trajectories, max_size=trajectories))
    return values, prompts


def slow_mean(column: np.ndarray, prompts: list[str]) -> float:
    per_prompt = []
    for prompt in sorted(set(prompts)):
        values = [v for v, p in zip(column, prompts, strict=True) if p == prompt and v == v]
        if values:
            per_prompt.append(sum(values) / len(values))
    return sum(per_prompt) / len(per_prompt) if per_prompt else float("nan")


@given(tables())
@settings(max_examples=60, deadline=None)
def test_mean_is_the_mean_over_prompts_of_means_over_twins(table: tuple) -> None:
    values, prompts = table
    result = curve(values, prompts, resamples=20)
    expected = [slow_mean(column, prompts) for column in values.T]
    np.testing.assert_allclose(result.mean, expected, atol=1e-12)


@given(tables())
@settings(max_examples=60, deadline=None)
def test_intervals_hold_their_mean_and_keep_to_their_bounds(table: tuple) -> None:
    values, prompts = table
    result = curve(values, prompts, resamples=50, bounds=(-5.0, 5.0))
    for t, column in enumerate(values.T):
        seen = column[~np.isnan(column)]
        assert result.trajectories[t] == len(seen)
        if not len(seen):
            assert np.isnan(result.mean[t])
            continue
        assert min(seen) <= result.q25[t] <= result.median[t] <= result.q75[t] <= max(seen)
        assert min(seen) - 1e-9 <= result.mean[t] <= max(seen) + 1e-9
        if result.prompts[t] >= 2:
            assert -5 <= result.low[t] <= result.mean[t] + 1e-9
            assert result.mean[t] - 1e-9 <= result.high[t] <= 5
        else:
            assert np.isnan(result.low[t])


def test_order_of_trajectories_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    values, prompts = rng.random((20, 3)), np.repeat(np.arange(5), 4)
    shuffled = rng.permutation(20)
    one, other = curve(values, prompts), curve(values[shuffled], prompts[shuffled])
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b)


def test_copies_of_trajectories_do_not_narrow_the_interval() -> None:
    values, prompts = np.random.default_rng(1).random((12, 1)), np.arange(12)
    once = curve(values, prompts)
    ten_twins = curve(np.repeat(values, 10, axis=0), np.repeat(prompts, 10))
    assert ten_twins.low == pytest.approx(once.low)
    assert ten_twins.high == pytest.approx(once.high)


def test_arms_with_the_same_prompts_share_their_resamples() -> None:
    values, prompts = np.random.default_rng(2).random((10, 1)), list("abcdefghij")
    one, other = curve(values, prompts), curve(values + 1, prompts)
    assert other.low - one.low == pytest.approx(1)
    assert other.high - one.high == pytest.approx(1)


@pytest.mark.parametrize("prompts", [4, 8, 24])
@pytest.mark.parametrize("shape", ["normal", "skewed"])
def test_intervals_cover_the_true_mean(prompts: int, shape: str) -> None:
    # All simulations are columns of one table; twins of a prompt are correlated.
    rng = np.random.default_rng(3)
    size = (prompts, 2000)
    of_prompt = rng.normal(size=size) if shape == "normal" else rng.exponential(size=size) - 1
    values = np.repeat(of_prompt, 2, axis=0) + 0.3 * rng.normal(size=(prompts * 2, 2000))
    result = curve(values, np.repeat(np.arange(prompts), 2), resamples=800)
    coverage = np.mean((result.low <= 0) & (result.high >= 0))
    # Four prompts of a skewed kind cannot show how skewed they are.
    assert (0.86 if (prompts, shape) == (4, "skewed") else 0.925) < coverage < 0.975


def test_a_mean_far_from_zero_loses_no_precision() -> None:
    values = np.random.default_rng(4).normal(size=(12, 1))
    near, far = curve(values, range(12)), curve(values + 1e6, range(12))
    assert far.high - far.low == pytest.approx(near.high - near.low, rel=1e-6)


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match="trajectories, rounds"):
        curve(np.zeros(3), ["a", "b", "c"])
    with pytest.raises(ValueError, match="2 prompts"):
        curve(np.zeros((3, 1)), ["a", "b"])


def test_no_trajectories_at_all() -> None:
    result = curve(np.empty((0, 2)), [])
    assert np.isnan(result.mean).all()
    assert result.prompts.tolist() == [0, 0]


def test_a_share_that_never_varies_still_has_an_open_end() -> None:
    assert share([True] * 10, range(10))[:3] == (1.0, pytest.approx(0.7), 1.0)
    assert share([False, False], ["a", "a"])[:3] == (0.0, 0.0, 1.0)
    some = share([True, False] * 12, np.repeat(np.arange(12), 2))
    assert some.value == 0.5
