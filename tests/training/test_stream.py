"""Batches that another process makes are those that would be made here."""

from __future__ import annotations

import itertools
import random
from typing import NamedTuple

import numpy as np
import torch

from training.stream import stream


class Pair(NamedTuple):
    here: torch.Tensor
    there: tuple[np.ndarray, torch.Tensor]


def make(rng: random.Random) -> Pair:
    return Pair(torch.tensor(rng.random()), (np.array([rng.random()]), torch.ones(2)))


def test_tuples_keep_their_names_and_their_shapes() -> None:
    for workers in (0, 2):
        first = next(stream(make, 5, workers))
        assert isinstance(first, Pair)
        assert isinstance(first.there, tuple)
        assert first.there[0].shape == (1,)


def test_a_stream_is_that_of_its_seed_and_its_workers() -> None:
    def heads(seed: int, workers: int) -> list[float]:
        return [float(b.here) for b in itertools.islice(stream(make, seed, workers), 6)]

    for workers in (0, 2):
        assert heads(1, workers) == heads(1, workers)
        assert len(set(heads(1, workers))) == 6
        assert heads(1, workers) != heads(2, workers)
    assert heads(1, 0) == heads(1, 1)
