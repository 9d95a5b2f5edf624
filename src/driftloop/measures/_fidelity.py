"""How long does meaning last? Similarity to generation 0, its mean and its rate of decay."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ._bootstrap import Estimate, Labels, curve, group_means, numbered
from ._interval import Bools, Floats, expanded_percentiles, stretches, weightings

RATES = 1e-3, 10.0
"""Rates that are looked for: by the slowest nothing is lost in hundreds of rounds."""
GRID = 100
FINER = 2
FALL = 0.01
"""Likeness that has to be lost after generation 1 for there to be a rate of losing it."""
FEWEST = 4
"""Generations that a curve of three parameters is fitted to at least."""
FITS = 200
"""Resamples of a fitted curve."""


class Decay(NamedTuple):
    """The curve :math:`s(g) = a e^{-b g} + c` of similarity over generations."""

    rate: Estimate
    """SDR, *b* per generation: the larger, the faster."""
    drop: Estimate
    """*a*: how much is lost in the end."""
    floor: Estimate
    """*c*: what stays."""
    reason: str = ""
    """Why there is no rate; empty where there is one."""


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

    Least squares on the mean over prompts, generation 1 first; *a*, *c* at least 0, :math:`a + c`
    at most 1, since generation 0 is like itself, and *b* from 0.001 to 10. A generation is a round
    here: in UCF's code it is half of one, a text or a picture, so that their *b* is half of this
    one for the same curve. A curve that does not fall by :data:`FALL` over what there is of it has
    no rate, and neither has one that is fastest or slowest of all: its drop and rate trade for each
    other without end. Intervals are expanded percentiles over prompts: a fit that meets its bounds
    has no error to be measured in.

    Args:
        similarity: ``(trajectories, generations)`` cosines to generation 0.
        prompts: ``(trajectories,)`` labels.
        resamples: Bootstrap resamples of prompts.
        seed: Of the resampling.

    Returns:
        A :class:`Decay`, NaN where there is no rate, with the reason.

    >>> import numpy as np
    >>> g = np.arange(1, 11)
    >>> rows = np.stack([0.6 * np.exp(-0.5 * g) + 0.3, 0.4 * np.exp(-0.5 * g) + 0.1])
    >>> semantic_drift_rate(rows, ["a", "b"], resamples=10).rate.value.__round__(3)
    0.5
    """
    means = group_means(similarity, prompts)
    means = means[np.isfinite(means).any(axis=1)]
    count = len(means)
    if not count:
        return _nothing(0, "there is no generation to compare")
    here = np.isfinite(means)
    filled = np.where(here, means, 0.0)
    fits: list[Floats] = []
    observed: Floats = np.empty(0)
    for weights in weightings(count, resamples, seed):
        for rows in stretches(len(weights), GRID * means.shape[1]):
            counts = weights[rows] @ here
            with np.errstate(invalid="ignore", divide="ignore"):
                curves = np.where(counts > 0, weights[rows] @ filled / counts, np.nan)
            if not fits:
                observed = curves[0]
            fits.append(_fit(curves))
    best, *drawn = np.concatenate(fits)
    reason = _why_none(observed, best)
    if reason:
        return _nothing(count, reason)
    low, high = expanded_percentiles(np.reshape(drawn, (-1, 3)), np.full(3, count))
    drop, rate, floor = (
        Estimate(float(best[i]), float(low[i]), float(high[i]), count) for i in range(3)
    )
    return Decay(rate, drop, floor)


def similarity_to_others(later: Floats, first: Floats, prompts: Labels) -> Floats:
    """Mean similarity of every state to generation 0 of each other prompt: the control.

    Args:
        later: ``(trajectories, generations, d)`` unit vectors; NaN where there is none.
        first: ``(trajectories, d)`` generation 0.
        prompts: ``(trajectories,)`` labels.

    Returns:
        ``(trajectories, generations)``.

    >>> import numpy as np
    >>> a, b = np.eye(2)
    >>> similarity_to_others(np.array([[a], [a]]), np.array([a, b]), ["a", "b"]).tolist()
    [[0.0], [1.0]]
    """
    codes = numbered(prompts)
    means = group_means(first, codes)
    known: Bools = np.asarray(np.isfinite(means[:, 0]))
    means[~known] = 0.0
    # The sum over all less the own one, since the sum is shared by all.
    total = means.sum(axis=0)
    similarity = np.empty(later.shape[:2])
    for rows in stretches(len(later), later[:1].size):
        others = (total - means[codes[rows]]).astype(later.dtype)
        similarity[rows] = np.einsum("ntd,nd->nt", later[rows], others)
    counts = known.sum() - known[codes]
    return np.asarray(similarity / np.maximum(counts, 1)[:, None])


