"""Where does a number go? Regression on the first value, and from round to round."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ._bootstrap import Estimate, Labels, group_means
from ._interval import RESAMPLES, TINY, Bools, Floats, prompt_weights, studentized


class Attractor(NamedTuple):
    """Where a scalar property is drawn to, and how strongly."""

    slope: Estimate
    """How much of a difference at first is left; 0 nothing, 1 all of it."""
    strength: float
    """1 - \\|slope\\|, not below 0."""
    position: Estimate
    """The value that maps to itself; NaN where \\|slope\\| is not below 1: there is none."""
    spread: float
    """Standard deviation of what the line leaves: a slope of 0 with a spread as wide as the
    starts is noise, not a pull."""


def attractor(
    first: Floats, last: Floats, prompts: Labels, *, resamples: int = RESAMPLES, seed: int = 0
) -> Attractor:
    r"""Regress a property at the end on the same property at first.

    :math:`y_{last} = \alpha + \beta y_{first}`: strength :math:`1 - |\beta|`, position
    :math:`\alpha / (1 - \beta)` (Perez et al., arXiv:2407.04503, 2024). Least squares over
    trajectories with prompts weighing the same; studentised bootstrap over prompts with the
    sandwich error.

    Args:
        first: ``(trajectories,)``, e.g. words in the first caption; NaN where there is none.
        last: ``(trajectories,)``.
        prompts: ``(trajectories,)`` labels.
        resamples: Bootstrap resamples.
        seed: Of the resampling.

    Returns:
        An :class:`Attractor`, NaN with fewer than three prompts or where all start alike.

    >>> import numpy as np
    >>> start = np.array([0.0, 4.0, 8.0])
    >>> found = attractor(start, 3 + 0.5 * start, ["a", "b", "c"])
    >>> found.slope.value, found.position.value, found.strength
    (0.5, 6.0, 0.5)
    """
    y = np.stack([np.asarray(first, dtype=float), np.asarray(last, dtype=float)], axis=1)
    return _line(y[:, None, :], prompts, resamples, seed)


def autoregression(
    y: Floats, prompts: Labels, *, resamples: int = RESAMPLES, seed: int = 0
) -> Attractor:
    r"""Regress a property on its value a round before, :math:`y_t = \alpha + \phi y_{t-1}`.

    AR(1) pooled over all trajectories and rounds: where :func:`attractor` sees only the ends, this
    uses every round. The half-life of a departure is :math:`\log 0.5 / \log \phi` rounds.

    Args:
        y: ``(trajectories, rounds)``; NaN where there is no value.
        prompts: ``(trajectories,)`` labels.
        resamples: Bootstrap resamples.
        seed: Of the resampling.

    Returns:
        An :class:`Attractor`; its slope is :math:`\phi`.

    >>> import numpy as np
    >>> y = np.array([[8.0, 4.0, 2.0, 1.0], [0.0, 0.0, 0.0, 0.0], [4.0, 2.0, 1.0, 0.5]])
    >>> round(autoregression(y, ["a", "b", "c"]).slope.value, 6)
    0.5
    """
    y = np.asarray(y, dtype=float)
    return _line(np.stack([y[:, :-1], y[:, 1:]], axis=2), prompts, resamples, seed)


def _line(pairs: Floats, prompts: Labels, resamples: int, seed: int) -> Attractor:
    """Fit ``(trajectories, pairs, 2)``."""
    here: Bools = np.asarray(np.isfinite(pairs).all(axis=2))
    some: Bools = np.asarray(here.any(axis=1))
    # One centre for both, so that a fixed point moves with it.
    centre = float(pairs[here].mean()) if some.any() else 0.0
    u, v = (np.where(here, pairs[..., i] - centre, 0.0) for i in range(2))
    counts = np.maximum(here.sum(axis=1), 1)
    sums = [part.sum(axis=1) / counts for part in (u, v, u * u, u * v, v * v)]
    moments = np.where(some[:, None], np.stack([np.ones(len(u)), *sums], axis=1), np.nan)
    each = group_means(moments, prompts)
    each = each[np.isfinite(each[:, 0])]
    count = len(each)
    nothing = Estimate(np.nan, np.nan, np.nan, count)
    if count < 3:
        return Attractor(nothing, np.nan, nothing, np.nan)
    blocks = [np.ones((1, count)), *prompt_weights(count, resamples, seed)]
    found = np.concatenate([_fit(weights, each) for weights in blocks], axis=1)
    slope, at, slope_error, at_error = found
    low, high = studentized(
        np.array([slope[0], at[0]]), np.array([slope_error[0], at_error[0]]),
        np.stack([slope[1:], at[1:]], axis=1), np.stack([slope_error[1:], at_error[1:]], axis=1),
        np.array([count, count]),
    )  # fmt: skip
    line = Estimate(float(slope[0]), float(low[0]), float(high[0]), count)
    place = nothing
    if abs(line.value) < 1:
        ends = (float(x) + centre for x in (at[0], low[1], high[1]))
        place = Estimate(next(ends), next(ends), next(ends), count)
    mean = each.mean(axis=0)
    rest = mean[5] - mean[2] ** 2 - line.value * (mean[4] - mean[1] * mean[2])
    strength = max(0.0, 1 - abs(line.value)) if np.isfinite(line.value) else np.nan
    return Attractor(line, strength, place, float(np.sqrt(max(rest, 0.0))))


def _fit(weights: Floats, each: Floats) -> Floats:
    """Slope, fixed point and their errors under every weighting, ``(4, weightings)``."""
    total = weights.sum(axis=1)
    m = weights @ each / total[:, None]
    _, mu, mv, uu, uv, _ = m.T
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = np.where(uu - mu**2 > TINY * (1 + uu), uu - mu**2, np.nan)
        slope = (uv - mu * mv) / variance
        cut = mv - slope * mu
        at = cut / (1 - slope)
        # Influence of each prompt on the slope: its own moment of the residual.
        _, u, v, uu_p, uv_p, _ = (column[None, :] for column in each.T)
        s, o, centre = slope[:, None], cut[:, None], mu[:, None]
        on_slope = (uv_p - s * uu_p - o * u - centre * (v - s * u - o)) / variance[:, None]
        on_cut = (v - s * u - o) - centre * on_slope
        on_at = (on_cut + at[:, None] * on_slope) / (1 - s)
        scale = total * np.maximum(total - 1, 1)
        errors = [np.sqrt((weights * part**2).sum(axis=1) / scale) for part in (on_slope, on_at)]
    return np.stack([slope, at, *errors])
