"""One sitting at a run: the scheduler, the players and the store, ready to be driven."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, NamedTuple

from PIL import Image

from ..errors import StoreError
from ..models import Player, remember
from ..scheduler import Course, Played, Scheduler, Seat
from ..steps import Batch, Call, Content, Failure, Output, Step, Trajectory
from ..store import Run
from ._casting import Casting
from ._environment import device_name
from ._playing import play_batch
from ._turns import Turns


class Session:
    """A study, its players and its run. The driver owns the loop.

    ::

        with open_session("quickstart", "runs/mine") as session:
            while batch := session.ask():
                player = session.players[batch.model]
                session.tell(batch, player.play(session.inputs(batch), batch.seeds))

    :func:`open_session` makes one of a study and a folder.

    Args:
        casting: The study, with who plays in which arm.
        run: Where it is put, begun for this study (:meth:`~driftloop.store.Run.begin`).
        replicas: Each seat's players, which play the same; one that computes on several devices has
            several.
        starts: What each prompt of the study is, by its id.
        turns: Whose weights are on a device.

    Attributes:
        study: The study.
        casting: The same with its seats.
        run: The run.
        replicas: The players by seat.
        players: The first of each seat.
        scheduler: What is ready, and what is done.
        turns: Whose weights are on a device.
    """

    def __init__(
        self,
        casting: Casting,
        run: Run,
        replicas: Mapping[str, Sequence[Player]],
        starts: Mapping[str, Content],
        *,
        turns: Turns | None = None,
    ) -> None:
        self.study, self.casting, self.run = casting.study, casting, run
        self.replicas: dict[str, list[Player]] = {name: [*of] for name, of in replicas.items()}
        self.players: dict[str, Player] = {name: of[0] for name, of in self.replicas.items()}
        self.turns = turns or Turns()
        self._times: dict[int, _Times] = {}
        self._first_asked = math.inf
        self._tallies: dict[str, _Tally] = {name: _Tally() for name in casting.seats}
        self._held = ExitStack()
        self.scheduler = self._scheduler(starts)
        self.run.commit(self.scheduler.collect())

    def hold(self, held: AbstractContextManager[Any]) -> None:
        """Have something closed with the session, such as the lock on its folder."""
        self._held.push(held)

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        outcome = "finished" if self.scheduler.done else "stopped"
        try:
            # A full disk has no room for this note; the error that said so must not be hidden.
            with suppress(StoreError):
                self.run.end(outcome)
        finally:
            self._held.__exit__(kind, error, trace)
        for name, tally in self._tallies.items():
            if tally.calls:
                seat = self.casting.seats[name]
                player = self.players[name]
                facts = {**tally.facts(), **player.facts(), "device": device_name(player.limits())}
                remember(seat.located.identity, seat.choices, **facts)

    def close(self) -> None:
        """End the session; everything told is on disk already."""
        self.__exit__(None, None, None)

    def ask(self, *models: str) -> Batch | None:
        """The next micro-batch, or None when nothing is ready; see :meth:`Scheduler.ask`."""
        batch = self.scheduler.ask(*models)
        if batch is not None:
            clock = time.perf_counter()
            self._times[batch.number] = _Times(time.time(), clock)
            self._first_asked = min(self._first_asked, clock)
        return batch

    def inputs(self, batch: Batch) -> list[Any]:
        """What a micro-batch's calls take, see :meth:`~driftloop.store.Run.inputs`.

        Raises:
            StoreError: A picture is missing or damaged.
        """
        return self.run.inputs(batch)

    def play(self, batch: Batch, player: Player | None = None) -> list[Output | Failure]:
        """Play a micro-batch; what cannot be answered fails by itself, never the rest.

        The one thing that other threads may do, each with a player of its own.

        Args:
            batch: What was asked.
            player: One of the model's :attr:`replicas`; by default its first.

        Raises:
            ModelError: Memory ran out twice. The micro-batch cannot shrink any more, since what was
                played has its bits; the run goes on when the same study is played again.
            ServerError: A server is gone; the run goes on when the same study is played again.
        """
        started, clock = time.time(), time.perf_counter()
        outcomes = play_batch(player or self.players[batch.model], batch, self.inputs)
        self._times[batch.number] = _Times(started, clock, time.perf_counter() - clock)
        return outcomes

    def tell(self, batch: Batch, outcomes: Sequence[Output | Failure]) -> None:
        """Take a micro-batch's outcomes; they are on disk when this returns.

        Raises:
            StoreError: They cannot be kept (disk full); what was there before is untouched.
        """
        self.keep(self.hear(batch, outcomes))

    def hear(self, batch: Batch, outcomes: Sequence[Output | Failure]) -> Heard:
        """Take a micro-batch's outcomes, so that what follows from them can be asked for.

        They are not on disk before :meth:`keep` has them, which comes before the next ``hear``.
        Those that a stop kept from being answered are given back, and can be asked for again.
        """
        if any(isinstance(outcome, Failure) and outcome.stopped for outcome in outcomes):
            rest, batch, outcomes = _apart(batch, outcomes)
            self.scheduler.give_back(rest)
        clock = time.perf_counter()
        times = self._times.pop(batch.number, None) or _Times(time.time(), clock)
        started = times.started
        seconds = clock - times.clock if times.seconds is None else times.seconds
        self._tallies[batch.model].add(seconds, outcomes)
        self.scheduler.tell(batch, outcomes)
        self.run.images.hold(
            {
                outcome.reference.value: outcome.content
                for outcome in outcomes
                if isinstance(outcome, Output) and isinstance(outcome.content, Image.Image)
            }
        )
        return Heard(tuple(self.scheduler.collect()), started, seconds)

    def keep(self, heard: Heard) -> None:
        """Put on disk what was heard; it is there when this returns.

        Raises:
            StoreError: It cannot be kept (disk full); what was there before is untouched.
        """
        self.run.commit(heard.steps, started=heard.started, seconds=heard.seconds)

    def busy(self) -> dict[str, float]:
        """What share of its time each model that has played was playing, replicas on average."""
        elapsed = time.perf_counter() - self._first_asked
        return {
            name: tally.seconds / len(self.replicas[name]) / elapsed
            for name, tally in self._tallies.items()
            if tally.calls
        }

    def _scheduler(self, starts: Mapping[str, Content]) -> Scheduler:
        study = self.study
        courses = [
            Course(Trajectory(arm, prompt.id, twin), starts[prompt.id], network, study.rounds)
            for twin in range(study.twins)
            for prompt in study.prompts
            for arm, network in self.casting.networks.items()
        ]
        seats = {
            name: Seat(name, player.fingerprint, player.batch_size, player.needs)
            for name, player in self.players.items()
        }
        played = (Played(*row) for row in self.run.played())
        return Scheduler(seed=study.seed, courses=courses, seats=seats, played=played)


class Heard(NamedTuple):
    """Steps that wait to be put on disk."""

    steps: tuple[Step, ...]
    started: float
    """When their micro-batch began, in seconds since 1970."""
    seconds: float
    """What the model took for it."""


class _Times(NamedTuple):
    """When a micro-batch began, and how long it took."""

    started: float
    """In seconds since 1970, by a clock that may be set back."""
    clock: float
    """By one that may not."""
    seconds: float | None = None
    """None where the driver played it by itself, and did not tell."""


@dataclass
class _Tally:
    """What a player took, for the next plan."""

    calls: int = 0
    seconds: float = 0.0
    pixels: int = 0

    def add(self, seconds: float, outcomes: Sequence[Output | Failure]) -> None:
        self.calls += len(outcomes)
        self.seconds += seconds
        for outcome in outcomes:
            if isinstance(outcome, Output) and isinstance(outcome.content, Image.Image):
                self.pixels = outcome.content.width * outcome.content.height

    def facts(self) -> dict[str, Any]:
        pixels = {"pixels": self.pixels} if self.pixels else {}
        return {"seconds": self.seconds / self.calls, **pixels}


def _apart(
    batch: Batch, outcomes: Sequence[Output | Failure]
) -> tuple[Batch, Batch, list[Output | Failure]]:
    """What a stop kept from being answered, and the rest of a micro-batch with its outcomes."""
    stopped = [isinstance(outcome, Failure) and outcome.stopped for outcome in outcomes]
    calls: tuple[list[Call], list[Call]] = ([], [])
    for call, unanswered in zip(batch.calls, stopped, strict=True):
        calls[unanswered].append(call)
    kept = [one for one, unanswered in zip(outcomes, stopped, strict=True) if not unanswered]
    answered, rest = (replace(batch, calls=(*part,)) for part in calls)
    return rest, answered, kept
