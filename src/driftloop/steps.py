"""The records that flow: what is asked of a model, what it answered, and where that belongs.

A :class:`Call` is a computation (this model, this input, this seed); a :class:`Step` is its place
in a trajectory. Two arms that agree so far have different steps but the same calls, which is why
the calls are computed once. A :class:`Recorded` step was played elsewhere: what is not known of it
is None.
"""

from __future__ import annotations

import hashlib
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
    WRITER = "writer"
    """Of a chain of texts alone, where language models play telephone; none ships."""

    @property
    def reads(self) -> Kind:
        """What the role takes."""
        return "image" if self is Role.CAPTIONER else "text"

    @property
    def writes(self) -> Kind:
        """What the role gives."""
        return "image" if self is Role.GENERATOR else "text"


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


def image_digest(image: Image.Image) -> str:
    """Hash an image's pixels (not its file, so that the encoder of the file does not matter)."""
    hasher = hashlib.sha256(f"{image.mode} {image.width} {image.height}\n".encode())
    hasher.update(image.tobytes())
    return hasher.hexdigest()


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
    """A caption, or an RGB image exactly as the next player receives it."""
    readings: tuple[Reading, ...] = ()
    """Of each text encoder of a generator; none where it does not tell."""
    tokens_written: int | None = None
    """Tokens of a caption, with those that its budget cut off."""
    cut_text: str = ""
    """What a captioner wrote past its budget."""
    flags: tuple[str, ...] = ()
    """What is odd about it: ``empty``, ``flat``, ``nan``, ``filtered``, ``unfinished`` ..."""

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
    trace: str = ""


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
    """Position in the trajectory, from 0; two steps make a round in the usual network."""
    round: int
    """From 1."""
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
