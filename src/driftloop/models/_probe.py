"""How many inputs should a micro-batch have, and how many can it have?"""

from __future__ import annotations

import gc
import sys
import time

from ..steps import Failure
from ._player import Player
from ._selftest import seeds_to_test

SIZES = (1, 2, 4, 8, 16, 32)
WORTH = 0.92
"""A larger micro-batch has to save 8 % a sample; below that it only costs memory."""


def time_batch(player: Player) -> float:
    """Seconds a sample of one full micro-batch, after one that warms up.

    Raises:
        RuntimeError: The player cannot answer a micro-batch of this size.
    """
    inputs = player.samples(player.batch_size)
    seeds = seeds_to_test(player, player.batch_size)
    seconds = 0.0
    for _ in range(2):
        started = time.perf_counter()
        failed = [o for o in player.play(inputs, seeds) if isinstance(o, Failure)]
        seconds = time.perf_counter() - started
        if failed:
            raise RuntimeError(failed[0].reason)
    return seconds / player.batch_size


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: Python's own, or torch's for any device."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    told = str(error).lower()
    return isinstance(error, RuntimeError) and (
        "out of memory" in told or "not enough memory" in told
    )


def free_memory() -> None:
    """Give back what nobody uses any more, on the accelerator too."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def probe_batch_size(player: Player) -> tuple[int, float]:
    """Grow the micro-batch while that saves time, and memory allows it.

    Returns:
        The size, and its seconds a sample.
    """
    best, fastest = 1, time_batch(player.resized(1))
    for size in SIZES[1:]:
        try:
            seconds = time_batch(player.resized(size))
        except (RuntimeError, MemoryError):
            # Too large for the device, which torch says with a RuntimeError of its own.
            break
        if seconds > WORTH * fastest:
            break
        best, fastest = size, seconds
    return best, fastest
