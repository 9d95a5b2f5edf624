"""Does a player's answer depend on what it is answered with?"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle, islice
from typing import Any, Literal, NamedTuple

import numpy as np

from ..steps import Failure, Output
from ._player import Player, check_outcomes

WITHIN_LEVELS = 2.0
"""Largest mean difference of pixels (of 255) that counts as the same picture."""


class Invariance(NamedTuple):
    """The verdict on a player's independence of the batch's company."""

    verdict: Literal["bit-exact", "within", "no", "untested"]
    """``within``: pictures differ by less than can be seen; captions never do. ``untested``: of a
    player that cannot be tested."""
    different: int
    """Answers that differed."""
    compared: int
    """Answers that were compared."""
    largest: float
    """Largest mean difference of two pictures, in levels of 255; for captions 1 if any differ."""


def check_invariance(player: Player) -> Invariance:
    """Answer the same inputs in full company, in reversed company and alone, and compare.

    All micro-batches have the player's fixed shape: an input that is alone is padded. A player that
    cannot be tested is asked nothing.

    Raises:
        RuntimeError: It could not answer one of them.
    """
    if not player.can_be_tested:
        return Invariance("untested", 0, 0, 0.0)
    size = min(player.batch_size, player.test_size or player.batch_size)
    inputs = player.samples(size)
    seeds = seeds_to_test(player, size, first=1000)
    together = _played(player, inputs, seeds)
    reversed_ = _played(player, inputs[::-1], seeds[::-1])[::-1]
    alone = _played(player, inputs[-1:], seeds[-1:])
    pairs = [*zip(together, reversed_, strict=True), (together[-1], alone[0])]
    differences = [difference(a, b) for a, b in pairs]
    largest = max(differences)
    different = sum(difference > 0 for difference in differences)
    if largest == 0:
        return Invariance("bit-exact", 0, len(pairs), 0.0)
    pictures = not isinstance(_content(together[0]), str)
    verdict: Literal["within", "no"] = "within" if pictures and largest < WITHIN_LEVELS else "no"
    return Invariance(verdict, different, len(pairs), largest)


def _played(player: Player, inputs: Sequence[Any], seeds: Sequence[int]) -> list[Output | Failure]:
    """Answers, or the first failure as an error: a player that fails is not asked for more."""
    outcomes = check_outcomes(player, player.play(inputs, seeds), len(inputs))
    failed = next((outcome for outcome in outcomes if isinstance(outcome, Failure)), None)
    if failed is not None:
        raise RuntimeError(failed.reason)
    return outcomes


def seeds_to_test(player: Player, count: int, *, first: int = 0) -> list[int]:
    """Seeds to test a player with: its own where it has some, else numbers."""
    own = player.test_seeds
    return list(islice(cycle(own), count)) if own else list(range(first, first + count))


def _content(outcome: Output | Failure) -> object:
    return outcome.content if isinstance(outcome, Output) else outcome.reason


def difference(a: Output | Failure, b: Output | Failure) -> float:
    """How far two answers are apart: mean levels of 255 for pictures, 0 or 1 for captions."""
    one, other = _content(a), _content(b)
    if isinstance(one, str) or isinstance(other, str):
        return float(one != other)
    first, second = np.asarray(one, dtype=float), np.asarray(other, dtype=float)
    return float(np.abs(first - second).mean()) if first.shape == second.shape else np.inf
