"""One sitting at a run: the scheduler, the players and the store, ready to be driven."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image
from pydantic import ValidationError

from ..errors import StoreError, StudyError
from ..models import Player, remember
from ..pictures import Picture, PictureError, read_picture
from ..prompts import Prompt
from ..scheduler import Course, Played, Scheduler, Seat
from ..steps import Batch, Content, Failure, Output, Step, Trajectory, image_digest
from ..store import Run, create_run, sole_player
from ..study import Study, load_study
from ._casting import Casting, cast_study, steps_done
from ._environment import describe_environment, device_name
from ._loading import Say, introduce, load_players
from ._overlong import read_whole
from ._playing import play_batch
from ._servers import check_servers
from ._turns import Turns

Starts = dict[str, tuple[Content, Picture | None]]
"""What each prompt brings, by its id."""


class Session:
    """A study, its loaded players and its run folder; whoever drives it owns the loop.

    ::

        with Session("quickstart", "runs/mine") as session:
            while batch := session.ask():
                player = session.players[batch.model]
                session.tell(batch, player.play(session.inputs(batch), batch.seeds))

    Making one checks everything that can be checked before a model is loaded, opens the folder
    (new, or of an earlier session that is then continued), loads the models and tests them.

    Args:
        study: A study, the path of its file, or the name of one that ships.
        folder: The run folder.
        where: What to call the study in errors, by default its file.
        turns: Models that share a device take turns with its memory: the weights of one are on it,
            those of the others in main memory.
        say: Called with a line at each stage that takes long.

    Raises:
        StudyError: The study cannot be played, or the folder holds another study.
        StoreError: The folder cannot be used, or another process plays in it.
        ModelError: A model cannot be loaded, or its server is not there.
    """

    def __init__(
        self,
        study: Study | str | PathLike[str],
        folder: str | PathLike[str],
        *,
        where: str | None = None,
        turns: bool = False,
        say: Say = lambda _: None,
    ) -> None:
        where = where or ("study" if isinstance(study, Study) else str(study))
        self.study = study if isinstance(study, Study) else load_study(Path(study))
        self.casting: Casting = cast_study(self.study, where)
        starts = _starts(self.study, where)
        self.turns = Turns(everywhere=turns)
        self._times: dict[int, _Times] = {}
        self._first_asked = math.inf
        self._tallies: dict[str, _Tally] = {name: _Tally() for name in self.casting.seats}
        with ExitStack() as stack:
            stack.enter_context(sole_player(folder))
            self.run: Run = stack.enter_context(create_run(folder))
            _check_same_study(self.casting, starts, self.run, where)
            if steps_done(self.casting, self.run) < self.casting.steps:
                check_servers(self.casting, where)
            # All before the first is loaded: what cannot be fetched is told while it costs little.
            self.casting = self.casting.fetched(say)
            loaded: dict[str, list[Player]] = {}
            for seat in self.casting.seats.values():
                say(f"loading {seat.name}")
                loaded[seat.name] = load_players(seat, self.run, self.turns, say)
            loaded = read_whole(self.casting, loaded)
            for content, picture in starts.values():
                if picture is not None:
                    self.run.put_image(picture.image, content.value)
            self.run.begin(
                study=self.study.model_dump_json(exclude_unset=True),
                digest=self.study.digest(),
                prompts=[
                    (prompt.id, starts[prompt.id][0], prompt.source)
                    for prompt in self.study.prompts
                ],
                environment=describe_environment(),
                flags={id: start.notes for id, (_, start) in starts.items() if start},
            )
            self.replicas: dict[str, list[Player]] = {
                seat.name: introduce(seat, loaded.pop(seat.name), self.run, self.turns, say)
                for seat in self.casting.seats.values()
            }
            self.players: dict[str, Player] = {
                name: players[0] for name, players in self.replicas.items()
            }
            self.scheduler = self._scheduler({id: start for id, (start, _) in starts.items()})
            self.run.commit(self.scheduler.collect())
            self._stack = stack.pop_all()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the session; everything told is on disk already."""
        outcome = "finished" if self.scheduler.done else "stopped"
        # A disk that is full has no room for this note; the error that said so must not be hidden.
        with self._stack, suppress(StoreError):
            self.run.end(outcome)
        for name, tally in self._tallies.items():
            if tally.calls:
                seat = self.casting.seats[name]
                player = self.players[name]
                learnt: dict[str, Any] = getattr(player, "facts", dict)()
                facts = {**tally.facts(), **learnt, "device": device_name(player.limits())}
                remember(seat.located.identity, seat.choices, **facts)

    def ask(self, *models: str) -> Batch | None:
        """The next micro-batch, or None when nothing is ready; see :meth:`Scheduler.ask`."""
        batch = self.scheduler.ask(*models)
        if batch is not None:
            clock = time.perf_counter()
            self._times[batch.number] = _Times(time.time(), clock)
            self._first_asked = min(self._first_asked, clock)
        return batch

    def inputs(self, batch: Batch) -> list[str | Image.Image]:
        """The texts or pictures that a micro-batch's calls take.

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
        Those that a stop kept from being answered stay out, and are played by the next session.
        """
        if any(isinstance(outcome, Failure) and outcome.stopped for outcome in outcomes):
            batch, outcomes = _answered(batch, outcomes)
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

    def _scheduler(self, starts: dict[str, Content]) -> Scheduler:
        study = self.study
        courses = [
            Course(Trajectory(arm, prompt.id, twin), starts[prompt.id], network, study.rounds)
            for twin in range(study.twins)
            for prompt in study.prompts
            for arm, network in self.casting.networks.items()
        ]
        seats = {
            name: Seat(name, player.fingerprint, player.batch_size)
            for name, player in self.players.items()
        }
        played = [Played(*row) for row in self.run.played()]
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
    """None where whoever plays it does not tell."""


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


