"""Means over prompts, and how sure they are.

Trajectories of one prompt are not independent, and rounds of one trajectory still less: only
prompts were drawn. So a prompt counts once however many twins it has, and prompts are what is
resampled. Two calls with the same set of prompts, number of resamples and seed use the same
resamples, which is what makes the intervals of two arms comparable.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from statistics import NormalDist
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.floating[Any]]
Labels: TypeAlias = Sequence[Hashable] | npt.NDArray[Any]

RESAMPLES = 1000
LEVEL = 0.95
BLOCK = 4_000_000
"""Weights held at once while resampling; bounds the memory that many prompts take."""


class Curve(NamedTuple):
    """A quantity per round: its mean over prompts, and the spread of trajectories.

    All are ``(rounds,)``.
    """

    mean: Floats
    """Mean over prompts of each prompt's mean over its twins."""
    low: Floats
    """Lower end of the 95 % interval of the mean; NaN with fewer than two prompts."""
    high: Floats
    """Upper end of it."""
    q25: Floats
    """Lower quartile over trajectories."""
    median: Floats
    """Median over trajectories."""
    q75: Floats
    """Upper quartile over trajectories."""
    trajectories: npt.NDArray[np.int64]
    """Trajectories that have a value at this round."""
    prompts: npt.NDArray[np.int64]
    """Prompts that have one."""


class Estimate(NamedTuple):
    """One number with its 95 % interval."""

    value: float
    low: float
    high: float
    prompts: int
    """Prompts that it rests on."""


def curve(values: Floats, prompts: Labels, *, resamples: int = RESAMPLES, seed: int = 0) -> Curve:
    r"""Summarise a quantity of trajectories per round.

    The mean is :math:`m(t) = |P|^{-1} \sum_p |A_p|^{-1} \sum_{a \in A_p} y(p, a, t)` over the
    prompts and twins that have a value at round *t*. Its interval is the expanded percentile
    bootstrap over prompts (Hesterberg, *The American Statistician* 69(4), 2015, section 5.2): plain
    percentiles are too narrow for a few dozen prompts, by the factor that Student's t corrects.

    Args:
        values: ``(trajectories, rounds)``; NaN where a trajectory has no value.
        prompts: ``(trajectories,)`` labels: which trajectories share a prompt.
        resamples: Bootstrap resamples.
        seed: Of the resampling.

    Returns:
        A :class:`Curve`; its entries lie between the least and the largest value of their round,
        and are NaN at rounds without any.

    >>> import numpy as np
    >>> result = curve(np.array([[0.0, 0.2], [0.0, 0.4], [0.0, 0.9]]), ["a", "a", "b"])
    >>> result.mean.round(3).tolist(), result.prompts.tolist()
    ([0.0, 0.6], [2, 2])
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or len(values) != len(prompts):
        raise ValueError(
            f"values must be (trajectories, rounds) with a prompt each, not {values.shape} with "
            f"{len(prompts)} prompts"
        )
    means = group_means(values, prompts)
    present = ~np.isnan(means)
    counts = present.sum(axis=0)
    filled = np.where(present, means, 0.0)
    with np.errstate(invalid="ignore"):
        mean = filled.sum(axis=0) / counts
    drawn = [
        _ratio(weights @ filled, weights @ present)
        for weights in prompt_weights(len(means), resamples, seed)
    ]
    low, high = interval(np.concatenate(drawn), counts) if drawn else (mean * np.nan,) * 2
    q25, median, q75 = _quartiles(values)
    return Curve(
        mean, low, high, q25, median, q75,
        (~np.isnan(values)).sum(axis=0).astype(np.int64), counts.astype(np.int64),
    )  # fmt: skip


def share(
    holds: Sequence[bool], prompts: Labels, *, resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """Share of trajectories that something holds for, prompts weighing the same.

    Args:
        holds: ``(trajectories,)``.
        prompts: ``(trajectories,)`` labels.
        resamples: Bootstrap resamples.
        seed: Of the resampling.

    Returns:
        An :class:`Estimate` in ``[0, 1]``.  Where every prompt says the same, resampling shows no
        spread at all; the end that is open is then the rule of three's, ``3 / prompts``.

    >>> share([True, True, False, False], ["a", "a", "b", "b"]).value
    0.5
    >>> share([False] * 30, range(30)).high
    0.1
    """
    column = np.asarray(holds, dtype=np.float64).reshape(-1, 1)
    result = curve(column, prompts, resamples=resamples, seed=seed)
    value, low, high = float(result.mean[0]), float(result.low[0]), float(result.high[0])
    count = int(result.prompts[0])
    if count and value in (0.0, 1.0):
        open_end = min(1.0, 3 / count)
        low, high = (0.0, open_end) if value == 0.0 else (1.0 - open_end, 1.0)
    return Estimate(value, low, high, count)


def group_means(values: Floats, prompts: Labels) -> Floats:
    """Mean over each prompt's trajectories, ``(prompts, ...)``, prompts in sorted order.

    Missing values (NaN) are left out; a prompt without any has NaN.
    """
    groups, codes = np.unique(np.asarray(prompts), return_inverse=True)
    if not len(groups):
        return np.empty((0, *values.shape[1:]))
    order = np.argsort(codes, kind="stable")
    first = np.searchsorted(codes[order], np.arange(len(groups)))
    ordered = np.asarray(values, dtype=np.float64)[order]
    present = ~np.isnan(ordered)
    sums = np.add.reduceat(np.where(present, ordered, 0.0), first, axis=0)
    return _ratio(sums, np.add.reduceat(present, first, axis=0, dtype=np.float64))


def prompt_weights(prompts: int, resamples: int, seed: int) -> Iterator[Floats]:
    """How often each prompt is drawn in each resample, in blocks of ``(some, prompts)``."""
    rng = np.random.default_rng(seed)
    block = max(1, BLOCK // max(prompts, 1))
    for first in range(0, resamples if prompts else 0, block):
        size = min(block, resamples - first)
        yield rng.multinomial(prompts, np.full(prompts, 1 / prompts), size=size).astype(float)


def interval(drawn: Floats, prompts: npt.NDArray[Any]) -> tuple[Floats, Floats]:
    """Ends of the expanded percentile interval.

    Args:
        drawn: ``(resamples, rounds)``.
        prompts: ``(rounds,)`` prompts behind each column.
    """
    low, high = np.full((2, drawn.shape[1]), np.nan)
    for count in np.unique(prompts):
        if count < 2:
            continue
        columns = prompts == count
        tail = _expanded_tail(int(count))
        low[columns], high[columns] = np.nanquantile(drawn[:, columns], [tail, 1 - tail], axis=0)
    return low, high


def _expanded_tail(count: int) -> float:
    from scipy.special import stdtrit

    quantile = float(stdtrit(count - 1, (1 - LEVEL) / 2))
    return NormalDist().cdf(quantile * (count / (count - 1)) ** 0.5)


def _ratio(sums: Floats, counts: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(counts > 0, sums / counts, np.nan)


def _quartiles(values: Floats) -> Floats:
    result = np.full((3, values.shape[1]), np.nan)
    some = ~np.isnan(values).all(axis=0) if len(values) else np.zeros(values.shape[1], dtype=bool)
    if some.any():
        result[:, some] = np.nanquantile(values[:, some], [0.25, 0.5, 0.75], axis=0)
    return result
