"""Means over prompts, and how sure they are: a prompt counts once however many twins it has."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from ._interval import (
    RESAMPLES,
    Floats,
    Ints,
    expanded_percentiles,
    prompt_weights,
    stretches,
    studentized,
)

Labels: TypeAlias = Sequence[Hashable] | npt.NDArray[Any]


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


def curve(
    values: Floats,
    prompts: Labels,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> Curve:
    r"""Summarise a quantity of trajectories per round.

    The mean is :math:`m(t) = |P|^{-1} \sum_p |A_p|^{-1} \sum_{a \in A_p} y(p, a, t)` over the
    prompts and twins that have a value at round *t*. Its interval is the studentised bootstrap over
    prompts, which keeps its coverage where a few dozen prompts are skewed.

    Args:
        values: ``(trajectories, rounds)``; NaN where a trajectory has no value.
        prompts: ``(trajectories,)`` labels: which trajectories share a prompt.
        resamples: Bootstrap resamples.
        seed: Of the resampling.
        bounds: Values that the quantity cannot leave; the interval is cut there.

    Returns:
        A :class:`Curve`, NaN at rounds without any value.

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
    # Centred, so that the squares below do not lose a small spread on top of a large mean.
    centre = np.nan_to_num(_ratio(np.where(present, means, 0.0).sum(axis=0), counts))
    filled = np.where(present, means - centre, 0.0)
    ones = np.ones((1, len(means)))
    (mean,), (error,) = (part + 0.0 for part in _mean_and_error(ones, filled, present))
    low, high = np.full((2, values.shape[1]), np.nan)
    for columns in stretches(values.shape[1] if len(means) and resamples else 0, resamples):
        drawn = [
            _mean_and_error(weights, filled[:, columns], present[:, columns])
            for weights in prompt_weights(len(means), resamples, seed)
        ]
        means_drawn, errors_drawn = (np.concatenate(part) for part in zip(*drawn, strict=True))
        low[columns], high[columns] = studentized(
            mean[columns], error[columns], means_drawn, errors_drawn, counts[columns]
        )
    low, high = (np.clip(end + centre, *bounds) for end in (low, high))
    mean = mean + centre
    q25, median, q75 = _quartiles(values)
    return Curve(
        mean, low, high, q25, median, q75,
        (~np.isnan(values)).sum(axis=0).astype(np.int64), counts.astype(np.int64),
    )  # fmt: skip


def share(
    holds: Sequence[bool] | Floats, prompts: Labels, *, resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """Share of trajectories that something holds for, prompts weighing the same.

    Args:
        holds: ``(trajectories,)``; or the share of each trajectory's rounds, NaN where unknown.
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
    means = group_means(column, prompts)
    means = means[np.isfinite(means[:, 0])]
    count = len(means)
    value, low, high = float(means.mean()) if count else np.nan, np.nan, np.nan
    # A share of zero or one has no error of its own to be measured in: percentiles, not t.
    drawn = [weights @ means / count for weights in prompt_weights(count, resamples, seed)]
    if drawn:
        ends = expanded_percentiles(np.concatenate(drawn), np.array([count]))
        low, high = (float(end[0]) for end in ends)
    if count and value in (0.0, 1.0):
        open_end = min(1.0, 3 / count)
        low, high = (0.0, open_end) if value == 0.0 else (1.0 - open_end, 1.0)
    return Estimate(value, low, high, count)


def group_means(values: Floats, prompts: Labels) -> Floats:
    """Mean over each prompt's trajectories, ``(prompts, ...)``, prompts in sorted order.

    Missing values (NaN) are left out; a prompt without any has NaN.
    """
    return means_of(lambda rows: values[rows], values.shape[1:], prompts)


def numbered(prompts: Labels) -> Ints:
    """The same labels as numbers, in their order: comparing texts takes many times as long."""
    return np.unique(np.asarray(prompts), return_inverse=True)[1].astype(np.int64)


def means_of(make: Callable[[Ints], Floats], shape: tuple[int, ...], prompts: Labels) -> Floats:
    """The same of values that are made as they are needed, so that never all of them are there.

    Args:
        make: Gives the values of some trajectories, ``(trajectories, *shape)``.
        shape: Of a trajectory's values.
        prompts: ``(trajectories,)`` labels.
    """
    groups, codes = np.unique(np.asarray(prompts), return_inverse=True)
    result = np.empty((len(groups), *shape))
    if not len(groups):
        return result
    order = np.argsort(codes, kind="stable")
    first = np.searchsorted(codes[order], np.arange(len(groups) + 1))
    each = int(np.prod(shape, dtype=int)) * -(-len(order) // len(groups))
    for part in stretches(len(groups), each):
        bounds = first[part.start : part.stop + 1]
        values = np.asarray(make(order[bounds[0] : bounds[-1]]), dtype=np.float64)
        present = ~np.isnan(values)
        starts = bounds[:-1] - bounds[0]
        sums = np.add.reduceat(np.where(present, values, 0.0), starts, axis=0)
        counts = np.add.reduceat(present, starts, axis=0, dtype=np.float64)
        result[part] = _ratio(sums, counts)
    return result


def _mean_and_error(
    weights: Floats, filled: Floats, present: npt.NDArray[Any]
) -> tuple[Floats, Floats]:
    """Weighted means of columns and their standard errors, each ``(resamples, columns)``."""
    counts = weights @ present
    means = _ratio(weights @ filled, counts)
    spread = _ratio(weights @ filled**2, counts) - means**2
    return means, np.sqrt(_ratio(np.maximum(spread, 0.0), counts - 1))


def _ratio(sums: Floats, counts: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(counts > 0, sums / counts, np.nan)


def _quartiles(values: Floats) -> Floats:
    result = np.full((3, values.shape[1]), np.nan)
    some = ~np.isnan(values).all(axis=0) if len(values) else np.zeros(values.shape[1], dtype=bool)
    if some.any():
        result[:, some] = np.nanquantile(values[:, some], [0.25, 0.5, 0.75], axis=0)
    return result
