"""The records that flow: what is asked of a model, what it answered, and where that belongs.

A :class:`Call` is a computation (this model, this input, this seed); a :class:`Step` is its place
in a trajectory. Two arms that agree so far have different steps but the same calls, which is why
the calls are computed once. A :class:`Recorded` step was played elsewhere: what is not known of it
is None.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
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
    """Text to text: of a chain of texts alone, or a rule that rewrites a caption."""
    CHOOSER = "chooser"
    """Several candidates to one of them."""

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


class States:
    """Contents in a row, such as a trajectory's states so far; grows by one without a copy.

    >>> past = States().then(Content("text", "a fox")).then(Content("text", "a hen"))
    >>> [state.value for state in past]
    ['a fox', 'a hen']
    >>> past == States.of(past)
    True
    """

    __slots__ = ("before", "digest", "last", "length")

    def __init__(self, before: States | None = None, last: Content | None = None) -> None:
        self.before = before
        """Those but for the last; None where there are none."""
        self.last = last
        self.length: int = 0 if before is None else before.length + 1
        parts = () if before is None or last is None else (before.digest, *last)
        self.digest: bytes = digest("states", *parts)
        """Hash of all of them."""

    @classmethod
    def of(cls, contents: Iterable[Content]) -> States:
        """Those of a sequence."""
        states = cls()
        for content in contents:
            states = states.then(content)
        return states

    def then(self, content: Content) -> States:
        """The same with one more."""
        return States(self, content)

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[Content]:
        contents: list[Content] = []
        states: States | None = self
        while states is not None and states.last is not None:
            contents.append(states.last)
            states = states.before
        return reversed(contents)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, States) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"States({list(self)!r})"


Input = Content | States


class Needs(NamedTuple):
    """What a player's calls take, in this order: the candidates, and whatever else it asks for."""

    candidates: int = 1
    """Outputs of so many turns before: one, but for a chooser."""
    start: bool = False
    """What the trajectory started from."""
    past: bool = False
    """The trajectory's states at the end of each round before, see :class:`States`."""
    peers: bool = False
    """The states at the end of the round before of all trajectories of the arm that got there, and
    after these the trajectory's own."""


ONE_INPUT = Needs()


class Trajectory(NamedTuple):
    """The name of one trajectory; everything about it follows from these three."""

    arm: str
    prompt: str
    """The prompt's id."""
    twin: int


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
    inputs: tuple[Input, ...]
    """What the turn before gave, and whatever else the player :class:`Needs`."""
    seed: int
    key: str = field(init=False, compare=False, repr=False)
    """The name under which the outcome is kept and shared."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", call_key(self.fingerprint, self.inputs, self.seed))

    @property
    def input(self) -> Content:
        """What the turn before gave."""
        first = self.inputs[0]
        assert isinstance(first, Content)
        return first


def call_key(fingerprint: str, inputs: Sequence[Input], seed: int) -> str:
    """The name of a call's outcome.

    Args:
        fingerprint: Of the player.
        inputs: What the call takes.
        seed: Of the call.
    """
    if len(inputs) == 1 and isinstance(inputs[0], Content):
        return digest("call", fingerprint, *inputs[0], seed).hex()
    parts = [
        part
        for taken in inputs
        for part in (taken if isinstance(taken, Content) else ("states", taken.digest))
    ]
    return digest("call with", fingerprint, seed, *parts).hex()


@dataclass(frozen=True, slots=True)
class Step:
    """One call's place in one trajectory, with its outcome."""

    trajectory: Trajectory
    index: int
    """Position in the trajectory, from 0."""
    round: int
    """From 1, see :class:`~driftloop.network.Network`."""
    role: Role
    call: Call
    outcome: Output | Failure | None
    """None where another step (maybe of an earlier session) has brought the outcome already."""
    slot: str = ""
    """Which turn of the round it is; by default the role."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "slot", self.slot or self.role.value)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A step that was played elsewhere, as far as it is known."""

    round: int
    """From 1; rounds may be missing."""
    role: Role
    model: str
    fingerprint: str
    """Of the player that stands for the one that played."""
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
