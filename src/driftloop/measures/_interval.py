"""Intervals by resampling prompts.

Trajectories of one prompt are not independent, and rounds of one trajectory still less: only
prompts were drawn, so prompts are what is resampled. Two calls with the same number of prompts,
number of resamples and seed draw the same resamples, which is what makes two arms comparable.

An interval is studentised ("bootstrap-t"): each resample is measured in units of its own standard
error, so that the skew of a few dozen prompts shows in the ends. docs/measures.md has the coverage
that chose it over percentiles, BCa and Student's t.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.floating[Any]]
Ints: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]

RESAMPLES = 1000
LEVEL = 0.95
BLOCK = 2_000_000
"""Numbers held at once while resampling; bounds the memory that many prompts or rounds take."""
FEWEST = 6
"""Prompts below which a resample's own error says too little; Student's t is taken there."""
MOST_LOST = 0.1
"""Resamples that may be without an error of their own (all of one prompt) before the same."""
TINY = 1e-7
"""Errors below this, of quantities of order 1, are rounding."""


def prompt_weights(prompts: int, resamples: int, seed: int) -> Iterator[Floats]:
    """How often each prompt is drawn in each resample, in blocks of ``(some, prompts)``."""
    drawn = _drawn(prompts, resamples if prompts else 0, seed)
    for rows in stretches(len(drawn), prompts):
        yield drawn[rows].astype(float)


def weightings(prompts: int, resamples: int, seed: int) -> Iterator[Floats]:
    """Weights of 1, which give the estimate, and below them the resamples, in blocks."""
    above = np.ones((1, prompts))
    for weights in prompt_weights(prompts, resamples, seed):
        yield np.concatenate([above, weights])
        above = above[:0]
    if len(above):
        yield above


@lru_cache(maxsize=2)
def _drawn(prompts: int, resamples: int, seed: int) -> npt.NDArray[np.unsignedinteger[Any]]:
    """All resamples, as small numbers: every measure of a run asks for the same ones."""
    rng = np.random.default_rng(seed)
    drawn = np.empty((resamples, prompts), dtype=np.min_scalar_type(prompts))
    for rows in stretches(resamples, prompts):
        size = len(drawn[rows])
        drawn[rows] = rng.multinomial(prompts, np.full(prompts, 1 / prompts), size=size)
    drawn.flags.writeable = False
    return drawn


def stretches(count: int, each: int) -> Iterator[slice]:
    """Stretches of ``0 .. count`` that hold :data:`BLOCK` numbers at most, or one item.

    Args:
        count: Rounds, trajectories, resamples ...
        each: Numbers that are held for one of them.

    >>> [(part.start, part.stop) for part in stretches(5, BLOCK // 2)]
    [(0, 2), (2, 4), (4, 5)]
    """
    size = max(1, BLOCK // max(each, 1))
    for first in range(0, count, size):
        yield slice(first, min(first + size, count))


def student(count: int | float) -> float:
    """The quantile of Student's t that a symmetric interval over so many prompts takes."""
    from scipy.special import stdtrit

    return float(stdtrit(count - 1, (1 + LEVEL) / 2))


def studentized(
    estimate: Floats,
    error: Floats,
    drawn: Floats,
    errors: Floats,
    counts: npt.NDArray[Any],
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

    Returns:
        Lower and upper ends, ``(columns,)``; NaN with fewer than two prompts, Student's t where
        there are fewer than six or too many resamples have no spread.
    """
    counts = np.asarray(counts)
    told = (counts >= 2) & np.isfinite(estimate) & np.isfinite(error)
    below = np.full(len(estimate), np.nan)
    for count in np.unique(counts[told]):
        below[told & (counts == count)] = student(float(count))
    above = below.copy()
    fine = (errors > TINY) & np.isfinite(drawn)
    enough = told & (counts >= FEWEST) & (fine.sum(axis=0) > (1 - MOST_LOST) * len(fine))
    whole = fine.all(axis=0)
    # Those that every resample tells are done together, the others one by one.
    together, alone = np.flatnonzero(enough & whole), np.flatnonzero(enough & ~whole)
    for columns in (*([together] if len(together) else []), *alone[:, None]):
        kept = fine[:, columns].all(axis=1)
        ratios = (drawn[kept][:, columns] - estimate[columns]) / errors[kept][:, columns]
        tail = (1 - LEVEL) / 2
        upper, lower = np.quantile(ratios, [1 - tail, tail], axis=0)
        below[columns], above[columns] = upper, -lower
    return estimate - below * error, estimate + above * error


class Pivot(NamedTuple):
    r"""What one-sided questions about a quantity are asked with.

    The first column is the quantity. Any others are upper bounds of it, so that "is it below?" may
    be asked of whichever answers best, at the joint level: with the smallest of the columns'
    :math:`t^*` in every resample (the single-step maximum-t; Romano and Wolf, *Econometrica* 73,
    2005), taking the best of them is not wrong more often. A p-value is the level at which the end
    of the studentised bootstrap interval lies on the threshold.
    """

    estimate: Floats
    """``(columns,)``."""
    error: Floats
    """``(columns,)``."""
    ratios: Floats
    """``(resamples, columns)`` :math:`t^*`; empty where Student's t is taken in its place, and of
    the first column only."""
    prompts: int

    def above(self, threshold: float) -> float:
        """One-sided p-value for the quantity being above; NaN where it has no error."""
        return _tail(-self.ratios[:, 0], -self._distances(threshold)[0], self.prompts)

    def below(self, threshold: float) -> float:
        """One-sided p-value for it being below."""
        distances = self._distances(threshold)
        if not len(self.ratios):
            return _tail(self.ratios[:, 0], distances[0], self.prompts)
        return _tail(self.ratios.min(axis=1), distances.min(), self.prompts)

    def _distances(self, threshold: float) -> Floats:
        if self.prompts < 2:
            return np.full(len(self.estimate), np.nan)
        # Where all prompts agree there is no error, and any distance is infinitely many of it.
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray((self.estimate - threshold) / self.error)


def pivot(estimate: Floats, error: Floats, drawn: Floats, errors: Floats, prompts: int) -> Pivot:
    """Make a :class:`Pivot` of an estimate and its resamples.

    Args:
        estimate: ``(columns,)``, the quantity first.
        error: ``(columns,)``.
        drawn: ``(resamples, columns)``.
        errors: ``(resamples, columns)``.
        prompts: Prompts behind it.
    """
    for columns in (slice(None), slice(0, 1)):
        parts = (estimate[columns], error[columns], drawn[:, columns], errors[:, columns])
        fine: Bools = np.asarray(((parts[3] > TINY) & np.isfinite(parts[2])).all(axis=1))
        enough = prompts >= FEWEST and fine.sum() > (1 - MOST_LOST) * len(fine)
        if enough and np.isfinite(parts[0] + parts[1]).all():
            return Pivot(*parts[:2], (parts[2][fine] - parts[0]) / parts[3][fine], prompts)
    return Pivot(estimate[:1], error[:1], np.empty((0, 1)), prompts)


def _tail(ratios: Floats, distance: float, prompts: int) -> float:
    """The share of ratios that lie below a distance; of few resamples none is below 1 / (B + 1)."""
    from scipy.special import stdtr

    if np.isnan(distance):
        return np.nan
    if not len(ratios):
        return float(stdtr(prompts - 1, distance))
    ordered = np.sort(ratios)
    share = np.interp(distance, ordered, np.linspace(0, 1, len(ordered)))
    return float(max(share, 1 / (len(ordered) + 1)))


def holm(p: Sequence[float] | Floats) -> Floats:
    """p-values of several claims, each raised so that it stands for all of them.

    Claiming those below 5 % makes any false claim at all in 5 % of runs at most, however the claims
    hang together (Holm, *Scandinavian Journal of Statistics* 6, 1979).

    Args:
        p: One for each question that was asked; NaN where nothing is claimed, which is counted.

    >>> holm([0.01, 0.04, float("nan"), 0.001]).tolist()
    [0.03, 0.08, nan, 0.004]
    """
    p = np.asarray(p, dtype=np.float64)
    order = np.argsort(p)  # NaN last
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    return np.minimum(adjusted, 1.0)


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
