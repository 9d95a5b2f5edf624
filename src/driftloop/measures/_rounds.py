"""Which rounds count: for the baseline, for the late means, and for both twins and strangers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ._influence import ROUNDING
from ._interval import Bools, Floats
from ._noise import late_from

RECORDED = 0.5
"""A round counts where so many of the prompts of the fullest round have a state."""


class Windows(NamedTuple):
    """Which rounds means are taken over."""

    first: int
    """The first of the late rounds."""
    baseline: int | None
    strangers: Bools
    """``(rounds,)`` the late rounds that count."""
    contraction: Bools
    """Of these, the ones that are whole periods after the baseline."""
    paired: Bools
    """``(rounds,)`` all rounds that count for strangers and for twins."""
    starts: list[int]
    """Memory is taken over those of them from here on: from the late rounds, and then from earlier
    and earlier ones."""


def choose_rounds(
    each: npt.NDArray[np.int64], twins: npt.NDArray[np.int64], since: int, period: int, late: float
) -> Windows:
    rounds = len(each)
    counts = each >= max(2.0, RECORDED * each.max(initial=0))
    paired = counts & (twins >= max(1.0, RECORDED * twins.max(initial=0)))
    own = np.flatnonzero(counts[since:]) + since
    baseline = int(own[0]) if len(own) else None
    starts = [start := late_from(rounds, late, 1)]
    while starts[-1] > 1:
        starts.append(starts[-1] // 2)
    at = np.arange(rounds)
    strangers = counts & (at >= start)
    contraction = np.zeros(rounds, dtype=bool)
    if baseline is not None and baseline < start:
        in_phase = strangers & ((at - baseline) % period == 0)
        contraction = in_phase if in_phase.any() else strangers
    return Windows(start, baseline, strangers, contraction, paired, starts)


def identical_twins(x: Floats, apart: Floats, baseline: int | None) -> bool:
    """Whether all twins are the same in all rounds, and not only because nothing moves."""
    known = np.isfinite(apart)
    if baseline is None or not known.any() or (apart[known] > 0).any():
        return False
    # Of equal states the difference is exactly 0, and the cosine distance only nearly.
    first = x[:, baseline]
    squares = (np.square(x[:, t] - first).sum(axis=1) for t in range(baseline, x.shape[1]))
    return any(bool((square / 2 >= ROUNDING).any()) for square in squares)
