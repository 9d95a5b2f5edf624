"""Intervals by resampling prompts.

Trajectories of one prompt are not independent, and rounds of one trajectory still less: only
prompts were drawn, so prompts are what is resampled. Two calls with the same number of prompts,
number of resamples and seed draw the same resamples, which is what makes two arms comparable.

An interval is studentised ("bootstrap-t"): each resample is measured in units of its own standard
error, so that the skew of a few dozen prompts shows in the ends. docs/measures.md has the coverage
that chose it over percentiles, BCa and Student's t.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.floating[Any]]
Ints: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]

RESAMPLES = 1000
LEVEL = 0.95
ONE_SIDED = 2 * LEVEL - 1
"""Level of the interval whose ends are one-sided 95 % bounds."""
BLOCK = 4_000_000
"""Weights held at once while resampling; bounds the memory that many prompts take."""
FEWEST = 6
"""Prompts below which a resample's own error says too little; Student's t is taken there."""
MOST_LOST = 0.1
"""Resamples that may be without an error of their own (all of one prompt) before the same."""
TINY = 1e-7
"""Errors below this, of quantities of order 1, are rounding."""


def prompt_weights(prompts: int, resamples: int, seed: int) -> Iterator[Floats]:
    """How often each prompt is drawn in each resample, in blocks of ``(some, prompts)``."""
    rng = np.random.default_rng(seed)
    block = max(1, BLOCK // max(prompts, 1))
    for first in range(0, resamples if prompts else 0, block):
        size = min(block, resamples - first)
        yield rng.multinomial(prompts, np.full(prompts, 1 / prompts), size=size).astype(float)


def student(count: int | float, level: float = LEVEL) -> float:
    """The quantile of Student's t that a symmetric interval over so many prompts takes."""
    from scipy.special import stdtrit

    return float(stdtrit(count - 1, (1 + level) / 2))


def studentized(
    estimate: Floats,
    error: Floats,
    drawn: Floats,
    errors: Floats,
    counts: npt.NDArray[Any],
    level: float = LEVEL,
) -> tuple[Floats, Floats]:
    r"""Ends of the studentised bootstrap interval (Efron and Tibshirani 1993, section 12.5).

    With :math:`t^* = (\hat\theta^* - \hat\theta) / se^*` of every resample the interval is
    :math:`[\hat\theta - t^*_{.975} se, \hat\theta - t^*_{.025} se]`.

    Args:
        estimate: ``(columns,)``.
        error: ``(columns,)`` its standard error.
        drawn: ``(resamples, columns)`` the estimate in every resample.
        errors: ``(resamples, columns)`` its standard error there.
        counts: ``(columns,)`` prompts behind each column.
        level: Of the interval; its ends are one-sided bounds of level ``(1 + level) / 2`` each.

    Returns:
        Lower and upper ends, ``(columns,)``; NaN with fewer than two prompts, Student's t where
        there are fewer than six or too many resamples have no spread.
    """
    low, high = np.full((2, len(estimate)), np.nan)
    for column, count in enumerate(counts):
        if count < 2 or not np.isfinite(estimate[column]) or not np.isfinite(error[column]):
            continue
        below = above = student(float(count), level)
        fine = (errors[:, column] > TINY) & np.isfinite(drawn[:, column])
        if count >= FEWEST and fine.sum() > (1 - MOST_LOST) * len(fine):
            ratios = (drawn[fine, column] - estimate[column]) / errors[fine, column]
            tail = (1 - level) / 2
            upper, lower = np.quantile(ratios, [1 - tail, tail])
            below, above = float(upper), -float(lower)
        low[column] = estimate[column] - below * error[column]
        high[column] = estimate[column] + above * error[column]
    return low, high


