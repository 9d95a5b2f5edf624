"""Load one model and find out what a study can expect of it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, NamedTuple

import psutil
from PIL import Image
from pydantic import ValidationError

from ..errors import ModelError, ServerError
from ..models import (
    SIZES,
    Invariance,
    Player,
    Settings,
    check_invariance,
    difference,
    free_memory,
    get_backend,
    guess_backend,
    load_player,
    remember,
    seeds_to_test,
    time_batch,
)
from ..models import probe_batch_size as probe
from ..steps import Output, Role
from ..study import explain
from ._environment import device_name


class ModelCheck(NamedTuple):
    """What :func:`check_model` found."""

    path: str
    backend: str
    role: Role
    identity: str
    limits: dict[str, Any]
    """Tokens it reads, parameters, number format, picture size ..."""
    batch_size: int
    """The micro-batch that a run would take."""
    invariance: Invariance
    """At that micro-batch."""
    answers_the_same: bool
    """Whether the same call has the same answer each time; a server does not promise it."""
    across_sizes: float | None
    """Largest difference between answers in a micro-batch of one and of ``batch_size``: mean
    levels of 255 for pictures; for captions 1 if any differs. Why a run keeps to one size. None
    where it cannot be tested."""
    seconds: dict[int, float]
    """Seconds a sample by micro-batch; none where it cannot be tested."""
    load_seconds: float
    memory_bytes: int
    """By how much the process (on a GPU: its memory in use) grew."""
    example: Output | None
    """What it answers to one input; None where it cannot be tested, and so is asked nothing."""

    @property
    def said(self) -> str | None:
        """The example where it is a text."""
        said = self.example and self.example.content
        return said if isinstance(said, str) else None


def check_model(path: str, *, backend: str | None = None, **settings: Any) -> ModelCheck:
    """Load a model and test it: role, limits, batch invariance, speed, memory.

    A player that cannot be tested is loaded and asked nothing.

    Args:
        path: A folder, a name on the hub, or ``bundled:NAME``.
        backend: The backend that runs it; by default the one that recognises its files.
        **settings: The backend's settings, as a study has them.

    Raises:
        ModelError: It does not exist, or cannot be loaded or played.
    """
    name = backend or guess_backend(path)
    player_backend = get_backend(name)
    try:
        checked = player_backend.settings.model_validate({"path": path, **settings})
    except ValidationError as error:
        raise ModelError(explain(error, path, player_backend.settings)) from error
    located = player_backend.locate(checked)
    there = player_backend.contact(checked)
    if there is not None and there.trouble:
        raise ServerError(f"{path}: {there.address}: {there.trouble}")
    located = player_backend.fetch(checked, located)
    before, started = _memory(), time.perf_counter()
    player = load_player(player_backend, checked.replicas()[0], located)
    load_seconds = time.perf_counter() - started
    tried = _try(player, checked, path) if player.can_be_tested else _Tried(player, {})
    player, limits, example = tried.player, tried.player.limits(), tried.example
    if example is not None:
        size = player.batch_size
        facts = {"batch_size": size, "seconds": tried.seconds[size], **player.facts()}
        if isinstance(example.content, Image.Image):
            limits["picture"] = f"{example.content.width} × {example.content.height}"
            facts["pixels"] = example.content.width * example.content.height
        remember(located.identity, checked.pace, device=device_name(limits), **facts)
    return ModelCheck(
        path=path,
        backend=name,
        role=player.role,
        identity=located.identity,
        limits=limits,
        batch_size=player.batch_size,
        invariance=check_invariance(player),
        answers_the_same=player.answers_the_same,
        across_sizes=tried.across_sizes,
        seconds=tried.seconds,
        load_seconds=load_seconds,
        memory_bytes=_memory() - before,
        example=example,
    )


class _Tried(NamedTuple):
    player: Player
    """At the micro-batch that a run would take."""
    seconds: dict[int, float]
    example: Output | None = None
    across_sizes: float | None = None


def _try(player: Player, settings: Settings, path: str) -> _Tried:
    # Where each input may cost money, a micro-batch has no bearing on speed either.
    few = player.test_size
    try:
        size = few or settings.batch_size or probe(player)[0]
        seconds = _timed(player, [few] if few else SIZES, size)
        player = player.resized(size)
        inputs, seeds = player.samples(size), seeds_to_test(player, size)
        together = player.play(inputs, seeds)
    except (RuntimeError, MemoryError) as error:
        raise ModelError(f"{path}: it loads but cannot be played: {error}") from error
    example = together[0]
    if not isinstance(example, Output):
        raise ModelError(f"{path}: it loads but cannot be played: {example.reason}")
    singly = player.resized(1).play(inputs[:1], seeds[:1])[0]
    return _Tried(player, seconds, example, difference(example, singly))


def _timed(player: Player, sizes: Iterable[int], chosen: int) -> dict[int, float]:
    """Seconds a sample by micro-batch, around the chosen one; larger ones may be too large."""
    seconds = {}
    for size in sorted({*(size for size in sizes if size <= 2 * chosen), chosen}):
        try:
            seconds[size] = time_batch(player.resized(size))
        except (RuntimeError, MemoryError):
            if size <= chosen:
                raise
            break
    free_memory()
    return seconds


def _memory() -> int:
    """Bytes in use: of the accelerator where torch has one, else of this process."""
    import sys

    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return int(torch.cuda.memory_allocated())
    return int(psutil.Process().memory_info().rss)
