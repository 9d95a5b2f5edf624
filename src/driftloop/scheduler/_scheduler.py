"""The heart: who is ready for which model. Pure: no I/O, no threads, no clock."""

from __future__ import annotations

import heapq
from array import array
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from ..network import Network, Taken
from ..seeds import seed
from ..steps import Batch, Call, Content, Failure, Input, Needs, Output, Step, Trajectory
from ._courses import Course, Played, Seat
from ._families import Family
from ._trails import Peers, Trail


class Scheduler:
    """Hand out what is ready, take back what was played.

    ``ask`` hands out a micro-batch of calls, ``tell`` takes their outcomes, ``collect`` gives the
    steps that follow from them. A driver (a loop, a thread, a cluster) plays and stores::

        while batch := scheduler.ask():
            scheduler.tell(batch, play(batch))
            store(scheduler.collect())

    A driver that cannot play what it asked for hands it back with ``give_back``. The scheduler
    keeps no content but the references that it needs to go on: texts and image digests.

    Args:
        seed: The study's root seed.
        courses: Every trajectory to play; their order is the order of service, nothing else.
        seats: The players by name.
        played: Steps that are already stored, in any order; least memory is taken where those of
            a trajectory come in theirs. A trajectory goes on after its first gap; steps beyond a
            gap are ignored.

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
        # A trajectory is its number from here on: its place in the order of service.
        self._courses = list(courses)
        self._steps = array("q", _lengths(self._courses))
        self._index = array("q", bytes(8 * len(self._courses)))
        """The next step of each."""
        self._last = [course.start for course in self._courses]
        """What that takes."""
        self._families: dict[int, Family] = {}
        self._trails: dict[int, Trail] = {}
        self._peers: dict[int, Peers] = {}
        self._known: dict[str, Content] = {}
        """Outcomes of an earlier session that no trajectory here has on its way."""
        self._ready: dict[str, list[int]] = {name: [] for name in self._seats}
        """Who is ready for each seat: a heap of index times the number of courses, plus number."""
        self._calls: dict[int, Call] = {}
        """The next call of those that share it, or may."""
        self._sharing: dict[str, list[int]] = {}
        """Who waits for the outcome of such a call."""
        self._out: dict[str, int] = {}
        """Whose calls are handed out."""
        self._due: deque[int] = deque()
        """Whose next call is to be queued."""
        self._outbox: list[Step] = []
        self._batches = 0
        self.steps_total = sum(self._steps)
        """Steps that the courses ask for."""
        self.rounds_total = sum(course.rounds for course in self._courses)
        """Rounds that the courses ask for."""
        self.steps_done = 0
        """Steps played, by this scheduler or before it."""
        self.failed: dict[Trajectory, Failure] = {}
        """Trajectories that stopped, with the reason."""
        self._prepare()
        self._replay(played)
        for number in range(len(self._courses)):
            self._enter(number)
        for family in set(self._families.values()):
            family.forget()
        self._due.extend(range(len(self._courses)))
        self._go_on()

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
        queue, calls = self._ready[model], []
        for _ in range(min(len(queue), self._seats[model].batch_size)):
            number = heapq.heappop(queue) % len(self._courses)
            call = self._calls.get(number) or self._call(number)
            self._out[call.key] = number
            calls.append(call)
        if not calls:
            return None
        self._batches += 1
        return Batch(model, tuple(calls), self._batches)

    def tell(self, batch: Batch, outcomes: Sequence[Output | Failure]) -> None:
        """Take back a micro-batch, one outcome a call in the same order.

        Raises:
            ValueError: The batch is not out, or the number of outcomes differs.
        """
        if len(outcomes) != len(batch.calls):
            raise ValueError(f"{len(outcomes)} outcomes for a batch of {len(batch.calls)} calls")
        self._check_out(batch)
        for call, outcome in zip(batch.calls, outcomes, strict=True):
            number = self._out.pop(call.key)
            self._calls.pop(number, None)
            for position, other in enumerate(self._sharing.pop(call.key, (number,))):
                # An output is stored once and shared; a failure is a row of each that met it.
                shared = position > 0 and isinstance(outcome, Output)
                self._outbox.append(self._step(other, call, None if shared else outcome))
                if isinstance(outcome, Output):
                    self._move(other, call.key, outcome.reference)
                else:
                    self.failed[self._courses[other].trajectory] = outcome
                    self._leave(other)
        self._go_on()

    def give_back(self, batch: Batch) -> None:
        """Take back a micro-batch, or a part of it, that nobody played; it is asked for again.

        Raises:
            ValueError: The batch is not out.
        """
        self._check_out(batch)
        for call in batch.calls:
            self._queue(self._out.pop(call.key))

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
        return not self._out and not any(self._ready.values())

    def _check_out(self, batch: Batch) -> None:
        if any(call.key not in self._out for call in batch.calls):
            raise ValueError(f"batch {batch.number} was not asked for, or was told before")

    # --- where each trajectory is --------------------------------------------------------------

    def _prepare(self) -> None:
        """Find who can share calls, and whose players look back or aside."""
        kin: defaultdict[tuple[Content, int], list[int]] = defaultdict(list)
        arms: defaultdict[str, list[int]] = defaultdict(list)
        looks: dict[int, tuple[int, bool, bool]] = {}
        for number, course in enumerate(self._courses):
            kin[course.start, course.trajectory.twin].append(number)
            # By identity: a network is hashed anew each time, and arms have one each.
            if id(course.network) not in looks:
                looks[id(course.network)] = self._looks(course.network)
            depth, back, aside = looks[id(course.network)]
            if depth:
                self._trails[number] = Trail(course.start, depth, back)
            if aside:
                arms[course.trajectory.arm].append(number)
        for numbers in kin.values():
            if len(numbers) > 1:
                self._families |= dict.fromkeys(numbers, Family())
        for numbers in arms.values():
            # In the order of their names, so that the order of service decides nothing.
            numbers.sort(key=lambda number: self._courses[number].trajectory)
            self._peers |= dict.fromkeys(numbers, Peers(numbers))

    def _looks(self, network: Network) -> tuple[int, bool, bool]:
        """How many outputs a network needs, if any; whether all states; whether its peers'."""
        needs = [self._seats[player].needs for player in network.players]
        depth = max(max(turn.back for turn in network.turns), *(n.candidates for n in needs))
        plain = depth == 1 and not any(n.start or n.past or n.peers for n in needs)
        back, aside = any(n.past for n in needs), any(n.peers for n in needs)
        return 0 if plain else depth, back, aside

    def _replay(self, played: Iterable[Played]) -> None:
        """Take the steps of earlier sessions, each trajectory's up to its first gap."""
        numbers = {course.trajectory: number for number, course in enumerate(self._courses)}
        early: defaultdict[int, dict[int, Played]] = defaultdict(dict)
        for step in played:
            number = numbers.get(step.trajectory)
            if number is None:
                self._known[step.key] = step.output
                continue
            if step.index >= self._steps[number]:
                continue
            if step.index != self._index[number]:
                early[number][step.index] = step
                continue
            found: Played | None = step
            while found is not None:
                self._advance(number, found.key, found.output)
                found = early[number].pop(self._index[number], None) if number in early else None
        for steps in early.values():
            self._known |= {step.key: step.output for step in steps.values()}

    def _enter(self, number: int) -> None:
        """Let others know where a trajectory is; all do before the first goes on."""
        if self._index[number] < self._steps[number]:
            round = self._at(number).round
            if number in self._families:
                self._families[number].enter(round)
            if number in self._peers:
                self._peers[number].enter(round - 1)

    def _leave(self, number: int) -> None:
        """Let others know that a trajectory plays no more."""
        self._tell_others(number, self._at(number).round, None)

    def _move(self, number: int, key: str, output: Content) -> None:
        """Note the outcome of a trajectory's next step, and let others know."""
        if number not in self._families and number not in self._peers:
            self._advance(number, key, output)
        else:
            before = self._at(number).round
            self._advance(number, key, output)
            if self._index[number] >= self._steps[number]:
                self._tell_others(number, before, None)
            elif (after := self._at(number).round) > before:
                self._tell_others(number, before, after)
        self._due.append(number)

    def _tell_others(self, number: int, before: int, after: int | None) -> None:
        """Let others know that a trajectory is in another round, or (None) in none."""
        if number in self._families:
            self._families[number].move(before, after)
        if number in self._peers:
            finished = None if after is None else after - 1
            self._due.extend(self._peers[number].move(before - 1, finished))

    def _advance(self, number: int, key: str, output: Content) -> None:
        """Note the outcome of a trajectory's next step."""
        network, index = self._courses[number].network, self._index[number]
        self._last[number] = output
        self._index[number] = index + 1
        self.steps_done += 1
        if number in self._families:
            self._families[number].put(network.at(index).round, key, output)
        if number in self._trails:
            round = network.at(index).round
            ends = network.at(index + 1).round > round
            self._trails[number].take(output, ends)
            if ends and number in self._peers:
                self._peers[number].end(number, round, output)

    def _go_on(self) -> None:
        """Queue the next call of all that are due; walk on where its outcome is known already."""
        while self._due:
            number = self._due.popleft()
            if self._index[number] >= self._steps[number]:
                continue
            turn = self._at(number)
            if self._seats[turn.player].needs.peers and not self._peers[number].open(turn.round):
                self._peers[number].wait(number, turn.round)
                continue
            family = self._families.get(number)
            if family is None and not self._known:
                self._queue(number)
                continue
            call = self._call(number)
            known = None if family is None else family.get(turn.round, call.key)
            known = known or self._known.get(call.key)
            if known is not None:
                self._outbox.append(self._step(number, call, None))
                self._move(number, call.key, known)
            elif call.key in self._sharing:
                self._sharing[call.key].append(number)
            else:
                self._sharing[call.key] = [number]
                self._calls[number] = call
                self._queue(number)

    def _queue(self, number: int) -> None:
        place = self._index[number] * len(self._courses) + number
        heapq.heappush(self._ready[self._at(number).player], place)

    # --- what it is asked there ----------------------------------------------------------------

    def _at(self, number: int) -> Taken:
        return self._courses[number].network.at(self._index[number])

    def _call(self, number: int) -> Call:
        course, (turn, round) = self._courses[number], self._at(number)
        seat = self._seats[turn.player]
        value = seed(self._seed, course.start.value, course.trajectory.twin, round, turn.slot)
        inputs: tuple[Input, ...] = (self._last[number],)
        if number in self._trails:
            inputs = self._inputs(number, turn.back, seat.needs)
        return Call(seat.model, seat.fingerprint, inputs, value)

    def _inputs(self, number: int, back: int, needs: Needs) -> tuple[Input, ...]:
        """What a call takes, in the order of :class:`~driftloop.steps.Needs`."""
        trail, start = self._trails[number], self._courses[number].start
        last = len(trail.recent) - back + 1
        inputs: list[Input] = list(trail.recent[last - needs.candidates : last])
        if needs.start:
            inputs.append(start)
        if needs.past:
            inputs.append(trail.past)
        if needs.peers:
            peers, round = self._peers[number], self._at(number).round
            inputs += [peers.states(round), peers.own(number, round, start)]
        return (*inputs,)

    def _step(self, number: int, call: Call, outcome: Output | Failure | None) -> Step:
        turn, round = self._at(number)
        # In each trajectory that shares it, it is a call of its own model's.
        name = self._seats[turn.player].model
        if call.model != name:
            call = replace(call, model=name)
        trajectory = self._courses[number].trajectory
        index = self._index[number]
        return Step(trajectory, index, round, turn.role, call, outcome, turn.slot)


def _lengths(courses: Iterable[Course]) -> Iterator[int]:
    """Steps of each course; those of one network are counted once."""
    known: dict[tuple[int, int], int] = {}
    for course in courses:
        key = id(course.network), course.rounds
        if key not in known:
            known[key] = course.steps
        yield known[key]
