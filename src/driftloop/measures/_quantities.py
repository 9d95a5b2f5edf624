"""The quantities of a verdict under every weighting of the prompts, a few rounds at a time.

All resamples of a round are needed together, since they make its interval; of all rounds only the
sums are, which late means are made of. So rounds come in stretches, and what is held does not grow
with how many there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ._bootstrap import Labels, group_means
from ._influence import Weighted, pair_distance, products, standard_error, weighted_mean
from ._interval import TINY, Floats, stretches, weightings
from ._noise import Lags
from ._rounds import Windows

NAMES = "strangers twins memory contraction separation noise room uncapped".split()


class Table(NamedTuple):
    """All quantities under all weightings, for some rounds or windows of them."""

    values: Floats
    """``(quantities, weightings, columns)``; the first weighting is the estimate."""
    errors: Floats

    @classmethod
    def empty(cls, weightings: int, columns: int) -> Table:
        """One that nothing is known of."""
        return cls(*np.full((2, len(NAMES), weightings, columns), np.nan))


def measured(
    x: Floats, prompts: Labels, apart: Floats, lags: Lags, windows: Windows, resamples: int,
    seed: int,
) -> Iterator[tuple[slice | None, Table]]:  # fmt: skip
    """Measure rounds, from the last to the first.

    Args:
        x: ``(trajectories, rounds, d)`` unit vectors.
        prompts: ``(trajectories,)`` labels.
        apart: ``(prompts, rounds)`` distances of twins.
        lags: What the noise floor is taken from.
        windows: Which rounds count.
        resamples: Bootstrap resamples.
        seed: Of the resampling.

    Yields:
        A stretch of rounds with its table; at last None, and a table with a column for each start
        that late means are taken from. Nothing where there are no prompts or rounds.
    """
    count, rounds = apart.shape
    if not count or not rounds:
        return
    late = Table.empty(resamples + 1, len(windows.starts))
    kept: dict[int, _Sums] = {}
    for part in reversed([*stretches(rounds, len(NAMES) * (resamples + 1))]):
        table = Table.empty(resamples + 1, part.stop - part.start)
        row = 0
        for number, w in enumerate(weightings(count, resamples, seed)):
            rows = slice(row, row := row + len(w))
            sums = kept.pop(number, None) or _Sums()
            # Needed again for the rounds before: where there are none, it is not held.
            if part.start:
                kept[number] = sums
            none = Weighted(np.full(len(w), np.nan), np.zeros_like(w))
            noise, uncapped = lags.floor(w)
            first = none
            if windows.baseline is not None:
                first = pair_distance(w, group_means(x[:, windows.baseline], prompts))
            for t in reversed(range(part.start, part.stop)):
                now = pair_distance(w, group_means(x[:, t], prompts))
                twins = weighted_mean(w, apart[:, t])
                parts = _Parts(now, now, now, twins, noise, first, uncapped)
                _fill(table, rows, t - part.start, w, parts)
                sums.add(t, windows, now, twins)
                if t in windows.starts:
                    parts = _Parts(*sums.means(none), noise, first, uncapped)
                    _fill(late, rows, windows.starts.index(t), w, parts)
        yield part, table
    yield None, late


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


def _fill(table: Table, rows: slice, column: int, w: Floats, parts: _Parts) -> None:
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
        found: list[tuple[Floats, dict[int, Floats]]] = [
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
    for number, (value, slopes) in enumerate(found):
        table.values[number, rows, column] = value
        at = list(slopes)
        some = np.ascontiguousarray(covariance.take(at, axis=1).take(at, axis=2))
        table.errors[number, rows, column] = standard_error(list(slopes.values()), some, w.shape[1])


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


class _Sums:
    """What late means are made of, up to a round."""

    def __init__(self) -> None:
        self._of = _Average(), _Average(), _Average(), _Average()

    def means(self, none: Weighted) -> tuple[Weighted, Weighted, Weighted, Weighted]:
        """Strangers, the same in phase with the baseline, the same where there are twins, twins."""
        strangers, contraction, matched, twins = self._of
        return strangers.mean(none), contraction.mean(none), matched.mean(none), twins.mean(none)

    def add(self, t: int, windows: Windows, now: Weighted, twins: Weighted) -> None:
        """Add a round where it counts."""
        counts = windows.strangers[t], windows.contraction[t], *[windows.paired[t]] * 2
        for mean, counted, part in zip(self._of, counts, (now, now, now, twins), strict=True):
            if counted:
                mean.add(part)
