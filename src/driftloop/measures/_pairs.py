"""Do different prompts come together, and do twins stay together?

All rests on three mean distances of an arm: of trajectories of different prompts (strangers), of
twins, and of two looks at one place (the noise floor).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ._bootstrap import Curve, Estimate, Labels, group_means
from ._drift import check_states
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
from ._noise import LATE, Lags
from ._rounds import Windows, choose_rounds, identical_twins

NAMES = "strangers twins memory contraction separation noise room uncapped".split()
BOUNDS = {
    "strangers": (0.0, 2.0),
    "twins": (0.0, 2.0),
    "noise": (0.0, 2.0),
    # No floor is above the distance of twins: twins cannot be nearer than two looks at one place.
    "memory": (-np.inf, 1.0),
    "uncapped": (-np.inf, 1.0),
}


class Pivots(NamedTuple):
    """What the questions of a verdict are asked with."""

    contraction: Pivot
    memory: Pivot
    separation: Pivot
    room: Pivot
    """(S - N) / S: the share of the distance between strangers that noise does not account for."""


class Late(NamedTuple):
    """Means over the late rounds, which a verdict rests on."""

    first: int
    """The first of the late rounds, counted from 0."""
    rounds: int
    """All rounds: the horizon."""
    counted: int
    """Late rounds that count: enough prompts have a state there."""
    baseline: int | None
    """The round, from 0, that contraction is measured from; None where no round counts."""
    period: int
    """Rounds after which the loop is back where it was; 1 where it does not alternate."""
    paired: int
    """Prompts that have twins."""
    identical: bool
    """Whether twins are the same in every round although trajectories move. Nothing random then
    sets them apart, and memory cannot be told."""
    noise: Estimate
    strangers: Estimate
    twins: Estimate
    memory: Estimate
    contraction: Estimate
    """NaN where the baseline is not before the late rounds. Of a loop that alternates, the late
    rounds that are whole periods after the baseline are taken."""
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
    """C(t): by how much strangers have come closer than they were in the baseline round."""
    noise: Estimate
    """N: the distance of two looks at one place."""
    late: Late
    """The same over the late rounds."""


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
      :math:`C(t) = 1 - S(t) / S(t_0)`, where :math:`t_0` is the baseline.

    Memory is a share of variance: between prompts, of all that is not noise (an intraclass
    correlation corrected for the noise of one look). It is NaN where strangers are no farther apart
    than two looks at one place. It is at most 1, since twins are no nearer than two such looks;
    its mean is not cut, only what is shown of it. Where twins are clearly nearer than the floor,
    the steps of the loop do not tell the floor, and the interval begins at (S - W) / S, which is
    memory without any noise. The interval ends where that of memory by a floor without its cap
    does, if that is higher: the least of several lags is a little too small.

    A round counts where at least half as many prompts have a state as in the fullest round. All
    else is skipped: the baseline is the first round that counts from ``since`` on, and late means
    are of the late rounds that count. Memory takes both its distances from the same rounds.

    Intervals are studentised bootstraps over prompts, with errors from influence values (see
    ``_influence``); all quantities share their resamples. A chain forgets and does not recall (what
    its state says of the prompt cannot grow; the data-processing inequality), so memory over more
    rounds than the late ones is an upper bound of late memory, and a sharper one where trajectories
    move slowly among few places and few rounds are few looks. Its pivot has the late rounds, and
    those from a half, a quarter, an eighth ... of their start on.

    Args:
        x: ``(trajectories, rounds, d)`` unit vectors, NaN where there is no state. Round 1 first.
        prompts: ``(trajectories,)`` labels.
        since: The first round (from 0) that contraction may be measured from: the first whose
            states were made from what a model had made. One made from a prompt (round 1's picture,
            where the loop starts with a text) is in the prompt's register and differs from all
            later ones by that alone.
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
    apart = twin_distances(x, prompts)
    lags = Lags(x, prompts, late=late)
    states = [group_means(x[:, t], prompts) for t in range(rounds)]
    each = np.array([int(np.isfinite(part[:, 0]).sum()) for part in states], dtype=np.int64)
    twins = np.isfinite(apart).sum(axis=0).astype(np.int64)
    windows = choose_rounds(each, twins, since, lags.period, late)
    identical = identical_twins(x, apart, windows.baseline)
    count = len(apart)
    weightings = [np.ones((1, count)), *prompt_weights(count, resamples, seed)]
    found = (
        [_of_block(w, states, apart, lags, windows) for w in weightings] if count and rounds else []
    )
    if identical:
        for block in found:
            block.values[[NAMES.index(n) for n in ("memory", "uncapped", "separation")]] = np.nan
    present = np.isfinite(x[:, :, 0]).sum(axis=0).astype(np.int64)
    nothing = np.full(rounds, np.nan)

    def over_rounds(name: str, counts: npt.NDArray[np.int64]) -> Curve:
        ends = _ends(found, name, slice(0, rounds), counts)
        return Curve(*ends, nothing, nothing, nothing, present, counts)

    def at_the_end(name: str, counts: npt.NDArray[np.int64]) -> Estimate:
        least = np.array([counts.min() if counts.size else 0])
        (value,), (low,), (high,) = _ends(found, name, slice(rounds, rounds + 1), least)
        return Estimate(float(value), float(low), float(high), int(least[0]))

    def pivot_of(name: str, counts: npt.NDArray[np.int64]) -> Pivot:
        if not found:
            none = np.full((1, 1), np.nan)
            return pivot(none[0], none[0], none, none, 0)
        columns = slice(rounds, None if name == "memory" else rounds + 1)
        return pivot(*_columns(found, name, columns), int(counts.min(initial=count)))

    late_each, late_twins = each[windows.strangers], twins[windows.memory[0]]
    with_floor = np.isfinite(lags.distances[:, :1]).sum(axis=0).astype(np.int64)
    noise = at_the_end("noise", with_floor)
    return Separation(
        strangers=over_rounds("strangers", each),
        twins=over_rounds("twins", twins),
        memory=over_rounds("memory", twins),
        contraction=over_rounds("contraction", each),
        noise=noise,
        late=Late(
            windows.first, rounds, int(windows.strangers.sum()), windows.baseline, lags.period,
            int((_sizes(prompts) > 1).sum()), identical, noise,
            strangers=at_the_end("strangers", late_each),
            twins=at_the_end("twins", late_twins),
            memory=at_the_end("memory", late_twins),
            contraction=at_the_end("contraction", late_each),
            separation=at_the_end("separation", late_twins),
            pivots=Pivots(
                contraction=pivot_of("contraction", late_each),
                memory=pivot_of("memory", late_twins),
                separation=pivot_of("separation", late_twins),
                room=pivot_of("room", late_twins),
            ),
        ),
    )  # fmt: skip


class _Block(NamedTuple):
    """All quantities under some weightings, for every round and then over the late rounds.

    Memory has further columns: the same from earlier rounds on.
    """

    values: Floats
    """``(quantities, weightings, rounds + windows)``."""
    errors: Floats


def _of_block(
    w: Floats, states: list[Floats], apart: Floats, lags: Lags, windows: Windows
) -> _Block:
    rounds = len(states)
    block = _Block(*np.full((2, len(NAMES), len(w), rounds + len(windows.memory)), np.nan))
    noise, uncapped = lags.floor(w)
    none = Weighted(np.full(len(w), np.nan), np.zeros_like(w))
    first = none if windows.baseline is None else pair_distance(w, states[windows.baseline])
    strangers, contraction = _Average(), _Average()
    memory = [(_Average(), _Average()) for _ in windows.memory]
    for t, part in enumerate(states):
        now, twins = pair_distance(w, part), weighted_mean(w, apart[:, t])
        _fill(block, t, w, _Parts(now, now, now, twins, noise, first, uncapped))
        if windows.strangers[t]:
            strangers.add(now)
        if windows.contraction[t]:
            contraction.add(now)
        for counts, (matched, of_twins) in zip(windows.memory, memory, strict=True):
            if counts[t]:
                matched.add(now)
                of_twins.add(twins)
    for column, (matched, of_twins) in enumerate(memory, start=rounds):
        late = matched.mean(none), of_twins.mean(none)
        means = strangers.mean(none), contraction.mean(none), *late
        _fill(block, column, w, _Parts(*means, noise, first, uncapped))
    return block


class _Parts(NamedTuple):
    """The mean distances that all quantities are made of."""

    strangers: Weighted
    contraction: Weighted
    """Strangers in the rounds that contraction is taken over."""
    matched: Weighted
    """Strangers in the rounds that have twins."""
    twins: Weighted
    noise: Weighted
    first: Weighted
    """Strangers in the baseline round."""
    uncapped: Weighted
    """The noise floor without its cap."""


def _fill(block: _Block, t: int, w: Floats, parts: _Parts) -> None:
    strangers, c, s, v, n, s1, free = (part.value for part in parts)
    covariance = products(w, [part.influence for part in parts])
    one = np.ones_like(s)
    with np.errstate(invalid="ignore", divide="ignore"):
        room = np.where(s - n > TINY, s - n, np.nan)
        s, s1 = np.where(s > TINY, s, np.nan), np.where(s1 > TINY, s1, np.nan)
        memory = (s - v) / room
        free_room = np.where(s - free > TINY, s - free, np.nan)
        uncapped = (s - v) / free_room
        # Each value with its derivative by each of the parts that it depends on.
        rows: list[tuple[Floats, dict[int, Floats]]] = [
            (strangers, {0: one}),
            (v, {3: one}),
            (memory, {2: (1 - memory) / room, 3: -1 / room, 4: memory / room}),
            (1 - c / s1, {1: -1 / s1, 5: c / s1**2}),
            ((s - v) / s, {2: v / s**2, 3: -1 / s}),
            (n, {4: one}),
            ((s - n) / s, {2: n / s**2, 4: -1 / s}),
            (
                uncapped,
                {2: (1 - uncapped) / free_room, 3: -1 / free_room, 6: uncapped / free_room},
            ),
        ]
    for row, (value, slopes) in enumerate(rows):
        block.values[row, :, t] = value
        at = list(slopes)
        some = np.ascontiguousarray(covariance.take(at, axis=1).take(at, axis=2))
        block.errors[row, :, t] = standard_error(list(slopes.values()), some, w.shape[1])


class _Average:
    """Mean of means over rounds; a round without one is left out."""

    def __init__(self) -> None:
        self._value: Floats = np.zeros(1)
        self._influence: Floats = np.zeros((1, 1))
        self._count: Floats = np.zeros(1)

    def add(self, part: Weighted) -> None:
        here = np.isfinite(part.value)
        self._count = self._count + here
        self._value = self._value + np.where(here, part.value, 0.0)
        self._influence = self._influence + part.influence

    def mean(self, none: Weighted) -> Weighted:
        """The mean, or *none* where no round was added."""
        if not self._count.any():
            return none
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
    if name == "memory":
        # Twins are nearer than the floor allows: it is lower, and how much is not known.
        beyond = low > 1
        low[beyond] = _ends(found, "separation", columns, counts)[1][beyond]
        # The cap makes the floor, and so memory, a little too small.
        high = np.fmax(high, _ends(found, "uncapped", columns, counts)[2])
    return np.clip(parts[0], *bounds), np.clip(low, *bounds), np.clip(high, *bounds)


def _columns(
    found: list[_Block], name: str, columns: slice
) -> tuple[Floats, Floats, Floats, Floats]:
    """Estimate, its error, resamples and theirs; the first weighting of all is the estimate."""
    row = NAMES.index(name)
    values = np.concatenate([block.values[row, :, columns] for block in found])
    errors = np.concatenate([block.errors[row, :, columns] for block in found])
    return values[0], errors[0], values[1:], errors[1:]


def _sizes(prompts: Labels) -> npt.NDArray[np.int64]:
    return np.unique(np.asarray(prompts), return_counts=True)[1].astype(np.int64)
