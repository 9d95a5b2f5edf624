"""Exact repetition: first repeats, fixed points and cycles, without a threshold.

States are compared for equality only, so that any hashable will do: a caption, a picture's digest.
A trajectory whose last rounds repeat has *settled*; that says what was seen up to the horizon, not
that it will stay: where the models draw new random numbers every round, a repeat can be luck, and
the next round can end it.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Literal, NamedTuple

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
