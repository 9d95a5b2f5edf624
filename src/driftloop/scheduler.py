"""The heart: who is ready for which model. Pure: no I/O, no threads, no clock.

``ask`` hands out a micro-batch of calls, ``tell`` takes their outcomes, ``collect`` gives the steps
that follow from them. Whoever drives it (a loop, a thread, a cluster, a person) does the playing
and the storing::

    while batch := scheduler.ask():
        scheduler.tell(batch, play(batch))
        store(scheduler.collect())

The scheduler keeps no content but the references it needs to go on: texts and image digests.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from .seeds import seed
from .steps import Batch, Call, Content, Failure, Network, Output, Step, Trajectory


@dataclass(frozen=True, slots=True)
class Seat:
    """A player as the scheduler sees it."""

    model: str
    fingerprint: str
    batch_size: int


@dataclass(frozen=True, slots=True)
class Course:
    """A trajectory to play: where it starts, who plays, how far it goes."""

    trajectory: Trajectory
    start: Content
    network: Network
    """Its players are seats."""
    rounds: int
    """Rounds in all, those already played included."""

    @property
    def steps(self) -> int:
        """Steps in all."""
        return self.network.steps(self.rounds)


@dataclass(frozen=True, slots=True)
class Played:
    """A step that an earlier session brought."""

    trajectory: Trajectory
    index: int
    key: str
    output: Content


class Scheduler:
    """Hand out what is ready, take back what was played.

    Args:
        seed: The study's root seed.
        courses: Every trajectory to play; their order is the order of service, nothing else.
        seats: The players by name.
        played: Steps that are already stored, in any order. A trajectory goes on after its
            first gap; steps beyond a gap are ignored.

    Raises:
        KeyError: A course's network names a seat that is not there.
    """

    def __init__(
        self,
        *,
        seed: int,
        courses: Iterable[Course],
        seats: Mapping[str, Seat],
        played: Iterable[Played] = (),
    ) -> None:
        self._seed = seed
        self._seats = dict(seats)
        self._courses = {course.trajectory: course for course in courses}
        self._rank = {trajectory: rank for rank, trajectory in enumerate(self._courses)}
        self._outcomes: dict[str, Content] = {}
        self._ready: dict[str, list[tuple[int, int, str]]] = {name: [] for name in self._seats}
        self._calls: dict[str, Call] = {}
        self._waiting: dict[str, list[tuple[Trajectory, int]]] = {}
        self._in_flight: set[str] = set()
        self._outbox: list[Step] = []
        self._batches = 0
        self.steps_total = sum(course.steps for course in self._courses.values())
        """Steps that the courses ask for."""
        self.rounds_total = sum(course.rounds for course in self._courses.values())
        """Rounds that the courses ask for."""
        self.steps_done = 0
        """Steps played, by this scheduler or before it."""
        self.failed: dict[Trajectory, Failure] = {}
        """Trajectories that stopped, with the reason."""

        histories: dict[Trajectory, dict[int, Played]] = {}
        for step in played:
            self._outcomes.setdefault(step.key, step.output)
            histories.setdefault(step.trajectory, {})[step.index] = step
        for trajectory, course in self._courses.items():
            history = histories.get(trajectory, {})
            index, last, steps = 0, course.start, course.steps
            while index < steps and index in history:
                last = history[index].output
                index += 1
            self.steps_done += index
            self._advance(trajectory, index, last)

    def ask(self, *models: str) -> Batch | None:
        """Hand out a micro-batch, or None when nothing is ready.

        Args:
            *models: Only calls of these seats; by default of any.

        Returns:
            At most ``batch_size`` calls, in the order of service, of the seat with the most full
            micro-batches waiting, which keeps a model busy before another is taken up.
        """
        model = max(
            models or self._seats,
            key=lambda name: len(self._ready[name]) / self._seats[name].batch_size,
        )
        queue = self._ready[model]
        keys = [
            heapq.heappop(queue)[2] for _ in range(min(len(queue), self._seats[model].batch_size))
        ]
        if not keys:
            return None
        self._in_flight.update(keys)
        self._batches += 1
        return Batch(model, tuple(self._calls[key] for key in keys), self._batches)

    def tell(self, batch: Batch, outcomes: Sequence[Output | Failure]) -> None:
        """Take back a micro-batch, one outcome a call in the same order.

        Raises:
            ValueError: The batch is not out, or the number of outcomes differs.
        """
        keys = [call.key for call in batch.calls]
        if len(outcomes) != len(keys):
            raise ValueError(f"{len(outcomes)} outcomes for a batch of {len(keys)} calls")
        if not self._in_flight.issuperset(keys):
            raise ValueError(f"batch {batch.number} was not asked for, or was told before")
        self._in_flight.difference_update(keys)
        for key, call, outcome in zip(keys, batch.calls, outcomes, strict=True):
            del self._calls[key]
            if isinstance(outcome, Output):
                self._outcomes[key] = outcome.reference
            for position, (trajectory, index) in enumerate(self._waiting.pop(key)):
                # An output is stored once and shared; a failure is a row of each that met it.
                shared = position > 0 and isinstance(outcome, Output)
                self._outbox.append(
                    self._step(trajectory, index, call, None if shared else outcome)
                )
                if isinstance(outcome, Failure):
                    self.failed[trajectory] = outcome
                    continue
                self.steps_done += 1
                self._advance(trajectory, index + 1, outcome.reference)

    def collect(self) -> list[Step]:
        """Give the steps that have come since the last call, in an order that can be stored."""
        steps, self._outbox = self._outbox, []
        return steps

    def waiting(self) -> dict[str, int]:
        """Calls that are ready, by model."""
        return {name: len(queue) for name, queue in self._ready.items()}

    @property
    def done(self) -> bool:
        """Whether nothing is ready and nothing is out."""
        return not self._calls

    def _advance(self, trajectory: Trajectory, index: int, last: Content) -> None:
        """Queue the trajectory's next call, or walk on where its outcome is known already."""
        course = self._courses[trajectory]
        steps = course.steps
        while index < steps:
            call = self._call(course, index, last)
            key = call.key
            known = self._outcomes.get(key)
            if known is None:
                if key not in self._waiting:
                    self._waiting[key] = []
                    self._calls[key] = call
                    heapq.heappush(self._ready[call.model], (index, self._rank[trajectory], key))
                self._waiting[key].append((trajectory, index))
                return
            self._outbox.append(self._step(trajectory, index, call, None))
            self.steps_done += 1
            index, last = index + 1, known

    def _call(self, course: Course, index: int, last: Content) -> Call:
        place, round = course.network.at(index), course.network.round(index)
        seat = self._seats[place.player]
        value = seed(self._seed, course.start.value, course.trajectory.twin, round, place.role)
        return Call(seat.model, seat.fingerprint, last, value)

    def _step(
        self, trajectory: Trajectory, index: int, call: Call, outcome: Output | Failure | None
    ) -> Step:
        network = self._courses[trajectory].network
        place = network.at(index)
        # Whoever computed it for all that share it, in this trajectory it is its own model's.
        call = replace(call, model=self._seats[place.player].model)
        return Step(trajectory, index, network.round(index), place.role, call, outcome)
