"""Bounds: of one column the interval's end, of several the best that holds for all."""

import numpy as np
import pytest

from driftloop.measures._interval import (
    ONE_SIDED,
    least_upper_bound,
    prompt_weights,
    studentized,
)


def bootstrap(x: np.ndarray, resamples: int = 400) -> tuple[np.ndarray, ...]:
    """Means of the columns and their errors, as they are and in every resample."""
    weights = np.concatenate([np.ones((1, len(x))), *prompt_weights(len(x), resamples, 1)])
    means = weights @ x / len(x)
    errors = np.sqrt(np.maximum(weights @ x**2 / len(x) - means**2, 0) / (len(x) - 1))
    return means[0], errors[0], means[1:], errors[1:]


def test_one_column_has_the_end_of_its_own_interval() -> None:
    parts = bootstrap(np.random.default_rng(0).exponential(size=(24, 1)))
    _, (high,) = studentized(*parts, np.array([24]), ONE_SIDED)
    assert least_upper_bound(*parts, 24) == pytest.approx(high)
    same = [np.repeat(part, 3, axis=-1) for part in parts]
    assert least_upper_bound(*same, 24) == pytest.approx(high)


def test_the_lowest_of_nested_windows_is_missed_no_more_often_than_it_says() -> None:
    rng = np.random.default_rng(1)
    runs, missed, lower = 400, 0, 0
    for _ in range(runs):
        steps = rng.normal(size=(24, 60)).cumsum(axis=1)
        x = steps - 0.8 * np.roll(steps, 4, axis=1)
        windows = np.stack([x[:, 30:].mean(axis=1), x[:, 8:].mean(axis=1)], axis=1)
        parts = bootstrap(windows, 200)
        bound = least_upper_bound(*parts, 24)
        _, (alone, _) = studentized(*parts, np.array([24, 24]), ONE_SIDED)
        missed += bound < 0
        lower += bound < alone
    # 5 %, and four standard errors; the joint bound is the sharper one more often than not.
    assert missed / runs < 0.05 + 4 * (0.05 * 0.95 / runs) ** 0.5
    assert lower / runs > 0.5


def test_few_prompts_have_students_bound() -> None:
    x = np.random.default_rng(2).normal(size=(4, 2))
    parts = bootstrap(x)
    expected = x[:, 0].mean() + 2.353 * x[:, 0].std(ddof=1) / 2
    assert least_upper_bound(*parts, 4) == pytest.approx(expected, rel=1e-3)
