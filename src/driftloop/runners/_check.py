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
    check_invariance,
    difference,
    fetch,
    free_memory,
    get_backend,
    guess_backend,
    remember,
    seeds_to_test,
    time_batch,
)
from ..models import probe_batch_size as probe
from ..steps import Output, Role
from ..study import explain
from ._environment import device_name
from ._servers import contact


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
    across_sizes: float
    """Largest difference between answers in a micro-batch of one and of ``batch_size``: mean
    levels of 255 for pictures; for captions 1 if any differs. Why a run keeps to one size."""
    seconds: dict[int, float]
    """Seconds a sample by micro-batch."""
    load_seconds: float
    memory_bytes: int
    """By how much the process (on a GPU: its memory in use) grew."""
    example: Output
    """What it answers to one input."""


def check_model(path: str, *, backend: str | None = None, **settings: Any) -> ModelCheck:
    """Load a model and test it: role, limits, batch invariance, speed, memory.

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
    there = contact(player_backend, checked)
    if there is not None and there.trouble:
        raise ServerError(f"{path}: {there.address}: {there.trouble}")
    located = fetch(player_backend, checked, located)
    before, started = _memory(), time.perf_counter()
    player = player_backend.load(checked.replicas()[0], located)
    load_seconds = time.perf_counter() - started
    # Where each input may cost money, a micro-batch has no bearing on speed either.
    few: int | None = getattr(player, "test_size", None)
    try:
        size = few or checked.batch_size or probe(player)[0]
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
    learnt: dict[str, Any] = getattr(player, "facts", dict)()
    facts: dict[str, Any] = {"batch_size": size, "seconds": seconds[size], **learnt}
    limits = player.limits()
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
        batch_size=size,
        invariance=check_invariance(player),
        across_sizes=difference(example, singly),
        seconds=seconds,
        load_seconds=load_seconds,
        memory_bytes=_memory() - before,
        example=example,
    )


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
