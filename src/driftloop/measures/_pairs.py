"""Do different prompts come together, and do twins stay together?

Everything here rests on three mean distances of one arm: between trajectories of different prompts
(strangers), between twins, and between a place and itself (the noise floor).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ._bootstrap import Curve, Estimate, Labels, group_means
from ._drift import check_states, cosine_distance
from ._influence import (
    Weighted,
    pair_distance,
    products,
    standard_error,
    weighted_mean,
    zero_if_rounding,
)
from ._interval import (
    RESAMPLES,
    TINY,
    Bools,
    Floats,
    Pivot,
    pivot,
    prompt_weights,
    studentized,
)

LATE = 0.5
"""Share of the rounds, from the end, that a noise floor and a verdict rest on."""
NAMES = ("strangers", "twins", "memory", "contraction", "separation", "noise")
BOUNDS = {"strangers": (0.0, 2.0), "twins": (0.0, 2.0), "noise": (0.0, 2.0)}


class Pivots(NamedTuple):
    """What the questions of a verdict are asked with."""

    contraction: Pivot
    memory: Pivot
    separation: Pivot


class Late(NamedTuple):
    """Means over the late rounds, which a verdict rests on."""

    first: int
    """The first of the late rounds, counted from 0."""
    rounds: int
    """All rounds: the horizon."""
    strangers: Estimate
    twins: Estimate
    memory: Estimate
    contraction: Estimate
    """NaN where the round it is measured from is not before the late ones."""
    separation: Estimate
    """(S - W) / S: the share of the distance between strangers that twins do not have. It is at
    most the memory, and well defined where every step is noise and the memory is not."""
    pivots: Pivots


class Separation(NamedTuple):
    """How far apart the trajectories of an arm are, round by round and at the end."""

    strangers: Curve
    """S(t): trajectories of different prompts."""
    twins: Curve
    """W(t): twins; NaN without twins."""
    memory: Curve
    """M(t): 1 where twins coincide but for noise, 0 where the prompt is forgotten."""
    contraction: Curve
    """C(t): by how much strangers have come closer than they were in the round ``since``."""
    noise: Estimate
    """N: what the dice alone do in a round."""
    late: Late
    """The same over the late rounds."""


def lag_distances(x: Floats, lags: int, *, first: int = 0) -> Floats:
    r"""Mean distance of states some rounds apart, :math:`D(k) = \mathrm{mean}_t\, d(x_t, x_{t-k})`.

    Args:
        x: ``(trajectories, rounds, d)`` unit vectors.
        lags: Largest *k*.
        first: Rounds before this one (from 0) are left out.

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
    for lag in range(1, min(lags, late.shape[1] - 1) + 1):
        distances = cosine_distance(late[:, lag:], late[:, :-lag])
        present = np.isfinite(distances)
        counts = present.sum(axis=1)
        sums = np.where(present, distances, 0.0).sum(axis=1, dtype=np.float64)
        result[:, lag - 1] = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return result


def noise_floor(x: Floats, *, late: float = LATE) -> Floats:
    r"""What is left of a step when movement is taken out, :math:`N = 2 D(1) - D(2)`.

    The distance of states *k* rounds apart, extended in a straight line to *k* = 0 (the nugget of
    a variogram; Matheron, *Economic Geology* 58, 1963): on the sphere distances are half squared,
    so that independent noise adds the same to every *k* and slow movement grows with *k*.

    Args:
        x: ``(trajectories, rounds, d)`` unit vectors.
        late: Share of the rounds, from the end, that it is taken from.

    Returns:
        ``(trajectories,)``, at least 0; NaN with fewer than three late rounds.

    >>> import numpy as np
    >>> noise_floor(np.tile(np.array([1.0, 0.0]), (1, 8, 1))).tolist()
    [0.0]
    """
    near = lag_distances(x, 2, first=late_from(x.shape[1], late, 3))
    floors: Floats = np.maximum(2 * near[:, 0] - near[:, 1], 0.0)
    return floors


def twin_distances(x: Floats, prompts: Labels) -> Floats:
    """Mean distance between the twins of each prompt, round by round.

    From sums of vectors, so that time is linear in the number of twins: the squared length of a sum
    of unit vectors holds all their inner products.

    Args:
        x: ``(trajectories, rounds, d)`` unit vectors.
        prompts: ``(trajectories,)`` labels.

    Returns:
        ``(prompts, rounds)``, prompts in sorted order; NaN with fewer than two twins.

    >>> import numpy as np
    >>> x = np.array([[[1.0, 0.0]], [[0.0, 1.0]], [[1.0, 0.0]]])
    >>> twin_distances(x, ["a", "a", "b"]).tolist()
    [[1.0], [nan]]
    """
    check_states(x)
    columns = []
    for t in range(x.shape[1]):
        present: Bools = np.asarray(np.isfinite(x[:, t, 0]))
        means = group_means(x[:, t], prompts)
        share = group_means(present[:, None].astype(float), prompts)[:, 0]
        count = np.round(share * _sizes(prompts))
        squares = group_means(np.einsum("nd,nd->n", x[:, t], x[:, t])[:, None], prompts)[:, 0]
        with np.errstate(invalid="ignore", divide="ignore"):
            inner = (count * np.einsum("pd,pd->p", means, means) - squares) / (count - 1)
            columns.append(np.where(count > 1, zero_if_rounding(squares - inner), np.nan))
    return np.stack(columns, axis=1) if columns else np.empty((0, 0))


