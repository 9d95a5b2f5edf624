"""One sitting at a run: the scheduler, the players and the store, ready to be driven."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError
from pydantic import ValidationError

from ..errors import ModelError, ServerError, StoreError, StudyError
from ..models import (
    Player,
    check_invariance,
    free_memory,
    is_out_of_memory,
    probe_batch_size,
    recall,
    remember,
)
from ..prompts import Prompt
from ..scheduler import Course, Played, Scheduler, Seat
from ..steps import Batch, Content, Failure, Output, Trajectory, image_digest
from ..store import Run, create_run, sole_player
from ..study import Study, load_study
from ._casting import Casting, SeatSpec, cast_study
from ._environment import describe_environment, device_name
from ._overlong import read_whole

Say = Callable[[str], None]
Starts = dict[str, tuple[Content, Image.Image | None]]
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
        say: Called with a line at each stage that takes long.

    Raises:
        StudyError: The study cannot be played, or the folder holds another study.
        StoreError: The folder cannot be used, or another process plays in it.
        ModelError: A model cannot be loaded.
    """

    def __init__(
        self,
        study: Study | str | PathLike[str],
        folder: str | PathLike[str],
        *,
        where: str | None = None,
        say: Say = lambda _: None,
    ) -> None:
        where = where or ("study" if isinstance(study, Study) else str(study))
        self.study = study if isinstance(study, Study) else load_study(Path(study))
        self.casting: Casting = cast_study(self.study, where)
        starts = _starts(self.study, where)
        self._batch_started: dict[int, float] = {}
        self._tallies: dict[str, _Tally] = {name: _Tally() for name in self.casting.seats}
        with ExitStack() as stack:
            self.run: Run = stack.enter_context(create_run(folder))
            stack.callback(sole_player(self.run.folder).release)
            _check_same_study(self.casting, starts, self.run, where)
            loaded: dict[str, list[Player]] = {}
            for seat in self.casting.seats.values():
                say(f"loading {seat.name}")
                loaded[seat.name] = [_load(seat, self.run, say)]
            self.players: dict[str, Player] = {
                name: players[0] for name, players in read_whole(self.casting, loaded).items()
            }
            self.run.begin(
                study=self.study.model_dump_json(exclude_unset=True),
                digest=self.study.digest(),
                prompts=[
                    (prompt.id, starts[prompt.id][0], prompt.source)
                    for prompt in self.study.prompts
                ],
                environment=describe_environment(),
            )
            for content, image in starts.values():
                if image is not None:
                    self.run.put_image(image, content.value)
            for seat in self.casting.seats.values():
                self.players[seat.name] = self._introduce(seat, self.players[seat.name], say)
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

    def ask(self, model: str | None = None) -> Batch | None:
        """The next micro-batch, or None when nothing is ready; see :meth:`Scheduler.ask`."""
        batch = self.scheduler.ask(model)
        if batch is not None:
            self._batch_started[batch.number] = time.time()
        return batch

    def inputs(self, batch: Batch) -> list[str | Image.Image]:
        """The texts or pictures that a micro-batch's calls take.

        Raises:
            StoreError: A picture is missing or damaged.
        """
        return self.run.inputs(batch)

    def play(self, batch: Batch) -> list[Output | Failure]:
        """Play a micro-batch; what cannot be answered fails by itself, never the rest.

        Raises:
            ModelError: Memory ran out twice. The micro-batch cannot shrink any more, since what was
                played has its bits; the run goes on when the same study is played again.
            ServerError: A server is gone; the run goes on when the same study is played again.
        """
        try:
            return self._answers(batch)
        except ServerError:
            raise
        except Exception as error:
            if not is_out_of_memory(error):
                return self._one_by_one(batch, error)
        # Outside of the handler, where nothing holds on to what the attempt took.
        free_memory()
        try:
            return self._answers(batch)
        except Exception as error:
            if is_out_of_memory(error):
                size = self.players[batch.model].batch_size
                raise ModelError(_no_memory(batch.model, size)) from error
            return self._one_by_one(batch, error)

    def _answers(self, batch: Batch) -> list[Output | Failure]:
        player = self.players[batch.model]
        return _checked(player, player.play(self.inputs(batch), batch.seeds), len(batch.calls))

    def _one_by_one(self, batch: Batch, error: Exception) -> list[Output | Failure]:
        if len(batch.calls) == 1:
            return [Failure(f"{type(error).__name__}: {error}", traceback.format_exc())]
        single = [Batch(batch.model, (call,), batch.number) for call in batch.calls]
        return [outcome for one in single for outcome in self.play(one)]

    def tell(self, batch: Batch, outcomes: Sequence[Output | Failure]) -> None:
        """Take a micro-batch's outcomes; they are on disk when this returns.

        Raises:
            StoreError: They cannot be kept (disk full); what was there before is untouched.
        """
        started = self._batch_started.pop(batch.number, time.time())
        seconds = time.time() - started
        self._tallies[batch.model].add(seconds, outcomes)
        self.scheduler.tell(batch, outcomes)
        self.run.commit(self.scheduler.collect(), started=started, seconds=seconds)

    def _introduce(self, seat: SeatSpec, player: Player, say: Say) -> Player:
        """Test a player that is new to the run, and halve its micro-batch until it fits.

        This is the one place where it may shrink: nothing has been played at its size yet, and as
        micro-batches have a fixed shape, what fits here fits later.
        """
        known = {row["fingerprint"]: row["details"] for row in self.run.players()}
        while "invariance" not in (details := known.get(player.fingerprint, {})):
            say(f"testing {seat.name}: does an answer depend on the batch's company?")
            try:
                with _playable(seat):
                    details["invariance"] = check_invariance(player)._asdict()
                break
            except ModelError as error:
                if not is_out_of_memory(error.__cause__ or error):
                    raise
                size = player.batch_size
                if size == 1 or seat.settings.batch_size is not None:
                    raise ModelError(_no_memory(seat.name, size)) from error
            free_memory()
            player = player.resized(size // 2)
            say(f"{seat.name}: no memory for a micro-batch of {size}, trying {size // 2}")
            remember(seat.located.identity, seat.choices, batch_size=size // 2)
        details.update(
            settings=seat.settings.model_dump(mode="json"),
            identity=seat.located.identity,
            limits=player.limits(),
        )
        self.run.add_player(player.fingerprint, seat.name, player.role, player.batch_size, details)
        return player

    def _scheduler(self, starts: dict[str, Content]) -> Scheduler:
        study = self.study
        courses = [
            Course(Trajectory(arm, prompt.id, twin), starts[prompt.id], network, study.rounds * 2)
            for twin in range(study.twins)
            for prompt in study.prompts
            for arm, network in self.casting.networks.items()
        ]
        seats = {
            name: Seat(name, player.role, player.fingerprint, player.batch_size)
            for name, player in self.players.items()
        }
        played = [Played(*row) for row in self.run.played()]
        return Scheduler(seed=study.seed, courses=courses, seats=seats, played=played)


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


def _starts(study: Study, where: str) -> Starts:
    starts: Starts = {}
    for prompt in study.prompts:
        if prompt.text is not None:
            starts[prompt.id] = (Content("text", prompt.text), None)
        else:
            image = _open_image(prompt, where)
            starts[prompt.id] = (Content("image", image_digest(image)), image)
    return starts


def _open_image(prompt: Prompt, where: str) -> Image.Image:
    try:
        with Image.open(str(prompt.image)) as file:
            return file.convert("RGB")
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, ValueError) as error:
        raise StudyError(
            f"{where}: prompt '{prompt.id}': {prompt.image} cannot be read as a picture: {error}"
        ) from error


def _check_same_study(casting: Casting, starts: Starts, run: Run, where: str) -> None:
    found = []
    for earlier in run.studies():
        try:
            found += casting.study.conflicts(Study.model_validate(earlier))
        except ValidationError:
            found.append(f"it cannot be played on ({earlier.get('title') or 'of unknown origin'})")
    for prompt in run.prompts():
        content, _ = starts.get(prompt["id"], (None, None))
        if content is not None and content != (prompt["kind"], prompt["value"]):
            found.append(f"prompt '{prompt['id']}' has another content")
    for player in run.players():
        seat = casting.seats.get(player["model"])
        if seat and player["details"]["identity"] != seat.located.identity:
            found.append(f"the weights of model '{seat.name}' are not those it was played with")
    if found:
        raise StudyError(
            f"{where}: {run.folder} holds another study: {'; '.join(dict.fromkeys(found))}. More "
            f"rounds, twins, prompts or arms would extend it; for anything else choose another "
            f"folder with --out"
        )


def _load(seat: SeatSpec, run: Run, say: Say) -> Player:
    player = seat.backend.load(seat.settings, seat.located)
    if seat.settings.batch_size is not None:
        return player
    # An earlier choice, of this run or on this machine, is kept: the bits depend on it.
    size = run.batch_size(seat.name) or recall(seat.located.identity, seat.choices).get(
        "batch_size"
    )
    if size is None:
        say(f"finding the best micro-batch of {seat.name}")
        with _playable(seat):
            size, seconds = probe_batch_size(player)
        remember(seat.located.identity, seat.choices, batch_size=size, seconds=seconds)
    return player.resized(int(size))


def _no_memory(name: str, size: int) -> str:
    if size == 1:
        return f"model '{name}': memory does not do for one input; another device or dtype may"
    return (
        f"model '{name}': memory does not do for its micro-batch of {size}, which decides the bits "
        f"of what it gives: free memory and play again, or set batch_size = {size // 2} and play "
        f"into a new folder"
    )


@contextmanager
def _playable(seat: SeatSpec) -> Iterator[None]:
    """A model that cannot answer its own samples is an error to mend, before anything is played."""
    try:
        yield
    except Exception as error:
        raise ModelError(
            f"model '{seat.name}' loads but cannot be played: {type(error).__name__}: {error}"
        ) from error


def _checked(player: Player, outcomes: Iterable[Any], count: int) -> list[Output | Failure]:
    outcomes = list(outcomes)
    if len(outcomes) != count:
        raise ValueError(f"the model gave {len(outcomes)} answers to {count} inputs")
    for outcome in outcomes:
        if isinstance(outcome, Output) and outcome.reference.kind != player.role.writes:
            raise ValueError(f"a {player.role} gave {outcome.reference.kind}")
    return outcomes
