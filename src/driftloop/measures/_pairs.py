"""Do different prompts come together, and do twins stay together?

All rests on three mean distances of an arm: of trajectories of different prompts (strangers), of
twins, and of two looks at one place (the noise floor).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ._bootstrap import Curve, Estimate, Labels, group_means, numbered
from ._drift import check_states
from ._influence import zero_if_rounding
from ._interval import RESAMPLES, Bools, Floats, Pivot, pivot, studentized
from ._noise import LATE, Lags
from ._quantities import NAMES, Table, measured
from ._rounds import choose_rounds, identical_twins

BOUNDS = {
    "strangers": (0.0, 2.0),
    "twins": (0.0, 2.0),
    "noise": (0.0, 2.0),
    # No floor is above the distance of twins: twins cannot be nearer than two looks at one place.
    "memory": (-np.inf, 1.0),
    "uncapped": (-np.inf, 1.0),
}
COUNTED = {"strangers": "prompts", "twins": "twins", "memory": "twins", "contraction": "prompts"}
"""Quantities that have a curve, and what each of its rounds rests on."""


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
    prompts = numbered(prompts)
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
    prompts, rounds = numbered(prompts), x.shape[1]
    apart = twin_distances(x, prompts)
    lags = Lags(x, prompts, late=late)
    here = np.isfinite(x[:, :, 0])
    each = (group_means(here.astype(float), prompts) > 0).sum(axis=0).astype(np.int64)
    twins = np.isfinite(apart).sum(axis=0).astype(np.int64)
    windows = choose_rounds(each, twins, since, lags.period, late)
    count = len(apart)
    unknown = [NAMES.index(name) for name in ("memory", "uncapped", "separation")]
    identical = identical_twins(x, apart, windows.baseline)
    curves = {name: np.full((3, rounds), np.nan) for name in COUNTED}
    at_last = Table.empty(1, 1)
    for part, table in measured(x, prompts, apart, lags, windows, resamples, seed):
        if identical:
            table.values[unknown] = np.nan
        if part is None:
            at_last = table
            continue
        for name, ends in curves.items():
            counts = (twins if COUNTED[name] == "twins" else each)[part]
            ends[:, part] = _ends(table, name, slice(None), counts)
    present = here.sum(axis=0).astype(np.int64)
    nothing = np.full(rounds, np.nan)

    def over_rounds(name: str) -> Curve:
        counts = twins if COUNTED[name] == "twins" else each
        mean, low, high = curves[name]
        return Curve(mean, low, high, nothing, nothing, nothing, present, counts)

    def at_the_end(name: str, counts: npt.NDArray[np.int64]) -> Estimate:
        least = np.array([counts.min() if counts.size else 0])
        (value,), (low,), (high,) = _ends(at_last, name, slice(0, 1), least)
        return Estimate(float(value), float(low), float(high), int(least[0]))

    def pivot_of(name: str, counts: npt.NDArray[np.int64]) -> Pivot:
        columns = slice(0, None if name == "memory" else 1)
        prompts = int(counts.min(initial=count)) if count and rounds else 0
        return pivot(*_columns(at_last, name, columns), prompts)

    late_each, late_twins = (
        each[windows.strangers],
        twins[windows.paired & (np.arange(rounds) >= windows.first)],
    )
    with_floor = np.isfinite(lags.distances[:, :1]).sum(axis=0).astype(np.int64)
    noise = at_the_end("noise", with_floor)
    return Separation(
        strangers=over_rounds("strangers"),
        twins=over_rounds("twins"),
        memory=over_rounds("memory"),
        contraction=over_rounds("contraction"),
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


def _ends(
    table: Table, name: str, columns: slice, counts: npt.NDArray[np.int64]
) -> tuple[Floats, Floats, Floats]:
    """Values and interval of one quantity."""
    parts = _columns(table, name, columns)
    low, high = studentized(*parts, counts)
    bounds = BOUNDS.get(name, (-np.inf, np.inf))
    if name == "memory":
        # Twins are nearer than the floor allows: it is lower, and how much is not known.
        beyond = low > 1
        low[beyond] = _ends(table, "separation", columns, counts)[1][beyond]
        # The cap makes the floor, and so memory, a little too small.
        high = np.fmax(high, _ends(table, "uncapped", columns, counts)[2])
    return np.clip(parts[0], *bounds), np.clip(low, *bounds), np.clip(high, *bounds)


def _columns(table: Table, name: str, columns: slice) -> tuple[Floats, Floats, Floats, Floats]:
    """Estimate, its error, resamples and theirs; the first weighting of all is the estimate."""
    row = NAMES.index(name)
    values, errors = table.values[row, :, columns], table.errors[row, :, columns]
    return values[0], errors[0], values[1:], errors[1:]


def _sizes(prompts: Labels) -> npt.NDArray[np.int64]:
    return np.unique(np.asarray(prompts), return_counts=True)[1].astype(np.int64)
