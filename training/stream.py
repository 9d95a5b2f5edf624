"""Batches without end, made by other processes where a GPU would wait for them."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from training.common import DEVICE

Batch = TypeVar("Batch")


class _Endless(IterableDataset[Batch]):
    def __init__(self, make: Callable[[random.Random], Batch], seed: int) -> None:
        self.make, self.seed = make, seed

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        rng = random.Random(f"{self.seed} {worker.id if worker else 0}")
        while True:
            yield self.make(rng)


def stream(make: Callable[[random.Random], Batch], seed: int, workers: int) -> Iterator[Batch]:
    """What `make` gives, again and again, moved to where training runs.

    Args:
        make: Makes a batch with this source of randomness: a tensor, an array, or (named) tuples
            of them. It may run in a process of its own, so nothing in it may touch the GPU.
        seed: Of the whole stream; with the same number of workers it is the same stream.
        workers: Processes that make batches ahead; 0 makes each when it is asked for.
    """
    batches = DataLoader(
        _Endless(make, seed), batch_size=None, num_workers=workers, worker_init_fn=_patient
    )
    return map(_moved, batches)


def _patient(worker: int) -> None:
    # Ctrl-C reaches every process of a terminal; who trains has to save first.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _moved(batch: Any) -> Any:
    if isinstance(batch, torch.Tensor):
        return batch.to(DEVICE)
    parts = map(_moved, batch)
    return type(batch)(*parts) if hasattr(batch, "_fields") else tuple(parts)