def separation(
    x: Floats,
    prompts: Labels,
    *,
    since: int = 0,
    late: float = LATE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Separation:
    r"""Strangers, twins, memory and contraction of one arm, with intervals over prompts.

    * :math:`S(t) = \mathrm{mean}_{p \ne q}\, d(x(p, a, t), x(q, b, t))`, prompts weighing the same;
    * :math:`W(t) = \mathrm{mean}_p\, \mathrm{mean}_{a \ne b}\, d(x(p, a, t), x(p, b, t))`;
    * :math:`N` from :func:`noise_floor`;
    * memory :math:`M(t) = (S - W) / (S - N)`, contraction
      :math:`C(t) = 1 - S(t) / S(t_0)`, where :math:`t_0` is ``since``.

    Memory is a share of variance: between prompts, of all that is not dice (an intraclass
    correlation corrected for the noise of one look). It is NaN where strangers are no further apart
    than the dice throw, and not kept within [0, 1], so that its mean is not biased.

    Intervals are studentised bootstraps over prompts, with errors from influence values (see
    ``_influence``); all quantities share their resamples. A chain forgets and does not recall (what
    its state says of the prompt cannot grow; the data-processing inequality), so memory over more
    rounds than the late ones is an upper bound of late memory, and a sharper one where trajectories
    move slowly among few places and few rounds are few looks. Its pivot has the late rounds, and
    those from a half, a quarter, an eighth ... of their start on.

    Args:
        x: ``(trajectories, rounds, d)`` unit vectors, NaN where there is no state. Round 1 first.
        prompts: ``(trajectories,)`` labels.
        since: The round (from 0) that contraction is measured from: the first whose states were
            made from what a model had made. One made from a prompt (round 1's picture, where the
            loop starts with a text) is in the prompt's register and differs from all later ones
            by that alone.
        late: Share of the rounds, from the end, that ``late`` and the noise floor are taken over.
        resamples: Bootstrap resamples of prompts.
        seed: Of the resampling.

    Returns:
        A :class:`Separation`; quartiles of its curves are NaN, since pairs are not trajectories.

    >>> import numpy as np
    >>> a, b, end = np.eye(3)
    >>> x = np.array([[a, end], [a, end], [b, end], [b, end]])
    >>> found = separation(x, ["a", "a", "b", "b"])
    >>> found.strangers.mean.tolist(), found.contraction.mean.tolist()
    ([1.0, 0.0], [0.0, 1.0])
    """
    check_states(x)
    rounds = x.shape[1]
    starts = [start := late_from(rounds, late, 1)]
    while starts[-1] > 1:
        starts.append(starts[-1] // 2)
    apart = twin_distances(x, prompts)
    floors = group_means(noise_floor(x, late=late)[:, None], prompts)[:, 0]
    states = [group_means(x[:, t], prompts) for t in range(rounds)]
    count = len(floors)
    weightings = [np.ones((1, count)), *prompt_weights(count, resamples, seed)]
    since = min(since, rounds - 1)
    found = (
        [_of_block(w, states, apart, floors, starts, since) for w in weightings]
        if count and rounds
        else []
    )
    each = np.array([int(np.isfinite(part[:, 0]).sum()) for part in states], dtype=np.int64)
    twins = np.isfinite(apart).sum(axis=0).astype(np.int64)
    present = np.isfinite(x[:, :, 0]).sum(axis=0).astype(np.int64)
    nothing = np.full(rounds, np.nan)

    def over_rounds(name: str, counts: npt.NDArray[np.int64]) -> Curve:
        ends = _ends(found, name, slice(0, rounds), counts)
        return Curve(*ends, nothing, nothing, nothing, present, counts)

    def at_the_end(name: str, counts: npt.NDArray[np.int64]) -> Estimate:
        # Prompts that are missing from some late rounds do not count.
        least = np.array([counts.min() if counts.size else 0])
        (value,), (low,), (high,) = _ends(found, name, slice(rounds, rounds + 1), least)
        return Estimate(float(value), float(low), float(high), int(least[0]))

    def pivot_of(name: str, counts: npt.NDArray[np.int64]) -> Pivot:
        if not found:
            none = np.full((1, 1), np.nan)
            return pivot(none[0], none[0], none, none, 0)
        columns = slice(rounds, None if name == "memory" else rounds + 1)
        return pivot(*_columns(found, name, columns), int(counts.min(initial=count)))

    return Separation(
        strangers=over_rounds("strangers", each),
        twins=over_rounds("twins", twins),
        memory=over_rounds("memory", twins),
        contraction=over_rounds("contraction", each),
        noise=at_the_end("noise", np.isfinite(floors).sum(keepdims=True).astype(np.int64)),
        late=Late(
            start, rounds,
            strangers=at_the_end("strangers", each[start:]),
            twins=at_the_end("twins", twins[start:]),
            memory=at_the_end("memory", twins[start:]),
            contraction=at_the_end("contraction", each[start:]),
            separation=at_the_end("separation", twins[start:]),
            pivots=Pivots(
                contraction=pivot_of("contraction", each[start:]),
                memory=pivot_of("memory", twins[start:]),
                separation=pivot_of("separation", twins[start:]),
            ),
        ),
    )  # fmt: skip


class _Block(NamedTuple):
    """Six quantities under some weightings, for every round and then from every start on."""

    values: Floats
    """``(quantities, weightings, rounds + starts)``."""
    errors: Floats


def _of_block(
    w: Floats,
    states: list[Floats],
    apart: Floats,
    floors: Floats,
    starts: list[int],
    since: int,
) -> _Block:
    rounds = len(states)
    block = _Block(*np.full((2, len(NAMES), len(w), rounds + len(starts)), np.nan))
    noise = weighted_mean(w, floors)
    apart_by_round = [pair_distance(w, part) for part in states]
    first = apart_by_round[since]
    from_start = [(_Average(), _Average()) for _ in starts]
    for t, strangers in enumerate(apart_by_round):
        twins = weighted_mean(w, apart[:, t])
        _fill(block, t, w, strangers, twins, noise, first)
        for start, (apart_mean, twin_mean) in zip(starts, from_start, strict=True):
            if t >= start:
                apart_mean.add(strangers)
                twin_mean.add(twins)
    for column, (start, means) in enumerate(zip(starts, from_start, strict=True), start=rounds):
        _fill(block, column, w, means[0].mean(), means[1].mean(), noise, first)
        if start <= since:
            block.values[NAMES.index("contraction"), :, column] = np.nan
    return block


def _fill(
    block: _Block, t: int, w: Floats, strangers: Weighted, twins: Weighted, noise: Weighted,
    first: Weighted,
) -> None:  # fmt: skip
    parts = [strangers, twins, noise, first]
    s, v, n, s1 = (part.value for part in parts)
    covariance = products(w, [part.influence for part in parts])
    one = np.ones_like(s)
    with np.errstate(invalid="ignore", divide="ignore"):
        room = np.where(s - n > TINY, s - n, np.nan)
        s, s1 = np.where(s > TINY, s, np.nan), np.where(s1 > TINY, s1, np.nan)
        memory = (s - v) / room
        rows: list[tuple[Floats, dict[int, Floats]]] = [
            (parts[0].value, {0: one}),
            (v, {1: one}),
            (memory, {0: (1 - memory) / room, 1: -1 / room, 2: memory / room}),
            (1 - parts[0].value / s1, {0: -1 / s1, 3: parts[0].value / s1**2}),
            ((s - v) / s, {0: v / s**2, 1: -1 / s}),
            (n, {2: one}),
        ]
    for row, (value, slopes) in enumerate(rows):
        which = np.ix_(range(len(w)), list(slopes), list(slopes))
        block.values[row, :, t] = value
        block.errors[row, :, t] = standard_error(
            list(slopes.values()), covariance[which], w.shape[1]
        )


class _Average:
    """Mean of means over rounds; a round without one is left out."""

    def __init__(self) -> None:
        self._value: Floats = np.zeros(1)
        self._influence: Floats = np.zeros((1, 1))
        self._count: Floats = np.zeros(1)

    def add(self, part: Weighted) -> None:
        self._count = self._count + np.isfinite(part.value)
        self._value = self._value + np.nan_to_num(part.value)
        self._influence = self._influence + part.influence

    def mean(self) -> Weighted:
        with np.errstate(invalid="ignore", divide="ignore"):
            value = np.where(self._count > 0, self._value / self._count, np.nan)
        return Weighted(value, self._influence / np.maximum(self._count, 1)[:, None])


def _ends(
    found: list[_Block],
    name: str,
    columns: slice,
    counts: npt.NDArray[np.int64],
) -> tuple[Floats, Floats, Floats]:
    """Values and interval of one quantity."""
    if not found:
        return (np.full(len(counts), np.nan),) * 3
    parts = _columns(found, name, columns)
    low, high = studentized(*parts, counts)
    bounds = BOUNDS.get(name, (-np.inf, np.inf))
    return parts[0], np.clip(low, *bounds), np.clip(high, *bounds)


def _columns(
    found: list[_Block], name: str, columns: slice
) -> tuple[Floats, Floats, Floats, Floats]:
    """Estimate, its error, resamples and theirs; the first weighting of all is the estimate."""
    row = NAMES.index(name)
    values = np.concatenate([block.values[row, :, columns] for block in found])
    errors = np.concatenate([block.errors[row, :, columns] for block in found])
    return values[0], errors[0], values[1:], errors[1:]


def late_from(rounds: int, late: float, least: int) -> int:
    """The first of the late rounds, counted from 0: a share of all, but so many at least."""
    return max(0, rounds - max(least, round(rounds * late)))


def _sizes(prompts: Labels) -> npt.NDArray[np.int64]:
    return np.unique(np.asarray(prompts), return_counts=True)[1].astype(np.int64)
