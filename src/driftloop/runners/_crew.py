"""The players at work: a thread each, of which those on one device take turns.

The thread that drives hands out micro-batches, takes back what came of them, and is the only one
that touches the scheduler and the run's rows. While it puts outcomes on disk, the players that
have something to do play on.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Literal, NamedTuple, get_args

from ..errors import ModelError
from ..models import Player, free_memory, is_out_of_memory, make_stream, on_stream
from ..steps import Batch, Failure, Output
from ._session import Session

Overlap = Literal["off", "devices", "models", "turns"]
"""Who plays at the same time: nobody, each is on disk before the next plays (``off``); models that
have devices of their own (``devices``); all, also those that share a device (``models``). With
``turns`` those that share one are not even in its memory together: one model plays all that is
ready for it before another is moved in."""


LISTENS = 0.2
"""Seconds after which a stop is heard."""


def drive(
    session: Session,
    *,
    overlap: Overlap = "devices",
    stop: Callable[[], bool] = lambda: False,
    after_each: Callable[[], None] = lambda: None,
) -> None:
    """Play a session to its end.

    Args:
        session: Of which nothing is out.
        overlap: Who plays at the same time. It decides the time that a run takes, and nothing else.
        stop: Asked several times a second, from the thread that drives: once it says so, nothing
            more is handed out, what is on its way is still put on disk, and players that can be
            stopped wait for nothing else.
        after_each: Called after each micro-batch that is on disk.

    Raises:
        ModelError: There is too little memory, even for one player at a time.
        StoreError: The disk is full.
        KeyboardInterrupt: At once, whatever is in play.
    """
    check_overlap(overlap)
    session.turns.everywhere |= overlap == "turns"
    broken: BaseException | None = None
    with _Crew(session, overlap, stop) as crew:
        if not stop():
            crew.hand_out()
        for batch, outcomes in crew.results():
            if isinstance(outcomes, BaseException):
                broken = broken or outcomes
                crew.ending = True
                continue
            heard = session.hear(batch, outcomes)
            goes_on = broken is None and not stop()
            if goes_on and overlap != "off":
                crew.hand_out()
            session.keep(heard)
            after_each()
            if goes_on and overlap == "off":
                crew.hand_out()
    if broken is not None:
        raise broken


def check_overlap(overlap: str) -> None:
    """Raise a ValueError where there is no such way to play."""
    if overlap not in get_args(Overlap):
        raise ValueError(f"overlap is {overlap!r}; it can be {', '.join(get_args(Overlap))}")


class _Result(NamedTuple):
    batch: Batch
    outcomes: list[Output | Failure] | BaseException


@dataclass(eq=False)
class _Worker:
    """A player and its thread."""

    model: str
    player: Player
    device: str | None
    lane: Hashable
    """One at a time of those with the same plays."""
    inbox: SimpleQueue[Batch | None] = field(default_factory=SimpleQueue)
    batch: Batch | None = None
    """What it plays."""
    alone: bool = False
    """Nobody else may play on its device meanwhile."""
    thread: threading.Thread | None = None


class _Crew:
    def __init__(self, session: Session, overlap: Overlap, stop: Callable[[], bool]) -> None:
        self._session = session
        self._stop = stop
        self.ending = False
        """Whether nothing more is handed out, for another reason than a stop."""
        self._done: SimpleQueue[tuple[_Worker, _Result]] = SimpleQueue()
        self._again: list[tuple[_Worker, Batch]] = []
        """Where memory ran out: to be played alone on the device."""
        self._workers = [
            _worker(session, name, number, player, overlap)
            for name, players in session.replicas.items()
            for number, player in enumerate(players)
        ]
        lanes = {worker.lane: worker.device for worker in self._workers if worker.device}
        self._crowded = {device for device, count in Counter(lanes.values()).items() if count > 1}
        # Memory is kept for each stream, so players that take turns have one in common.
        self._streams = {
            lane: make_stream(device) for lane, device in lanes.items() if device in self._crowded
        }

    def __enter__(self) -> _Crew:
        for worker in self._workers:
            # A daemon, so that a second Ctrl-C need not wait for a model that plays for minutes.
            worker.thread = threading.Thread(
                target=self._work, args=(worker,), name=f"playing {worker.model}", daemon=True
            )
            worker.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.inbox.put(None)
        if kind is None or not issubclass(kind, KeyboardInterrupt):
            for worker in self._workers:
                if worker.thread is not None:
                    worker.thread.join()

    def hand_out(self) -> None:
        """Give what is ready to all who are free to play."""
        while (found := self._next()) is not None:
            self._give(*found)

    def results(self) -> Iterator[_Result]:
        """What came of each micro-batch, as it comes, until none is in play."""
        while any(worker.batch for worker in self._workers):
            worker, result = self._next_done()
            again = _says_no_memory(result.outcomes) and self._can_have_more(worker)
            worker.batch, worker.alone = None, False
            if again:
                self._again.append((worker, result.batch))
                # The error holds on to what the attempt took.
                del result
            self._play_again()
            if not again:
                yield result

    def _next_done(self) -> tuple[_Worker, _Result]:
        while True:
            if self.ending or self._stop():
                for worker in self._workers:
                    # Again each time: one may have begun to play only now.
                    if worker.batch:
                        worker.player.stop()
            try:
                return self._done.get(timeout=LISTENS)
            except Empty:
                continue

    def _can_have_more(self, worker: _Worker) -> bool:
        """Whether there is memory for a player that had too little, when it plays alone."""
        if worker.device in self._crowded and not worker.alone:
            return True
        if not self._session.turns.begin(worker.player):
            return False
        for other in self._workers:
            if other.device == worker.device and other.lane is not None:
                other.lane = worker.device
        return True

    def _play_again(self) -> None:
        for worker, batch in self._again[:]:
            if worker.device not in self._devices_in_play():
                free_memory()
                self._again.remove((worker, batch))
                worker.alone = True
                self._give(worker, batch)

    def _next(self) -> tuple[_Worker, Batch] | None:
        waiting = self._session.scheduler.waiting()
        lanes = {worker.lane for worker in self._workers if worker.batch}
        reserved = {worker.device for worker, _ in self._again}
        reserved |= {worker.device for worker in self._workers if worker.alone}
        free = [w for w in self._workers if w.lane not in lanes and w.device not in reserved]
        free = self._without_moves(free, waiting)
        full = [w for w in free if waiting[w.model] >= w.player.batch_size]
        # A micro-batch takes its whole time however few are in it, and more may be coming: one
        # that is not full must not take that time from others on its device.
        taken = self._devices_in_play()
        rest = [w for w in free if w.device is None or w.device not in taken]
        for workers in (full, rest):
            models = dict.fromkeys(worker.model for worker in workers)
            if models and (batch := self._session.ask(*models)):
                return next(w for w in workers if w.model == batch.model), batch
        return None

    def _without_moves(self, free: list[_Worker], waiting: dict[str, int]) -> list[_Worker]:
        """Leave out who would have weights moved while those that are there have work."""
        here = [w for w in free if self._session.turns.taken(w.device) and _is_here(w.player)]
        at_work = {w.device for w in here if waiting[w.model]}
        return [w for w in free if w.device not in at_work or w in here]

    def _devices_in_play(self) -> set[str]:
        return {w.device for w in self._workers if w.batch and w.device is not None}

    def _give(self, worker: _Worker, batch: Batch) -> None:
        worker.batch = batch
        worker.inbox.put(batch)

    def _work(self, worker: _Worker) -> None:
        while (batch := worker.inbox.get()) is not None:
            self._done.put((worker, self._play(worker, batch)))

    def _play(self, worker: _Worker, batch: Batch) -> _Result:
        try:
            with on_stream(self._streams.get(worker.lane)):
                return _Result(batch, self._session.play(batch, worker.player))
        except BaseException as error:
            return _Result(batch, error)


def _worker(session: Session, model: str, number: int, player: Player, overlap: Overlap) -> _Worker:
    seat = session.casting.seats[model]
    device = player.device
    lane: Hashable = (model, number)
    if overlap == "off":
        lane = None
    elif session.turns.taken(device):
        lane = device
    elif device is not None:
        lane = (device, seat.settings.replicas()[number].copy_number)
        if overlap == "models":
            # Seats of one model share weights and tokenizer, which are not for two threads at once.
            lane = (*lane, seat.located.identity)
    return _Worker(model, player, device, lane)


def _is_here(player: Player) -> bool:
    return player.weights is not None and player.weights.here


def _says_no_memory(outcomes: object) -> bool:
    return isinstance(outcomes, ModelError) and is_out_of_memory(outcomes.__cause__ or outcomes)
