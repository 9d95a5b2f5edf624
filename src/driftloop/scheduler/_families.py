"""Trajectories that can share calls: those of one prompt and twin in several arms."""

from __future__ import annotations

from collections import Counter, defaultdict

from ..steps import Content


class Family:
    """Outcomes that some of its trajectories have and others may come to.

    Seeds are those of a prompt, a twin, a round and a slot, so that no other trajectory can have
    the same call, and none that is in another round.
    """

    __slots__ = ("_members", "_outcomes")

    def __init__(self) -> None:
        self._members: Counter[int] = Counter()
        """How many are in each round."""
        self._outcomes: defaultdict[int, dict[str, Content]] = defaultdict(dict)

    def get(self, round: int, key: str) -> Content | None:
        """The outcome of a call, where one of them has had it."""
        found = self._outcomes.get(round)
        return None if found is None else found.get(key)

    def put(self, round: int, key: str, outcome: Content) -> None:
        """Keep the outcome of a call for the others."""
        self._outcomes[round][key] = outcome

    def enter(self, round: int) -> None:
        """Take in a trajectory that is in a round; all come before the first moves."""
        self._members[round] += 1

    def move(self, before: int, after: int | None) -> None:
        """Note that a trajectory is in another round, or (None) plays no more."""
        if after is not None:
            self._members[after] += 1
        self._members[before] -= 1
        if not self._members[before]:
            del self._members[before]
            self.forget()

    def forget(self) -> None:
        """Drop outcomes of rounds that all have behind them."""
        first = min(self._members, default=None)
        for round in [r for r in self._outcomes if first is None or r < first]:
            del self._outcomes[round]
