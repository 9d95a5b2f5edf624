"""How long does meaning last? Similarity to generation 0, its mean and its rate of decay."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np

from ._bootstrap import Estimate, Labels, curve, group_means
from ._interval import Floats, expanded_percentiles, prompt_weights

FITS = 200
"""Resamples of a fitted curve: each is a search."""


class Decay(NamedTuple):
    """The curve :math:`s(g) = a e^{-b g} + c` of similarity over generations."""

    rate: Estimate
    """SDR, *b*: the larger, the faster."""
    drop: Estimate
    """*a*: how much is lost in the end."""
    floor: Estimate
    """*c*: what stays."""


def mean_cumulative_drift(similarity: Floats, prompts: Labels) -> Estimate:
    r"""MCD: mean similarity to generation 0 over all generations; higher is less drift.

    :math:`MCD = G^{-1} \sum_g s(g)` with :math:`s(g)` the mean cosine of generation *g* to
    generation 0 for one mapping: text to text, picture to picture, or across (Mollah et al.,
    arXiv:2509.04438, 2025).

    Args:
        similarity: ``(trajectories, generations)`` cosines; NaN where there is none.
        prompts: ``(trajectories,)`` labels.

    Returns:
        An :class:`Estimate`; studentised bootstrap over prompts.

    >>> import numpy as np
    >>> mean_cumulative_drift(np.array([[1.0, 0.5], [0.8, 0.1]]), ["a", "b"]).value.__round__(3)
    0.6
    """
    present = np.isfinite(similarity)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.where(present, similarity, 0.0).sum(axis=1) / present.sum(axis=1)
    found = curve(means[:, None], prompts, bounds=(-1.0, 1.0))
    return Estimate(
        float(found.mean[0]), float(found.low[0]), float(found.high[0]), int(found.prompts[0])
    )


def semantic_drift_rate(
    similarity: Floats, prompts: Labels, *, resamples: int = FITS, seed: int = 0
) -> Decay:
    r"""SDR: how fast similarity to generation 0 falls, by the fit of :math:`a e^{-b g} + c`.

    Least squares on the mean over prompts, generation 1 first; *a*, *b*, *c* at least 0. Intervals
    are expanded percentiles over prompts: a fit that meets its bounds has no error to be measured
    in.

    Args:
        similarity: ``(trajectories, generations)`` cosines to generation 0.
        prompts: ``(trajectories,)`` labels.
        resamples: Bootstrap resamples of prompts.
        seed: Of the resampling.

    Returns:
        A :class:`Decay`, NaN with fewer than four generations.

    >>> import numpy as np
    >>> g = np.arange(1, 11)
    >>> rows = np.stack([0.6 * np.exp(-0.5 * g) + 0.3, 0.4 * np.exp(-0.5 * g) + 0.1])
    >>> semantic_drift_rate(rows, ["a", "b"], resamples=10).rate.value.__round__(3)
    0.5
    """
    means = group_means(similarity, prompts)
    means = means[np.isfinite(means).any(axis=1)]
    count = len(means)
    here = np.isfinite(means)
    filled = np.where(here, means, 0.0)

    def fit(weights: Floats) -> Floats:
        counts = weights @ here
        with np.errstate(invalid="ignore", divide="ignore"):
            return _fit(np.where(counts > 0, weights @ filled / counts, np.nan))

    if not count:
        return Decay(*(Estimate(np.nan, np.nan, np.nan, 0),) * 3)
    best = fit(np.ones(count))
    drawn = np.stack([fit(w) for block in prompt_weights(count, resamples, seed) for w in block])
    low, high = expanded_percentiles(drawn, np.full(3, count))
    drop, rate, floor = (
        Estimate(float(best[i]), float(low[i]), float(high[i]), count) for i in range(3)
    )
    return Decay(rate, drop, floor)


def _fit(values: Floats) -> Floats:
    from scipy.optimize import curve_fit

    fine = np.isfinite(values)
    g = np.arange(1, len(values) + 1)[fine]
    y = values[fine]
    if len(y) < 4:
        return np.full(3, np.nan)
    guess = (max(float(y[0] - y[-1]), 0.01), 0.3, max(float(y[-1]), 0.0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found, _ = curve_fit(
                lambda g, a, b, c: a * np.exp(-b * g) + c, g, y, guess,
                bounds=([0, 0, 0], [10, 10, 1]),
            )  # fmt: skip
        except RuntimeError:
            return np.full(3, np.nan)
    return np.asarray(found, dtype=float)