def _nothing(count: int, reason: str) -> Decay:
    return Decay(*(Estimate(np.nan, np.nan, np.nan, count),) * 3, reason)


def _why_none(values: Floats, best: Floats) -> str:
    """Why a fitted curve says nothing of a rate; empty where it does."""
    drop, rate, _ = best
    g = np.flatnonzero(np.isfinite(values)) + 1
    if np.isnan(rate):
        return f"a rate needs {FEWEST} generations"
    if drop * np.exp(-rate) - drop * np.exp(-rate * g[-1]) < FALL:
        return "likeness does not fall after generation 1"
    if rate <= RATES[0] * (1 + 1e-6):
        return "likeness falls in a straight line: where it will level off is not known"
    return ""


def _fit(values: Floats) -> Floats:
    """*a*, *b*, *c* of each row of values, ``(rows, 3)``.

    Given *b* the rest is linear (variable projection; Golub and Pereyra, *SIAM Journal on Numerical
    Analysis* 10, 1973), so that all rows are searched at once along *b*: a grid, then two finer
    ones around the best.
    """
    here = np.isfinite(values)
    y = np.where(here, values, 0.0)
    g = np.arange(1, values.shape[1] + 1)
    rates = np.tile(np.geomspace(*RATES, GRID), (len(values), 1))
    step = (RATES[1] / RATES[0]) ** (1 / (GRID - 1))
    rows = np.arange(len(values))
    for _ in range(FINER + 1):
        found, errors = _linear(np.exp(-rates[:, :, None] * g), y, here)
        best = np.argmin(errors, axis=1)
        rate = rates[rows, best]
        # The next grid spans one step of this to either side.
        rates = np.clip(rate[:, None] * step ** np.linspace(-1, 1, 21), *RATES)
        step = step ** (1 / 10)
    drop, floor = (part[rows, best] for part in found)
    table = np.stack([drop, rate, floor], axis=1)
    return np.where(here.sum(axis=1, keepdims=True) >= FEWEST, table, np.nan)


def _linear(z: Floats, y: Floats, here: Bools) -> tuple[tuple[Floats, Floats], Floats]:
    """Least squares of ``y = a z + c`` with neither below 0 nor their sum above 1, and the error.

    The error is convex in (*a*, *c*) and the constraints are a triangle: where the free minimum
    lies outside, the least is on one of its sides.
    """
    n = np.maximum(here.sum(axis=-1, keepdims=True), 1)
    ys, yy = y.sum(axis=-1, keepdims=True), (y * y).sum(axis=-1, keepdims=True)
    # Sums over generations; the products themselves would be several times what is given.
    counted = here.astype(float)
    zs, zy = np.einsum("brg,bg->br", z, counted), np.einsum("brg,bg->br", z, y)
    zz = np.einsum("brg,brg,bg->br", z, z, counted)

    def error(a: Floats, c: Floats) -> Floats:
        return np.asarray(yy + a * a * zz + c * c * n + 2 * (a * c * zs - a * zy - c * ys))

    with np.errstate(invalid="ignore", divide="ignore"):
        free = np.nan_to_num((zy - zs * ys / n) / (zz - zs * zs / n))
        level = (ys - free * zs) / n
        # On a side: c = 0, a = 0, and a + c = 1, where y - 1 = a (z - 1).
        steep = np.nan_to_num((zy - zs - ys + n) / (zz - 2 * zs + n))
        sides = [
            (np.clip(np.nan_to_num(zy / zz), 0.0, 1.0), np.zeros_like(free)),
            (np.zeros_like(free), np.clip(np.broadcast_to(ys / n, free.shape), 0.0, 1.0)),
            (np.clip(steep, 0.0, 1.0), 1.0 - np.clip(steep, 0.0, 1.0)),
        ]
    inside = (free >= 0) & (level >= 0) & (free + level <= 1)
    a, c = np.where(inside, free, 0.0), np.where(inside, level, 0.0)
    errors = np.where(inside, error(a, c), np.inf)
    for side_a, side_c in sides:
        found = error(side_a, side_c)
        better = ~inside & (found < errors)
        a, c = np.where(better, side_a, a), np.where(better, side_c, c)
        errors = np.where(better, found, errors)
    return (a, c), errors
