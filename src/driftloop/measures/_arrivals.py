"""Did trajectories come to a region, or did their prompts begin together? The control of motifs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ._bootstrap import Estimate, Labels, group_means, means_of
from ._interval import TINY, Bools, Floats, Ints, expanded_percentiles, weightings

COME = 1 / 3
"""A region is come to where so much of its prompts' closeness was made by the loop."""
RESAMPLES = 200


def closeness_made(
    x: Floats, first: Floats, inside: Bools, prompts: Labels, *, seed: int = 0
) -> Estimate:
    r"""How much of the closeness of the prompts in a region the loop has made.

    .. math:: A = \frac{F - E}{S - E}

    *E* is the mean distance in the region between states of different prompts, *F* the mean
    distance at first between the same trajectories, and *S* that between all trajectories of
    different prompts at first. Pairs weigh by how much of the time both are in the region. 0 is
    that they began as near each other as they end: near-duplicates that stay, or that go somewhere
    together. 1 is that they began as far apart as any. *F* is the control: the same clusters, as
    they were before anything was played.

    Args:
        x: ``(trajectories, rounds, d)`` unit vectors; NaN where there is no state.
        first: ``(trajectories, d)`` where each began; NaN where that is not known.
        inside: ``(trajectories, rounds)`` which states lie in the region.
        prompts: ``(trajectories,)`` labels.
        seed: Of the resampling.

    Returns:
        An :class:`Estimate` with expanded percentiles over prompts; NaN where fewer than two
        prompts are in the region, or where its states are no nearer to each other than prompts
        were at first.

    >>> import numpy as np
    >>> apart, same = np.eye(3), np.ones((3, 1, 3)) / 3**0.5
    >>> inside = np.ones((3, 1), dtype=bool)
    >>> closeness_made(same, apart, inside, ["a", "b", "c"]).value.round(9).tolist()
    1.0
    """
    values, counts = _values(x, first, inside, prompts, seed)
    if not len(values):
        return Estimate(np.nan, np.nan, np.nan, int((counts > 0).sum()))
    end, before, apart = values
    with np.errstate(invalid="ignore", divide="ignore"):
        made = np.where(apart - end > TINY, (before - end) / (apart - end), np.nan)
    low, high = expanded_percentiles(made[1:, None], np.array([len(counts)]))
    return Estimate(float(made[0]), float(low[0]), float(high[0]), int((counts > 0).sum()))


def still_apart(x: Floats, first: Floats, inside: Bools, prompts: Labels) -> float:
    """Distance between prompts in a region as a share of what it was at first, E / S.

    Args:
        x: ``(trajectories, rounds, d)`` unit vectors.
        first: ``(trajectories, d)`` where each began.
        inside: ``(trajectories, rounds)`` which states lie in the region.
        prompts: ``(trajectories,)`` labels.

    Returns:
        0 where they have become the same; NaN where all began alike.
    """
    values, _ = _values(x, first, inside, prompts, None)
    if not len(values) or not values[2, 0] > TINY:
        return np.nan
    return float(values[0, 0] / values[2, 0])


def _values(
    x: Floats, first: Floats, inside: Bools, prompts: Labels, seed: int | None
) -> tuple[Floats, Floats]:
    """*E*, *F* and *S*, ``(3, 1 + resamples)``, and how much of the time each prompt is inside."""
    here = np.isfinite(x[:, :, 0])
    known = np.isfinite(first[:, 0])
    inside = np.asarray(inside & here & known[:, None])
    rounds = np.maximum(here.sum(axis=1), 1)
    time = inside.sum(axis=1) / rounds

    def ends(rows: Ints) -> Floats:
        states = np.where(inside[rows, :, None], x[rows], 0.0).sum(axis=1, dtype=np.float64)
        return np.asarray(states / rounds[rows, None])

    def start(rows: Ints) -> Floats:
        return np.where(known[rows, None], first[rows], 0.0).astype(np.float64)

    # A prompt's states in the region, its starts by the time spent, its starts: means over its
    # twins of unit vectors, and what these weigh.
    there, whole = (
        group_means(weight[:, None], prompts)[:, 0] for weight in (time, known.astype(float))
    )
    if (there > 0).sum() < 2:
        return np.empty((0, 1)), there
    parts: list[tuple[Callable[[Ints], Floats], Floats]] = [
        (ends, there),
        (lambda rows: start(rows) * time[rows, None], there),
        (start, whole),
    ]
    values = []
    for make, weight in parts:
        vectors = means_of(make, first.shape[1:], prompts)
        drawn = weightings(len(weight), 0 if seed is None else RESAMPLES, seed or 0)
        values.append(np.concatenate([_apart(w, vectors, weight) for w in drawn]))
    return np.stack(values), there


def _apart(w: Floats, vectors: Floats, time: Floats) -> Floats:
    """Mean distance over pairs of different prompts, under each weighting of them.

    Args:
        w: ``(weightings, prompts)``.
        vectors: ``(prompts, d)``, each the sum of unit vectors that weigh *time* together.
        time: ``(prompts,)``.
    """
    squares = w**2
    pairs = (w @ time) ** 2 - squares @ time**2
    alike = ((w @ vectors) ** 2).sum(axis=1) - squares @ np.einsum("pd,pd->p", vectors, vectors)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(pairs > TINY**2, np.clip(1.0 - alike / pairs, 0.0, 2.0), np.nan)