def _answered(
    batch: Batch, outcomes: Sequence[Output | Failure]
) -> tuple[Batch, list[Output | Failure]]:
    """Leave out of a micro-batch what a stop kept from being answered."""
    pairs = [
        (call, outcome)
        for call, outcome in zip(batch.calls, outcomes, strict=True)
        if not (isinstance(outcome, Failure) and outcome.stopped)
    ]
    calls = tuple(call for call, _ in pairs)
    return replace(batch, calls=calls), [outcome for _, outcome in pairs]


def _starts(study: Study, where: str) -> Starts:
    starts: Starts = {}
    owners: dict[Content, str] = {}
    for prompt in study.prompts:
        if prompt.text is not None:
            starts[prompt.id] = (Content("text", prompt.text), None)
        else:
            picture = _open_picture(prompt, where)
            starts[prompt.id] = (Content("image", image_digest(picture.image)), picture)
        content, _ = starts[prompt.id]
        # Their trajectories would be the same ones, counted as if each were evidence of its own.
        if (other := owners.setdefault(content, prompt.id)) != prompt.id:
            raise StudyError(
                f"{where}: prompts '{other}' and '{prompt.id}' are the same {content.kind}; "
                f"leave one out"
            )
    return starts


def _open_picture(prompt: Prompt, where: str) -> Picture:
    try:
        return read_picture(Path(str(prompt.image)))
    except (OSError, PictureError) as error:
        raise StudyError(
            f"{where}: prompt '{prompt.id}': {prompt.image} cannot be read as a picture: {error}"
        ) from error


def _check_same_study(casting: Casting, starts: Starts, run: Run, where: str) -> None:
    found, earlier = [], []
    for data in run.studies():
        try:
            earlier.append(Study.model_validate(data))
        except ValidationError:
            found.append(f"it cannot be played on ({data.get('title') or 'of unknown origin'})")
    free = {seat.model: seat.settings.UNDECIDING for seat in casting.seats.values()}
    found += casting.study.deciding(free).conflicts(*(study.deciding(free) for study in earlier))
    for prompt in run.prompts():
        content, picture = starts.get(prompt["id"], (None, None))
        if content is not None and content != (prompt["kind"], prompt["value"]):
            # Older versions did nothing of this to a picture, and so started from another one.
            notes = picture.notes if picture is not None else ()
            done = f" (its picture, as it is read now: {', '.join(notes)})" if notes else ""
            found.append(f"prompt '{prompt['id']}' has another content{done}")
    for player in run.players():
        seat = casting.seats.get(player["model"])
        # Of a player that played elsewhere nobody knows the weights.
        identity = player["details"].get("identity")
        if seat and identity not in (None, seat.located.identity):
            found.append(f"the weights of model '{seat.name}' are not those it was played with")
    if found:
        raise StudyError(
            f"{where}: {run.folder} holds another study: {'; '.join(dict.fromkeys(found))}. More "
            f"rounds, twins, prompts or arms would extend it; for anything else choose another "
            f"folder with --out"
        )
