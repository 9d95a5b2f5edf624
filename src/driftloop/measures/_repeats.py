"""Repetition: first repeats, fixed points and cycles, exact first and approximate after that.

Exact states are compared for equality only, so that any hashable will do: a caption, a picture's
digest. A trajectory whose last rounds repeat has *settled*; that says what was seen up to the
horizon, not that it will stay: where the models draw new random numbers every round, a repeat can
be luck, and the next round can end it.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Literal, NamedTuple

import numpy as np

from ._interval import Floats
from ._noise import lag_distances

NOWHERE = -1
SLACK = 1e-6
BATCH = 256
"""States that are compared at once with all that have a name."""

Novelty = Literal["new", "seen", "settled"]


class Repetition(NamedTuple):
    """How one sequence of states repeats. Positions count from 0."""

    length: int
    """States in the sequence."""
    distinct: int
    """Different states among them."""
    first: int | None
    """Where a state came back for the first time; None where none did."""
    gap: int | None
    """How many positions before ``first`` that state had been seen last."""
    period: int | None
    """Period of the settled end: 1 a fixed point, 2 or more a cycle; None where not settled."""
    entered: int | None
    """Where the settled end begins: the first visit of its first state."""


def repetition(states: Sequence[Hashable]) -> Repetition:
    r"""Find the first repeat of a sequence, and the cycle that it ends in.

    A sequence :math:`s_0 \dots s_{n-1}` has *settled* when its end is periodic: there is a period
    *p* with :math:`s_t = s_{t-p}` for the last *p* positions at least, which is two full turns. The
    smallest such *p* counts, and its end is followed back as far as it goes. None stands for a
    state that is missing and equals nothing.

    Args:
        states: Hashable states in order; None where one is missing.

    Returns:
        A :class:`Repetition`; ``1 <= period <= length / 2``.

    >>> repetition(["ship", "sea", "boat", "sea", "boat"])[2:]
    (3, 2, 2, 1)
    >>> repetition(["ship", "sea", "boat", "sea"])[4:]
    (None, None)
    """
    n = len(states)
    last_seen: dict[Hashable, int] = {}
    first = gap = None
    for position, state in enumerate(states):
        if state is None:
            continue
        if first is None and state in last_seen:
            first, gap = position, position - last_seen[state]
        last_seen[state] = position
    distinct = len(last_seen)
    if first is None:
        return Repetition(n, distinct, None, None, None, None)
    for period in range(1, n // 2 + 1):
        turns = _periodic_end(states, period)
        if turns >= period:
            return Repetition(n, distinct, first, gap, period, n - period - turns)
    return Repetition(n, distinct, first, gap, None, None)


def novelty(states: Sequence[Hashable]) -> list[Novelty]:
    """Say of each state whether it is new in its sequence, seen before, or in the settled end.

    >>> novelty(["ship", "sea", "ship", "boat", "boat"])
    ['new', 'new', 'seen', 'settled', 'settled']
    """
    entered = repetition(states).entered
    before: set[Hashable] = set()
    kinds: list[Novelty] = []
    for position, state in enumerate(states):
        if entered is not None and position >= entered:
            kinds.append("settled")
        else:
            kinds.append("seen" if state is not None and state in before else "new")
        before.add(state)
    return kinds


def _periodic_end(states: Sequence[Hashable], period: int) -> int:
    """How many positions at the end equal the one a period before."""
    matches = 0
    for position in range(len(states) - 1, period - 1, -1):
        if states[position] is None or states[position] != states[position - period]:
            break
        matches += 1
    return matches


def alike(x: Floats, radius: float) -> list[int | None]:
    """Name states so that those within a radius share a name: approximate repeats.

    Each state takes the name of the first one before it that is near enough, or a new name. Its
    result goes where exact states go: ``repetition(alike(x, radius))`` finds approximate fixed
    points and cycles. A radius below the noise floor finds none, one far above it finds everything
    alike; twice the floor is a look's own scatter.

    Args:
        x: ``(rounds, d)`` unit vectors of one trajectory; NaN where there is no state.
        radius: Cosine distance up to which two states are the same.

    Returns:
        A name (a number from 0) a round; None where there is no state.

    >>> import numpy as np
    >>> turn = np.radians([0, 90, 2, 91, 1])
    >>> alike(np.stack([np.cos(turn), np.sin(turn)], axis=1), 0.01)
    [0, 1, 0, 1, 0]
    """
    x = np.asarray(x)
    names = np.full(len(x), NOWHERE)
    here = np.flatnonzero(np.isfinite(x).all(axis=1))
    leaders = np.empty((min(len(here), BATCH), x.shape[1]), dtype=x.dtype)
    count = 0
    for start in range(0, len(here), BATCH):
        rows = here[start : start + BATCH]
        states = x[rows]
        near = 1.0 - states @ leaders[:count].T <= radius + SLACK
        known = near.any(axis=1)
        if known.any():
            names[rows[known]] = near[known].argmax(axis=1)
        # Of the others each may be like one of the batch that has a new name.
        fresh: list[int] = []
        among = 1.0 - states @ states.T <= radius + SLACK
        for at in np.flatnonzero(~known):
            like = np.flatnonzero(among[at, fresh])
            if not len(like):
                like = np.array([len(fresh)])
                fresh.append(int(at))
            names[rows[at]] = count + like[0]
        if count + len(fresh) > len(leaders):
            leaders = np.concatenate([leaders, np.empty_like(leaders)])
        leaders[count : count + len(fresh)] = states[fresh]
        count += len(fresh)
    return [None if name == NOWHERE else int(name) for name in names]


def periods(x: Floats, *, most: int | None = None, contrast: float = 0.5) -> list[int | None]:
    r"""The period of noisy cycles, by the distance of states *k* rounds apart in the late half.

    The smallest *k* of 2 or more at which :math:`D(k)` is at most ``contrast`` of :math:`D(j)` for
    every smaller *j*: states come back, having been elsewhere. Noise at one place (all
    :math:`D(k)` alike) and wandering (they grow) have none.

    Args:
        x: ``(trajectories, rounds, d)`` unit vectors.
        most: Largest period that is tried; by default a third of the late half.
        contrast: How much nearer a state has to be after a full turn.

    Returns:
        A period a trajectory, or None.

    >>> import numpy as np
    >>> periods(np.tile(np.eye(3), (1, 6, 1)))
    [3]
    """
    late = x.shape[1] - x.shape[1] // 2
    most = most or max(late // 3, 2)
    distances = lag_distances(x, most, first=x.shape[1] - late)
    found: list[int | None] = []
    for row in distances:
        below = np.minimum.accumulate(np.nan_to_num(row, nan=0.0))
        fits = [
            k for k in range(2, most + 1) if np.isfinite(row[k - 1])
            and row[k - 1] <= contrast * below[k - 2] and below[k - 2] > 1e-6
        ]  # fmt: skip
        found.append(fits[0] if fits else None)
    return found