def least_upper_bound(
    estimate: Floats, error: Floats, drawn: Floats, errors: Floats, count: int
) -> float:
    r"""The lowest of one-sided 95 % upper bounds that hold for all columns together.

    Each is :math:`\hat\theta_c - q\, se_c` with *q* the 5 % quantile over resamples of the smallest
    of the columns' :math:`t^*` (the single-step maximum-t; Romano and Wolf, *Econometrica* 73,
    2005), so that whoever picks the lowest is not wrong more often. Where a quantity is at most
    every column's it bounds that.

    Args:
        estimate: ``(columns,)``, the most trusted first.
        error: ``(columns,)``.
        drawn: ``(resamples, columns)``.
        errors: ``(resamples, columns)``.
        count: Prompts.

    Returns:
        NaN where the first column has no bound of its own; that bound where the resamples are not
        good enough for a joint one.
    """
    counts = np.full(len(estimate), count)
    _, (alone, *_) = studentized(estimate, error, drawn, errors, counts, ONE_SIDED)
    fine: Bools = np.asarray(((errors > TINY) & np.isfinite(drawn)).all(axis=1))
    enough = count >= FEWEST and fine.sum() > (1 - MOST_LOST) * len(fine)
    if not enough or not np.isfinite(estimate + error).all():
        return float(alone)
    smallest = ((drawn[fine] - estimate) / errors[fine]).min(axis=1)
    return float((estimate - np.quantile(smallest, 1 - LEVEL) * error).min())


def expanded_percentiles(drawn: Floats, prompts: npt.NDArray[Any]) -> tuple[Floats, Floats]:
    """Ends of the expanded percentile interval (Hesterberg 2015, section 5.2).

    Args:
        drawn: ``(resamples, columns)``.
        prompts: ``(columns,)`` prompts behind each column.
    """
    from scipy.special import ndtr

    low, high = np.full((2, drawn.shape[1]), np.nan)
    for count in np.unique(prompts):
        columns = (prompts == count) & np.isfinite(drawn).any(axis=0)
        if count < 2 or not columns.any():
            continue
        tail = float(ndtr(-student(float(count)) * (count / (count - 1)) ** 0.5))
        low[columns], high[columns] = np.nanquantile(drawn[:, columns], [tail, 1 - tail], axis=0)
    return low, high


def corrected_jackknife_error(
    value: float, left_out: Floats, pairs: Ints, pair_left_out: Floats
) -> float:
    r"""Standard error from leaving out each unit, and pairs of them, in turn.

    The jackknife's variance counts what units do together twice (Efron and Stein, *Annals of
    Statistics* 9, 1981), and of a statistic that has nothing else, such as how evenly prompts fall
    into equal motifs, it is the double. Their correction takes it out once:

    .. math:: V = V_{jack} - \frac{1}{n (n-1)} \sum_{i<j} (Q_{ij} - \bar Q)^2, \quad
              Q_{ij} = n S - (n-1)(S_{(i)} + S_{(j)}) + (n-2) S_{(ij)}

    Here the sum is estimated from some of the pairs, and no more than half is taken out.

    Args:
        value: :math:`S`.
        left_out: ``(n,)`` :math:`S_{(i)}`.
        pairs: ``(m, 2)`` which pairs, every unit in equally many.
        pair_left_out: ``(m,)`` :math:`S_{(ij)}`.

    >>> x = np.array([1.0, 2.0, 4.0, 9.0])  # of a mean it is the usual error
    >>> pairs = np.array([(0, 1), (1, 2), (2, 3), (3, 0)])
    >>> alone = (x.sum() - x) / 3
    >>> error = corrected_jackknife_error(4.0, alone, pairs, (16 - x[pairs].sum(axis=1)) / 2)
    >>> bool(np.isclose(error, x.std(ddof=1) / 2))
    True
    """
    n = len(left_out)
    plain = (n - 1) / n * ((left_out - left_out.mean()) ** 2).sum()
    together = n * value - (n - 1) * left_out[pairs].sum(axis=1) + (n - 2) * pair_left_out
    return float(np.sqrt(max(plain - together.var() / 2, plain / 2)))
