"""Networks: who plays at each step of a trajectory, and which steps are a round."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from math import gcd
from typing import NamedTuple

from .steps import Role

REMEMBERED = 10_000
"""Steps of a network whose place is kept; trajectories are near each other as they are played."""


@dataclass(frozen=True, slots=True)
class Rounds:
    """The rounds in which a turn is taken: from one on, every so many, until another.

    >>> fifth = Rounds(every=5)
    >>> [round for round in range(1, 20) if round in fifth]
    [5, 10, 15]
    >>> 12 in Rounds(start=10), 12 in Rounds(until=10)
    (True, False)
    """

    every: int = 1
    start: int | None = None
    """The first of them; by default ``every``."""
    until: int | None = None
    """The last round in which it may be taken."""

    @property
    def first(self) -> int:
        """The first of them."""
        return self.every if self.start is None else self.start

    def __contains__(self, round: int) -> bool:
        over = self.until is not None and round > self.until
        return not over and round >= self.first and (round - self.first) % self.every == 0

    def count(self, rounds: int, at: int = 1, apart: int = 1) -> int:
        """How many of the rounds ``at, at + apart, at + 2 apart ...`` it has, up to ``rounds``.

        >>> Rounds(every=5).count(20)
        4
        >>> Rounds(every=3).count(20, at=2, apart=2)
        3
        """
        last = rounds if self.until is None else min(rounds, self.until)
        begin = max(at, self.first)
        begin += (at - begin) % apart
        # Both go round together after so many rounds; within these they meet once or never.
        together = apart * self.every // gcd(apart, self.every)
        for meeting in range(begin, min(begin + together, last + 1), apart):
            if (meeting - self.first) % self.every == 0:
                return (last - meeting) // together + 1
        return 0


EVERY_ROUND = Rounds()


@dataclass(frozen=True, slots=True)
class Turn:
    """A player's place in a network.

    Examples:
        >>> Turn("sdxl", Role.GENERATOR).slot
        'generator'
    """

    player: str
    role: Role
    slot: str = ""
    """What tells it from other turns of a round, and names its seeds; by default its role."""
    rounds: Rounds = EVERY_ROUND
    """Those in which it is taken; in others its input goes on as it is."""
    back: int = 1
    """Whose output it takes: that of so many steps before. Several turns that propose something
    for the same input come one after the other, the first with 1, the second with 2 ..."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "slot", self.slot or self.role.value)


class Taken(NamedTuple):
    """A turn as it is taken at a step."""

    turn: Turn
    round: int

    @property
    def player(self) -> str:
        """Who plays."""
        return self.turn.player


@dataclass(frozen=True)
class Network:
    """Who plays at each step of a trajectory, and which steps are a round.

    A *round* begins with the opening, with every turn of the cycle, and where a slot comes up that
    has played in the round already. No slot plays twice in it, so that round and slot name a step.

    >>> draw, look = Turn("sdxl", Role.GENERATOR), Turn("llava", Role.CAPTIONER)
    >>> usual = Network((draw, look))
    >>> [usual.round(step) for step in range(6)]
    [1, 1, 2, 2, 3, 3]
    >>> alone = Network((Turn("repaint", Role.EDITOR),), opening=(draw,))
    >>> [(alone.at(step).player, alone.round(step)) for step in range(3)]
    [('sdxl', 1), ('repaint', 2), ('repaint', 3)]
    >>> anchor = Turn("anchor", Role.WRITER, slot="anchor", rounds=Rounds(every=2))
    >>> [Network((draw, look, anchor)).at(step).player for step in range(5)]
    ['sdxl', 'llava', 'sdxl', 'llava', 'anchor']
    """

    cycle: tuple[Turn, ...]
    """Turns that are taken again and again, one at least."""
    opening: tuple[Turn, ...] = ()
    """Turns that come before, once."""

    def __post_init__(self) -> None:
        taken = {round for turn, round in self._cycled if turn.rounds == EVERY_ROUND}
        if len(taken) < self._cycle_rounds:
            raise ValueError("in each round of a network's cycle a turn is taken every time")

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The opening's and the cycle's."""
        return self.opening + self.cycle

    @property
    def players(self) -> tuple[str, ...]:
        """All who play, each once."""
        return tuple(dict.fromkeys(turn.player for turn in self.turns))

    def at(self, step: int) -> Taken:
        """The turn of a step, from 0; its round, from 1; and who plays."""
        if (found := self._places.get(step)) is None:
            if len(self._places) >= REMEMBERED:
                self._places.clear()
            found = self._places[step] = self._find(step)
        return found

    def round(self, step: int) -> int:
        """The round of a step, from 1."""
        return self.at(step).round

    def steps(self, rounds: int) -> int:
        """How many steps so many rounds are."""
        return sum(count for _, count in self.times(rounds))

    def times(self, rounds: int) -> Iterator[tuple[Turn, int]]:
        """Each turn, and how often it is taken in so many rounds."""
        first, apart = self._opening_rounds, self._cycle_rounds
        for turn, round in self._opened:
            yield turn, int(round <= rounds and round in turn.rounds)
        for turn, round in self._cycled:
            yield turn, turn.rounds.count(rounds, first + round, apart)

    def parts(self) -> list[tuple[Turn, ...]]:
        """The turns of each round of the opening, and then of each of the cycle."""
        placed = [groupby(of, lambda pair: pair[1]) for of in (self._opened, self._cycled)]
        return [tuple(turn for turn, _ in of) for rounds in placed for _, of in rounds]

    def _find(self, step: int) -> Taken:
        round = bisect_right(range(step + 2), step, key=self.steps)
        place = step - self.steps(round - 1)
        if round <= self._opening_rounds:
            turns = [turn for turn, of in self._opened if of == round]
        else:
            of_cycle = (round - self._opening_rounds - 1) % self._cycle_rounds + 1
            turns = [turn for turn, of in self._cycled if of == of_cycle]
        turn = [turn for turn in turns if round in turn.rounds][place]
        return Taken(turn, round)

    @cached_property
    def _places(self) -> dict[int, Taken]:
        return {}

    @cached_property
    def _opened(self) -> list[tuple[Turn, int]]:
        """The turns of the opening, each with its round."""
        return _rounds(self.opening)

    @cached_property
    def _cycled(self) -> list[tuple[Turn, int]]:
        """The turns of the cycle, each with its round as the cycle counts them."""
        return _rounds(self.cycle)

    @cached_property
    def _opening_rounds(self) -> int:
        return self._opened[-1][1] if self._opened else 0

    @cached_property
    def _cycle_rounds(self) -> int:
        return self._cycled[-1][1]


def _rounds(turns: Iterable[Turn]) -> list[tuple[Turn, int]]:
    rounds: list[tuple[Turn, int]] = []
    number, played = 1, set[str]()
    for turn in turns:
        if turn.slot in played:
            number, played = number + 1, set()
        played.add(turn.slot)
        rounds.append((turn, number))
    return rounds
