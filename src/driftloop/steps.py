"""The records that flow: what is asked of a model, what it answered, and where that belongs.

A :class:`Call` is a computation (this model, this input, this seed); a :class:`Step` is its place
in a trajectory. Two arms that agree so far have different steps but the same calls, which is why
the calls are computed once. A :class:`Recorded` step was played elsewhere: what is not known of it
is None.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Literal, NamedTuple

from PIL import Image

from .seeds import digest

Kind = Literal["text", "image"]


class Role(StrEnum):
    """What a player does in the loop."""

    GENERATOR = "generator"
    CAPTIONER = "captioner"
    EDITOR = "editor"
    """Image to image: of networks that go on without a text."""
    WRITER = "writer"
    """Of a chain of texts alone, where language models play telephone; none ships."""

    @property
    def reads(self) -> Kind:
        """What the role takes."""
        return "image" if self in {Role.CAPTIONER, Role.EDITOR} else "text"

    @property
    def writes(self) -> Kind:
        """What the role gives."""
        return "image" if self in {Role.GENERATOR, Role.EDITOR} else "text"


class Content(NamedTuple):
    """A text itself, or the digest of an image that the store keeps."""

    kind: Kind
    value: str


class Trajectory(NamedTuple):
    """The name of one trajectory; everything about it follows from these three."""

    arm: str
    prompt: str
    """The prompt's id."""
    twin: int


class Place(NamedTuple):
    """One player's turn in a network."""

    player: str
    role: Role


@dataclass(frozen=True)
class Network:
    """Who plays at each step of a trajectory, and which steps are a round.

    A *round* begins with the opening, with every turn of the cycle, and where a role comes up that
    has played in the round already. No role plays twice in it, so that round and role name a step.

    >>> draw, look = Place("sdxl", Role.GENERATOR), Place("llava", Role.CAPTIONER)
    >>> usual = Network((draw, look))
    >>> [usual.round(step) for step in range(6)]
    [1, 1, 2, 2, 3, 3]
    >>> alone = Network((Place("repaint", Role.EDITOR),), opening=(draw,))
    >>> [(alone.at(step).player, alone.round(step)) for step in range(3)]
    [('sdxl', 1), ('repaint', 2), ('repaint', 3)]
    """

    cycle: tuple[Place, ...]
    """Turns that are taken again and again, one at least."""
    opening: tuple[Place, ...] = ()
    """Turns that come before, once."""

    @property
    def places(self) -> tuple[Place, ...]:
        """The opening's and the cycle's."""
        return self.opening + self.cycle

    def at(self, step: int) -> Place:
        """Who plays at a step, from 0."""
        before = len(self.opening)
        return self.opening[step] if step < before else self.cycle[(step - before) % self._turn]

    def round(self, step: int) -> int:
        """The round of a step, from 1."""
        before = len(self.opening)
        if step < before:
            return self._opening_rounds[step]
        turn, place = divmod(step - before, self._turn)
        return self._opening_rounds[-1] + turn * self._cycle_rounds[-1] + self._cycle_rounds[place]

    def steps(self, rounds: int) -> int:
        """How many steps so many rounds are."""
        first = self._opening_rounds[-1]
        if rounds <= first:
            return bisect_right(self._opening_rounds[:-1], rounds)
        turns, rest = divmod(rounds - first, self._cycle_rounds[-1])
        return len(self.opening) + turns * self._turn + bisect_right(self._cycle_rounds, rest)

    @cached_property
    def _turn(self) -> int:
        return len(self.cycle)

    @cached_property
    def _cycle_rounds(self) -> list[int]:
        return _rounds(self.cycle)

    @cached_property
    def _opening_rounds(self) -> list[int]:
        """The round of each of its steps, and then how many there are in all."""
        rounds = _rounds(self.opening)
        return [*rounds, max(rounds, default=0)]


def _rounds(places: Iterable[Place]) -> list[int]:
    rounds: list[int] = []
    number, played = 1, set[Role]()
    for _, role in places:
        if role in played:
            number, played = number + 1, set()
        played.add(role)
        rounds.append(number)
    return rounds


