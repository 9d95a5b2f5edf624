"""The noise floor: how far apart two looks at one place are.

Distances of states some rounds apart tell noise, movement and cycles from each other. Noise adds
the same to every lag, movement adds more to longer lags, and a cycle adds nothing at its period.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ._bootstrap import Labels, group_means
from ._drift import check_states, cosine_distance
from ._influence import ROUNDING, Weighted, weighted_mean
from ._interval import Floats, stretches

LATE = 0.5
"""Share of the rounds, from the end, that a noise floor and a verdict rest on."""
LAGS = 12
"""The longest lag that is looked at: cycles of a longer period are not seen."""
MANY = 64
"""Lags from which on all of them are found together."""
SURE = 3.0
"""A cycle is one where a lag is nearer than its neighbours by so many standard errors."""


def lag_distances(x: Floats, lags: int, *, first: int = 0, stride: int = 1) -> Floats:
    r"""Mean distance of states some rounds apart, :math:`D(k) = \mathrm{mean}_t\, d(x_t, x_{t-k})`.

    Args:
        x: ``(trajectories, rounds, d)`` unit vectors.
        lags: Largest *k*.
        first: Rounds before this one (from 0) are left out.
        stride: Rounds of a lag: *k* counts these.

    Returns:
        ``(trajectories, lags)``, lag 1 first; NaN where a trajectory has no such pair.

    >>> import numpy as np
    >>> there_and_back = np.array([[[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]])
    >>> lag_distances(there_and_back, 2).tolist()
    [[1.0, 0.0]]
    """
    check_states(x)
    late = x[:, first:]
    result = np.full((len(x), lags), np.nan)
    last = min(lags, (late.shape[1] - 1) // stride)
    if last > MANY:
        result[:, :last] = _correlated(late)[:, stride : last * stride + 1 : stride]
        return result
    for lag in range(1, last + 1):
        distances = cosine_distance(late[:, lag * stride :], late[:, : -lag * stride])
        present = np.isfinite(distances)
        counts = present.sum(axis=1)
        sums = np.where(present, distances, 0.0).sum(axis=1, dtype=np.float64)
        result[:, lag - 1] = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return result


def _correlated(x: Floats) -> Floats:
    """Mean distance of states at every lag from 0 on, from the spectrum of each dimension.

    The sum of inner products at a lag is the autocorrelation there (Wiener and Khinchin): all lags
    take little longer than a few.
    """
    from scipy.fft import irfft, next_fast_len, rfft

    trajectories, rounds, d = x.shape
    size = next_fast_len(2 * rounds, real=True)
    result = np.full((trajectories, rounds), np.nan)
    for row, states in enumerate(x):
        here = np.isfinite(states[:, 0])
        pairs = irfft(np.abs(rfft(here.astype(float), size)) ** 2, size)[:rounds].round()
        power = np.zeros(size // 2 + 1)
        for part in stretches(d, 4 * size):
            known = np.where(here[:, None], states[:, part], 0.0).astype(float)
            power += (np.abs(rfft(known, size, axis=0)) ** 2).sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            means = 1.0 - irfft(power, size)[:rounds] / pairs
        result[row] = np.where(pairs > 0, np.clip(means, 0.0, 2.0), np.nan)
    return result


def noise_floor(x: Floats, prompts: Labels | None = None, *, late: float = LATE) -> float:
    r"""Distance of two looks at one place: a step without movement and without alternation.

    With *p* the period of the loop (1 where it has none), the floor is
    :math:`N = \min(2 D(p) - D(2p),\ D(1),\ D(2), \ldots)`. The first term extends the distance of
    states *k* rounds apart in a straight line to *k* = 0 (the nugget of a variogram; Matheron,
    *Economic Geology* 58, 1963): on the sphere distances are half squared, so that independent
    noise adds the same to every *k* and slow movement grows with *k*. A loop that alternates is
    farther from its last state than from the one before: the straight line would then point up, and
    count the alternation as noise. States of one place are no farther apart than any states, so no
    floor is above any *D(k)*. The least is taken of means over prompts: the least of single
    trajectories would be too small wherever they are noisy.

    Args:
        x: ``(trajectories, rounds, d)`` unit vectors.
        prompts: ``(trajectories,)`` labels; prompts weigh the same. By default each trajectory has
            its own.
        late: Share of the rounds, from the end, that it is taken from.

    Returns:
        A distance, at least 0; NaN where no three late rounds follow each other at equal steps.

    >>> import numpy as np
    >>> a, b = np.eye(2)
    >>> noise_floor(np.tile(a, (1, 8, 1))), noise_floor(np.tile([a, b], (1, 4, 1)))
    (0.0, 0.0)
    """
    lags = Lags(x, np.arange(len(x)) if prompts is None else prompts, late=late)
    return (
        float(lags.floor(np.ones((1, len(lags.distances)))).capped.value[0]) if len(x) else np.nan
    )


class Floor(NamedTuple):
    """A noise floor, and the same without its cap.

    The least of several noisy distances is too small by a little. What has no cap is right on
    average, but for loops that alternate.
    """

    capped: Weighted
    uncapped: Weighted


class Lags:
    """Distances by lag over the late rounds, for each prompt.

    Args:
        x: ``(trajectories, rounds, d)`` unit vectors.
        prompts: ``(trajectories,)`` labels.
        late: Share of the rounds, from the end.

    Attributes:
        distances: ``(prompts, lags)``, mean over a prompt's trajectories.
        period: Rounds after which the loop is back where it was; 1 where it is no cycle.
    """

    distances: Floats
    period: int

    def __init__(self, x: Floats, prompts: Labels, *, late: float = LATE) -> None:
        first = late_from(x.shape[1], late, 3)
        # Where only every n-th round was recorded, those n are the step.
        recorded = np.flatnonzero(np.isfinite(x[:, first:, 0]).any(axis=0))
        stride = max(1, int(np.gcd.reduce(np.diff(recorded)))) if len(recorded) > 1 else 1
        # A lag that few pairs have says little: two thirds of the window at most.
        span = (recorded[-1] - recorded[0]) // stride + 1 if len(recorded) else 0
        lags = max(2, min(LAGS, span * 2 // 3))
        each = lag_distances(x, lags, first=first, stride=stride)
        self.distances = group_means(each, prompts)
        self._at = _period(self.distances)
        self.period = self._at * stride if self._at > 1 else 1

    def floor(self, weights: Floats) -> Floor:
        """The noise floor under each weighting of the prompts.

        Args:
            weights: ``(weightings, prompts)``.
        """
        near = weighted_mean(weights, self.distances[:, self._at - 1])
        far = weighted_mean(weights, self.distances[:, 2 * self._at - 1])
        line = 2 * near.value - far.value
        # A floor of zero stays zero for a little more of any prompt.
        value = np.maximum(line, 0.0)
        influence = (2 * near.influence - far.influence) * (line > 0)[:, None]
        uncapped = Weighted(value, influence)
        for lag in self.distances.T:
            part = weighted_mean(weights, lag)
            less = part.value < value
            value = np.where(less, part.value, value)
            influence = np.where(less[:, None], part.influence, influence)
        return Floor(Weighted(value, influence), uncapped)


def _period(distances: Floats) -> int:
    """The shortest lag, of up to half of them, that is clearly nearer than all shorter ones."""
    best = 1
    for lag in range(2, distances.shape[1] // 2 + 1):
        gain = distances[:, best - 1] - distances[:, lag - 1]
        gain = gain[np.isfinite(gain)]
        if len(gain) < 2:
            continue
        error = gain.std(ddof=1) / np.sqrt(len(gain))
        if gain.mean() > max(SURE * error, ROUNDING):
            best = lag
    return best


def late_from(rounds: int, late: float, least: int) -> int:
    """The first of the late rounds, counted from 0: a share of all, but so many at least."""
    return max(0, rounds - max(least, round(rounds * late)))
