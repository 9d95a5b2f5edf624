"""Backend ``controls``: players that are known to do nothing, for measures to be tried on.

The generator ``write`` writes its text into the picture; the captioners are

* ``identity``: reads it back. Nothing drifts.
* ``fixed``: always the same caption. Everything is the same at once.
* ``random``: a caption from a corpus, whatever the picture shows. Nothing is remembered.
* ``shuffled``: the caption that *another* trajectory of a recorded run had at the same round. The
  recorded run's variety at every round, and no trajectory in it.

A measure that finds structure in one of these that it has not is wrong. A study::

    [models.write]
    backend = "controls"
    kind = "write"

    [models.random]
    backend = "controls"
    kind = "random"
    path = "postcards-24"
"""

from __future__ import annotations

import csv
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ..errors import ModelError
from ..seeds import digest
from ..steps import Failure, Output, Reading, Role
from ._backend import Backend
from ._files import user_path
from ._player import Player
from ._protocols import Located, Settings
from ._texts import load_texts, locate_texts
from ._writing import read_text, write_text

Kind = Literal["write", "identity", "fixed", "random", "shuffled"]
Captions = dict[int, list[str]]
"""By round; those of a corpus are all under round 0."""


class ControlSettings(Settings):
    """Settings of a control."""

    kind: Kind
    """``write`` is the generator, the others are captioners."""
    path: str = ""
    """Where captions come from: for ``random`` a prompt set or a text file with one a line; for
    ``shuffled`` the steps of a recorded run, as ``driftloop export --steps`` writes them."""
    caption: str = "A picture."
    """What ``fixed`` says."""
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 64

    @model_validator(mode="after")
    def _has_captions(self) -> ControlSettings:
        if self.kind in ("random", "shuffled") and not self.path:
            raise ValueError(f"a control of kind '{self.kind}' needs a path: where captions are")
        return self


class ControlPlayer(Player):
    """A player without a model."""

    def __init__(self, settings: ControlSettings, identity: str, source: _Source) -> None:
        self.settings = settings
        self.batch_size = settings.batch_size
        self.role = _role(settings.kind)
        self._identity = identity
        self._source = source
        # Where it answers for a recorded run, it has no answer to the seeds of another.
        self.test_seeds = source.seeds

    @property
    def fingerprint(self) -> str:
        """Kind, captions and micro-batch."""
        choices = self.settings.model_dump(exclude={"path", "batch_size"})
        return digest("controls", *sorted(choices.items()), self._identity, self.batch_size).hex()

    def resized(self, batch_size: int) -> ControlPlayer:
        """The same control with another micro-batch."""
        settings = self.settings.model_copy(update={"batch_size": batch_size})
        return ControlPlayer(settings, self._identity, self._source)

    def play(self, inputs: Sequence[Any], seeds: Sequence[int]) -> list[Output | Failure]:
        """Answer each by itself."""
        return [self._one(item, seed) for item, seed in zip(inputs, seeds, strict=True)]

    def limits(self) -> dict[str, Any]:
        """What it draws on."""
        return {"captions": self._source.size} if self._source.size else {}

    def samples(self, count: int) -> list[Any]:
        """Texts, or pictures of them."""
        texts = [f"sample number {number}" for number in range(count)]
        return texts if self.role is Role.GENERATOR else [write_text(text) for text in texts]

    def _one(self, item: Any, seed: int) -> Output | Failure:
        if isinstance(item, str):
            return Output(write_text(item), (Reading(len(item.split())),))
        if self.settings.kind == "identity":
            try:
                text = read_text(item)
            except ValueError as error:
                return Failure(str(error))
        elif self.settings.kind == "fixed":
            text = self.settings.caption
        else:
            try:
                text = self._source.pick(seed)
            except LookupError as error:
                return Failure(str(error.args[0]))
        flags = () if text.strip() else ("empty",)
        return Output(text, tokens_written=len(text.split()), flags=flags)


class _Source:
    """Captions to choose from."""

    def __init__(self, captions: Captions, rounds: dict[int, tuple[int, int]] | None) -> None:
        self._captions = captions
        self._rounds = rounds
        self.size = sum(map(len, captions.values()))
        self.seeds = tuple(rounds or ())

    def pick(self, seed: int) -> str:
        """A caption for a step; its seed says which step it is.

        Raises:
            LookupError: The recorded run has no such step.
        """
        dice = random.Random(seed)
        if self._rounds is None:
            return dice.choice(self._captions[0])
        # Arms share their seeds, so the seed of a step is found in the recorded run, and with it
        # the round: a player is told neither.
        if seed not in self._rounds:
            raise LookupError(
                "the recorded run has no caption with this seed: a shuffled control needs the "
                "recorded study's seed, prompts and twins, and no more rounds than it has"
            )
        round, own = self._rounds[seed]
        others = self._captions[round]
        if len(others) < 2:
            raise LookupError(f"the recorded run has no other trajectory at round {round}")
        place = dice.randrange(len(others) - 1)
        return others[place + (place >= own)]


class ControlBackend(Backend):
    """Makes controls."""

    settings = ControlSettings

    def role(self, settings: ControlSettings) -> Role:
        """Generator or captioner, by kind."""
        return _role(settings.kind)

    def locate(self, settings: ControlSettings) -> Located:
        """Find the captions; a control without any is just its kind."""
        if not settings.path:
            return Located(None, "control", 0)
        return Located(None, locate_texts(settings.path), 0)

    def load(self, settings: ControlSettings, located: Located) -> ControlPlayer:
        """Read the captions.

        Raises:
            ModelError: The file is not what the control needs.
        """
        if settings.kind == "random":
            source = _Source({0: load_texts(settings.path)}, None)
        elif settings.kind == "shuffled":
            source = _recorded(user_path(settings.path))
        else:
            source = _Source({}, None)
        return ControlPlayer(settings, located.identity, source)


def _role(kind: Kind) -> Role:
    return Role.GENERATOR if kind == "write" else Role.CAPTIONER


def _recorded(file: Path) -> _Source:
    rows = _READERS.get(file.suffix.lower())
    if rows is None:
        raise ModelError(
            f"{file}: a shuffled control reads {' or '.join(_READERS)} files, as driftloop export "
            f"--steps writes them"
        )
    captions: Captions = {}
    rounds: dict[int, tuple[int, int]] = {}
    try:
        for round, seed, text in rows(file):
            if text is not None and seed not in rounds:
                others = captions.setdefault(round, [])
                rounds[seed] = round, len(others)
                others.append(text)
    except (KeyError, ValueError, OSError) as error:
        raise ModelError(f"{file}: not the steps of a run (round, seed, text): {error}") from error
    if not captions:
        raise ModelError(f"{file}: no captions in it")
    return _Source(captions, rounds)


def _parquet(file: Path) -> list[tuple[int, int, str | None]]:
    import pyarrow.parquet as pq

    table = pq.read_table(file, columns=["round", "seed", "text"])
    return list(zip(*(table[name].to_pylist() for name in table.column_names), strict=True))


def _csv(file: Path) -> list[tuple[int, int, str | None]]:
    with file.open(newline="", encoding="utf-8") as stream:
        return [
            (int(row["round"]), int(row["seed"]), row["text"] or None)
            for row in csv.DictReader(stream)
        ]


_READERS: dict[str, Callable[[Path], list[tuple[int, int, str | None]]]] = {
    ".parquet": _parquet,
    ".csv": _csv,
}

backend = ControlBackend()