def image_digest(image: Image.Image) -> str:
    """Hash an image's pixels (not its file, so that the encoder of the file does not matter)."""
    hasher = hashlib.sha256(f"{image.mode} {image.width} {image.height}\n".encode())
    hasher.update(image.tobytes())
    return hasher.hexdigest()


def whole_text(text: str) -> str:
    r"""A text that can be written as UTF-8: a lone surrogate, half a character, becomes ``?``.

    >>> whole_text("a ship \ud83d")
    'a ship ?'
    """
    return text.encode("utf-8", "replace").decode()


class Reading(NamedTuple):
    """What one text encoder of a generator took of a text."""

    tokens: int
    """Tokens that it took."""
    cut: int = 0
    """Tokens that it had no room for."""
    cut_text: str = ""
    """The words of those."""
    text_encoder: str = ""
    """Its name in the pipeline, e.g. ``text_encoder_2``; empty where a generator has one only."""


def fullest(readings: Iterable[Reading]) -> Reading | None:
    """Of the text encoder that read the most; None where a generator does not tell."""
    return min(readings, key=lambda reading: reading.cut, default=None)


@dataclass(frozen=True)
class Output:
    """What a model gave for one input."""

    content: str | Image.Image
    """A caption, or an RGB image exactly as the next player receives it. Lone surrogates of a
    caption become question marks, with the flag ``half character``."""
    readings: tuple[Reading, ...] = ()
    """Of each text encoder of a generator; none where it does not tell."""
    tokens_written: int | None = None
    """Tokens of a caption, with those that its budget cut off."""
    cut_text: str = ""
    """What a captioner wrote past its budget."""
    flags: tuple[str, ...] = ()
    """What is odd about it: ``empty``, ``flat``, ``nan``, ``filtered``, ``unfinished`` ..."""

    def __post_init__(self) -> None:
        # A server may answer with half an emoji, which no hash, file or tokenizer takes.
        given = self.content, self.cut_text
        whole = [whole_text(part) if isinstance(part, str) else part for part in given]
        if (*whole,) != given:
            object.__setattr__(self, "content", whole[0])
            object.__setattr__(self, "cut_text", whole[1])
            object.__setattr__(self, "flags", (*self.flags, "half character"))

    @cached_property
    def reference(self) -> Content:
        """The content as the scheduler and the store name it."""
        if isinstance(self.content, str):
            return Content("text", self.content)
        return Content("image", image_digest(self.content))


@dataclass(frozen=True, slots=True)
class Failure:
    """A model could not answer; a row of its own, retried by the next run."""

    reason: str
    """Lone surrogates become question marks, here and in ``trace``."""
    trace: str = ""
    stopped: bool = False
    """The run was stopped before there was an answer: no row, and played by the next run."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", whole_text(self.reason))
        object.__setattr__(self, "trace", whole_text(self.trace))


@dataclass(frozen=True, slots=True)
class Call:
    """One computation, named by everything that decides its outcome."""

    model: str
    """The player's name in the study."""
    fingerprint: str
    """Hash of the player's weights and settings."""
    input: Content
    seed: int

    @property
    def key(self) -> str:
        """The name under which the outcome is kept and shared."""
        return digest("call", self.fingerprint, *self.input, self.seed).hex()


@dataclass(frozen=True, slots=True)
class Step:
    """One call's place in one trajectory, with its outcome."""

    trajectory: Trajectory
    index: int
    """Position in the trajectory, from 0."""
    round: int
    """From 1, see :class:`Network`."""
    role: Role
    call: Call
    outcome: Output | Failure | None
    """None where another step (maybe of an earlier session) has brought the outcome already."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A step that was played elsewhere, as far as it is known."""

    round: int
    """From 1; rounds may be missing."""
    role: Role
    model: str
    fingerprint: str
    """Of the player that stands for whoever played."""
    input: Content | None
    """None where it was not recorded."""
    outcome: Content | Failure
    """A text, a picture that the store keeps already, or why there is none."""
    seed: int | None = None
    flags: tuple[str, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    """What is known of how the player was set up, such as its instruction."""


@dataclass(frozen=True)
class Batch:
    """Calls of one model that are ready together."""

    model: str
    calls: tuple[Call, ...]
    number: int = field(default=0, compare=False)

    @property
    def seeds(self) -> list[int]:
        """The seeds, in the order of the calls."""
        return [call.seed for call in self.calls]
