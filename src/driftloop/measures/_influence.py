"""Means over prompts and over pairs of prompts, with what each prompt contributes to them.

A contribution (influence value) is how much the mean would move, n-fold, for a little more of that
prompt; they average to 0, and their squares give the standard error of the mean and of anything
computed from several means. All of it for many weightings of the prompts at once: weights of 1 are
the estimate, multinomial weights are bootstrap resamples.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ._interval import Floats

ROUNDING = 1e-6
SINGLE = 512
"""Prompts from which on sums over pairs are kept in float32: their error is far below the noise."""


class Weighted(NamedTuple):
    """A mean under every weighting."""

    value: Floats
    """``(weightings,)``; NaN where there is nothing to take the mean of."""
    influence: Floats
    """``(weightings, prompts)``; 0 for prompts that have no part in it."""


def weighted_mean(weights: Floats, values: Floats) -> Weighted:
    """Mean over prompts of one value each.

    Args:
        weights: ``(weightings, prompts)``.
        values: ``(prompts,)``; NaN where a prompt has none.
    """
    here = np.isfinite(values)
    filled = np.where(here, values, 0.0)
    counts = weights @ here
    with np.errstate(invalid="ignore", divide="ignore"):
        value = np.where(counts > 0, weights @ filled / counts, np.nan)
        scale = weights.sum(axis=1) / counts
    exact = precision(len(values))
    influence = (filled.astype(exact) - _or_zero(value)[:, None].astype(exact)) * here
    influence *= _or_zero(scale)[:, None].astype(exact)
    return Weighted(value, influence)


def precision(prompts: int) -> type[np.floating[Any]]:
    """What influences of so many prompts are kept in."""
    return np.float64 if prompts <= SINGLE else np.float32


def pair_distance(weights: Floats, u: Floats, v: Floats | None = None) -> Weighted:
    r"""Mean distance of ``u[p]`` to ``v[q]`` over pairs of different prompts, a U-statistic.

    :math:`1 - \sum_{p \ne q} w_p w_q \langle u_p, v_q \rangle / \sum_{p \ne q} w_p w_q`. Pairs of
    a prompt with its own copies in a resample are left out as pairs with itself are, so that the
    mean is free of bias in every resample. Where prompts are many, inner products with the weighted
    sum of all vectors stand in for the pairs: time and memory grow linearly with their number. The
    influence is that of Hoeffding's projection, scaled so that weights of 1 give the jackknife's
    error.

    Args:
        weights: ``(weightings, prompts)``.
        u: ``(prompts, d)``, each prompt's mean over its twins; NaN where there is none.
        v: ``(prompts, d)``; by default *u*.
    """
    v = u if v is None else v
    here = np.isfinite(u[:, 0]) & np.isfinite(v[:, 0])
    exact = precision(len(u))
    same = v is u
    u = np.asarray(np.where(here[:, None], u, 0.0), dtype=exact)
    v = u if same else np.asarray(np.where(here[:, None], v, 0.0), dtype=exact)
    w: Floats = (weights * here).astype(exact)
    total = w.sum(axis=1, dtype=np.float64)
    squares = np.einsum("bp,bp->b", w, w, dtype=np.float64)
    own: Floats = np.einsum("pd,pd->p", u, v)
    # The kernel is symmetric in the pair: its row and its column in turn.
    if len(u) <= min(u.shape[1], len(w)):
        inner = u @ v.T
        sums = w @ (inner if same else (inner + inner.T) / 2)
    else:
        sums = (w @ v) @ u.T
        if not same:
            sums = (sums + (w @ u) @ v.T) / 2
    sums -= w * own
    others = total[:, None].astype(exact) - w
    pairs = total**2 - squares
    count = int(here.sum())
    with np.errstate(invalid="ignore", divide="ignore"):
        value = 1.0 - np.einsum("bp,bp->b", w, sums, dtype=np.float64) / pairs
        value = np.where(pairs > 0.5, zero_if_rounding(value), np.nan)
        scale = 2.0 * weights.sum(axis=1) / pairs * ((count - 1) / max(count - 2, 1))
    # (others - sums) is the sum of a prompt's distances to all others of the resample.
    influence = (others - sums - _or_zero(value)[:, None].astype(exact) * others) * here
    influence *= _or_zero(scale)[:, None].astype(exact)
    return Weighted(value, influence)


def _or_zero(values: Floats) -> Floats:
    """Values, with 0 for those that are missing."""
    return np.where(np.isfinite(values), values, 0.0)


def zero_if_rounding(distances: Floats) -> Floats:
    """Distances in [0, 2]; those below the precision of float32 vectors are 0."""
    return np.where(distances < ROUNDING, 0.0, np.minimum(distances, 2.0))


def products(weights: Floats, parts: list[Floats]) -> npt.NDArray[Any]:
    """Weighted sums of products of influences, ``(weightings, parts, parts)``."""
    # One part may stand in several places: its products are the same in each.
    distinct = list({id(part): part for part in parts}.values())
    size = len(distinct)
    result = np.zeros((len(weights), size, size))
    for i, one in enumerate(distinct):
        weighted = weights.astype(one.dtype) * one
        for j in range(i, size):
            result[:, i, j] = np.einsum("bp,bp->b", weighted, distinct[j], dtype=np.float64)
            result[:, j, i] = result[:, i, j]
    at = [next(n for n, one in enumerate(distinct) if one is part) for part in parts]
    return result[:, at][:, :, at]


def standard_error(gradient: list[Floats], covariance: npt.NDArray[Any], count: int) -> Floats:
    """Error of a function of means, from its derivatives with respect to them (delta method).

    Args:
        gradient: A ``(weightings,)`` a mean.
        covariance: ``(weightings, means, means)`` as :func:`products` gives it.
        count: Prompts.
    """
    g = np.stack(gradient, axis=1)
    variance = np.einsum("bi,bij,bj->b", g, covariance, g) / (count * max(count - 1, 1))
    return np.asarray(np.sqrt(np.maximum(variance, 0.0)))
