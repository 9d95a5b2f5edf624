"""Pivots answer as the interval's ends would, of several columns the best that holds for all."""

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from driftloop.measures import holm
from driftloop.measures._interval import pivot, prompt_weights, studentized


def bootstrap(x: np.ndarray, resamples: int = 400) -> tuple[np.ndarray, ...]:
    """Means of the columns and their errors, as they are and in every resample."""
    weights = np.concatenate([np.ones((1, len(x))), *prompt_weights(len(x), resamples, 1)])
    means = weights @ x / len(x)
    errors = np.sqrt(np.maximum(weights @ x**2 / len(x) - means**2, 0) / (len(x) - 1))
    return means[0], errors[0], means[1:], errors[1:]


def test_at_the_ends_of_the_interval_p_is_half_of_what_it_leaves_out() -> None:
    parts = bootstrap(np.random.default_rng(0).exponential(size=(24, 1)))
    (low,), (high,) = studentized(*parts, np.array([24]))
    asked = pivot(*parts, 24)
    assert asked.above(low) == pytest.approx(0.025)
    assert asked.below(high) == pytest.approx(0.025)
    same = pivot(*(np.repeat(part, 3, axis=-1) for part in parts), 24)
    assert same.below(high) == pytest.approx(0.025)
    # As many resamples as there are cannot say less.
    assert asked.above(low - 100) == asked.below(high + 100) == 1 / 401


def test_the_best_of_nested_windows_is_wrong_no_more_often_than_it_says() -> None:
    rng = np.random.default_rng(1)
    runs, wrong, lower = 400, 0, 0
    for _ in range(runs):
        steps = rng.normal(size=(24, 60)).cumsum(axis=1)
        x = steps - 0.8 * np.roll(steps, 4, axis=1)
        windows = np.stack([x[:, 30:].mean(axis=1), x[:, 8:].mean(axis=1)], axis=1)
        wrong += pivot(*bootstrap(windows, 200), 24).below(0) < 0.05
        asked = pivot(*bootstrap(windows - 0.5, 200), 24).below(0)
        lower += asked < pivot(*bootstrap(windows[:, :1] - 0.5, 200), 24).below(0)
    # 5 %, and four standard errors; the joint test is the sharper one more often than not.
    assert wrong / runs < 0.05 + 4 * (0.05 * 0.95 / runs) ** 0.5
    assert lower / runs > 0.5


def test_few_prompts_have_students_test() -> None:
    x = np.random.default_rng(2).normal(size=(4, 2))
    asked = pivot(*bootstrap(x), 4)
    for side, alternative in ((asked.above, "greater"), (asked.below, "less")):
        expected = ttest_1samp(x[:, 0], 0.3, alternative=alternative).pvalue
        assert side(0.3) == pytest.approx(expected)
    assert np.isnan(pivot(*bootstrap(x), 1).above(0.3))


def test_prompts_that_all_agree_are_sure() -> None:
    asked = pivot(*bootstrap(np.ones((24, 1))), 24)
    assert asked.above(0.5) == 0.0
    assert asked.below(0.5) == 1.0
    assert np.isnan(asked.below(1.0))


def test_holm_claims_what_its_steps_would() -> None:
    p = np.random.default_rng(3).beta(0.3, 3, size=40)
    p[::7] = np.nan
    claimed = np.zeros(40, dtype=bool)
    for left, place in enumerate(np.argsort(p)):
        if not p[place] <= 0.05 / (40 - left):
            break
        claimed[place] = True
    assert 0 < claimed.sum() < 34
    assert ((holm(p) <= 0.05) == claimed).all()
