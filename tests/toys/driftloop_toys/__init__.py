"""A third party's package that adds a backend: quick players without weights, for tests.

The generator draws a colour field from a hash of prompt and seed, the editor another one from a
hash of the picture, the captioner names the colour it sees and a few seeded words. Real enough to
be played, stored, killed and resumed in milliseconds.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from PIL import Image

from driftloop.errors import ModelError
from driftloop.models import Backend, Located, OnDevices, Player
from driftloop.seeds import digest
from driftloop.steps import Failure, Output, Reading, Role

WORDS = (
    "red green blue old new small large round quiet loud ship house tree cat moon road"
).split()


class ToySettings(OnDevices):
    role: Literal["generator", "captioner", "editor"] = "generator"
    path: str = "toy"
    delay: float = 0.0
    """Seconds a micro-batch."""
    fails_on: str = ""
    """Raise on inputs that contain this text (a generator), or have this first red value."""
    memory: int = 4096
    """The largest micro-batch that fits."""
    room: int | None = None
    """How many models fit on its device at a time; by default nobody minds."""
    variety: int = 256
    """How many different pictures or captions there are."""
    window: int | None = None
    """Words that a generator reads of a text."""
    says: str = ""
    """What a captioner adds to its caption."""
    testable: bool = True
    """Whether tests may play it."""


class ToyReader:
    """Counts words where a text encoder counts tokens."""

    def __init__(self, window: int) -> None:
        self.window = window
        self.identity = f"toy reader {window}"

    def read(self, text: str) -> tuple[Reading, ...]:
        words = text.split()
        rest = words[self.window :]
        return (Reading(len(words) - len(rest), len(rest), " ".join(rest)),)


class ToyWeights:
    """Weights that take a place of those that their device has."""

    held: ClassVar[list[ToyWeights]] = []
    """Whose weights are on a device."""
    moved: ClassVar[list[str]] = []
    """Who was moved in, in order."""

    def __init__(self, name: str, device: str, room: int) -> None:
        self.name, self.device, self.room = name, device, room

    @property
    def here(self) -> bool:
        return self in self.held

    def move_in(self) -> None:
        if self.here:
            return
        if sum(weights.device == self.device for weights in self.held) >= self.room:
            raise MemoryError(f"{self.device} has no room for {self.name}")
        self.held.append(self)
        self.moved.append(self.name)

    def move_out(self) -> None:
        self.held.remove(self)


class ToyPlayer(Player):
    def __init__(
        self, settings: ToySettings, batch_size: int, weights: ToyWeights | None = None
    ) -> None:
        self.settings = settings
        self.batch_size = batch_size
        self.role = Role(settings.role)
        self.reader = ToyReader(settings.window) if settings.window else None
        self.can_be_tested = settings.testable
        self.budget: int | None = None
        self.device = None if settings.place == "auto" else settings.place
        self.weights = weights
        if weights is None and settings.room:
            self.weights = ToyWeights(settings.role, settings.place, settings.room)

    @property
    def fingerprint(self) -> str:
        undeciding = {"batch_size", "delay", "device", "fails_on", "memory", "room", "testable"}
        choices = self.settings.model_dump(exclude=undeciding)
        return digest("toy", *sorted(choices.items()), self.batch_size).hex()

    def resized(self, batch_size: int) -> ToyPlayer:
        player = ToyPlayer(self.settings, batch_size, self.weights)
        player.budget = self.budget
        return player

    def within(self, words: int) -> ToyPlayer:
        player = self.resized(self.batch_size)
        player.budget = words
        return player

    def play(self, inputs: Sequence[Any], seeds: Sequence[int]) -> list[Output | Failure]:
        assert 0 < len(inputs) <= self.batch_size
        if self.weights is not None:
            self.weights.move_in()
        if self.batch_size > self.settings.memory:
            raise MemoryError(f"no memory for {self.batch_size} inputs")
        time.sleep(self.settings.delay)
        return [self._one(item, seed) for item, seed in zip(inputs, seeds, strict=True)]

    def _one(self, item: Any, seed: int) -> Output | Failure:
        told = item if isinstance(item, str) else item.tobytes().hex()
        if self.settings.fails_on and self.settings.fails_on in told:
            raise RuntimeError("the toy broke")
        number = int.from_bytes(hashlib.sha256(f"{told}|{seed}".encode()).digest()[:4], "big")
        number %= self.settings.variety
        if self.role.writes == "image":
            colour = tuple(hashlib.sha256(str(number).encode()).digest()[:3])
            if self.role is Role.EDITOR:
                return Output(Image.new("RGB", (8, 8), colour))
            readings = self.reader.read(told) if self.reader else (Reading(len(told.split())),)
            return Output(Image.new("RGB", (8, 8), colour), readings)
        words = [WORDS[(number >> shift) % len(WORDS)] for shift in (0, 4, 8)]
        text = f"A {words[0]} {words[1]} {words[2]}.{self.settings.says}"
        return Output(text, tokens_written=len(text.split()))

    def limits(self) -> dict[str, Any]:
        return {"toy": True, "budget": self.budget}

    def samples(self, count: int) -> list[Any]:
        if self.role is Role.GENERATOR:
            return [f"prompt {number}" for number in range(count)]
        return [Image.new("RGB", (8, 8), (number, 0, 0)) for number in range(count)]


class ToyBackend(Backend):
    settings = ToySettings
    tells_reading = True

    def role(self, settings: ToySettings) -> Role:
        return Role(settings.role)

    def locate(self, settings: ToySettings) -> Located:
        if settings.path != "toy":
            raise ModelError(f"no toy at '{settings.path}': the only one is 'toy'")
        return Located(None, f"toy {settings.role}", 0)

    def load(self, settings: ToySettings, located: Located) -> ToyPlayer:
        return ToyPlayer(settings, settings.batch_size or 1)


backend = ToyBackend()
