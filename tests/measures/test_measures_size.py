"""What measures hold at once does not grow with resamples times rounds, nor with copies of states.

Peaks are what Python's allocator counts, numpy's arrays among them, so that they are the same on
any machine.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from driftloop.measures import (
    alike,
    curve,
    dealt_out,
    separation,
    shuffled,
    strangers_from,
)

States = npt.NDArray[np.float32]
PROMPTS, RESAMPLES = 8, 100


def states(rounds: int, d: int = 4) -> States:
    x = np.random.default_rng(0).normal(size=(PROMPTS, rounds, d))
    return (x / np.linalg.norm(x, axis=2, keepdims=True)).astype(np.float32)


def peak(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


MEASURES: dict[str, Callable[[States], Any]] = {
    "curve": lambda x: curve(x[:, :, 0], range(PROMPTS), resamples=RESAMPLES),
    "strangers": lambda x: strangers_from(x, x[:, 0], range(PROMPTS), resamples=RESAMPLES),
    "separation": lambda x: separation(x, range(PROMPTS), resamples=RESAMPLES),
}


@pytest.mark.parametrize("name", MEASURES)
def test_resamples_of_all_rounds_are_never_there_at_once(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure = MEASURES[name]
    block = 5_000
    monkeypatch.setattr("driftloop.measures._interval.BLOCK", block)
    few, many = 60, 360
    measure(states(8))  # what is imported, and drawn once, is not counted
    less, more = (peak(partial(measure, states(n))) for n in (few, many))
    # As much as all resamples of one number a round; there were several of each quantity.
    allowed = (many - few) * RESAMPLES * 8
    assert more - less < allowed


@pytest.mark.parametrize("radius", [0.0, 0.01, 0.5])
def test_states_are_named_as_one_by_one(radius: float) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(700, 3)).round(1)
    x /= np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9)
    x[rng.random(700) < 0.05] = np.nan
    leaders: list[int] = []
    names: list[int | None] = []
    for at, state in enumerate(x):
        if np.isnan(state[0]):
            names.append(None)
            continue
        near = [n for n, one in enumerate(leaders) if 1 - x[one] @ state <= radius + 1e-6]
        names.append(near[0] if near else len(leaders))
        if not near:
            leaders.append(at)
    assert alike(x, radius) == names


def test_states_are_back_in_their_places_after_an_error() -> None:
    x = states(5)
    x[2, 3] = np.nan
    before = x.copy()

    def fail() -> None:
        with dealt_out(x):
            np.testing.assert_array_equal(x, shuffled(before))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    np.testing.assert_array_equal(x, before)
