"""What is kept of trajectories whose players take more than the output of the turn before."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from ..steps import Content, States


class Trail:
    """What a trajectory has come through, as far as its players ask for it.

    Args:
        start: What it starts from.
        depth: How many outputs are kept at most.
        looks_back: Whether the states at the end of each round are kept, too.
    """

    __slots__ = ("_depth", "_looks_back", "past", "recent")

    def __init__(self, start: Content, depth: int, looks_back: bool) -> None:
        self._depth = depth
        self._looks_back = looks_back
        self.recent: list[Content] = [start]
        """The last outputs, the last of them last."""
        self.past = States()
        """The states at the end of each round, where they are kept."""

    def take(self, output: Content, ends: bool) -> None:
        """Note what a step gave, and whether it ends a round."""
        self.recent = [*self.recent, output][-self._depth :]
        if ends and self._looks_back:
            self.past = self.past.then(output)


class Peers:
    """The trajectories of an arm that look at each other's states, and who waits for whom.

    A turn of round r that looks at them is taken when each trajectory that still plays has its
    state of round r - 1, so that all see the same states, whatever the order of play.

    Args:
        members: Their numbers, in the order in which their states are seen.
    """

    def __init__(self, members: Iterable[int]) -> None:
        self._members = list(members)
        self._finished: Counter[int] = Counter()
        """How many that still play have finished so many rounds."""
        self._ends: defaultdict[int, dict[int, Content]] = defaultdict(dict)
        """By round, each trajectory's state at its end."""
        self._seen: dict[int, States] = {}
        self._waiting: list[tuple[int, int]] = []

    def enter(self, finished: int) -> None:
        """Take in one that has finished so many rounds; all come before the first moves."""
        self._finished[finished] += 1

    def end(self, number: int, round: int, state: Content) -> None:
        """Note a trajectory's state at the end of a round."""
        self._ends[round][number] = state

    def move(self, before: int, after: int | None) -> list[int]:
        """Note that one has finished more rounds, or (None) plays no more.

        Returns:
            Those that need not wait any longer.
        """
        if after is not None:
            self._finished[after] += 1
        self._finished[before] -= 1
        if self._finished[before]:
            return []
        del self._finished[before]
        free = [number for round, number in self._waiting if self.open(round)]
        self._waiting = [pair for pair in self._waiting if not self.open(pair[0])]
        first = min(self._finished, default=None)
        for of in (self._ends, self._seen):
            for round in [r for r in of if first is not None and r < first]:
                del of[round]
        return free

    def open(self, round: int) -> bool:
        """Whether a turn of a round can see all that it has to."""
        return min(self._finished, default=round) >= round - 1

    def wait(self, number: int, round: int) -> None:
        """Have a trajectory wait for the others."""
        self._waiting.append((round, number))

    def states(self, round: int) -> States:
        """What a turn of a round sees: each state at the end of the round before."""
        if round - 1 not in self._seen:
            ends = self._ends.get(round - 1, {})
            self._seen[round - 1] = States.of(ends[n] for n in self._members if n in ends)
        return self._seen[round - 1]

    def own(self, number: int, round: int, start: Content) -> Content:
        """A trajectory's own among these; before the first round what it starts from."""
        return self._ends.get(round - 1, {}).get(number, start)
