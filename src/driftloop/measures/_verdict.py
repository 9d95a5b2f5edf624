"""The verdict: what an arm's trajectories do, or that it cannot be told."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from ._bootstrap import Estimate
from ._pairs import Late

Kind = Literal["collapses", "contracts", "wanders", "remembers", "undecided"]

FALLS = 0.1
"""Strangers have come together when they are closer by more than a tenth."""
FORGOTTEN = 1 / 3
"""The prompt is forgotten when less than a third of what set prompts apart is left of it."""
NEGLIGIBLE = 0.05
"""And also when twins are as far apart as strangers but for a twentieth."""
LEVEL = 0.05
"""Of each question's one-sided test."""

Reason = Literal[
    "one prompt",
    "no baseline",
    "contraction",
    "no twins",
    "twins apart",
    "identical twins",
    "no neighbours",
    "memory",
]
"""Why a question has no answer.

* ``one prompt``: no late round has states of two prompts.
* ``no baseline``: contraction would be measured from a round that is itself late.
* ``contraction``: its interval is too wide.
* ``no twins``: no prompt has two trajectories.
* ``twins apart``: twins have no late round in common.
* ``identical twins``: twins are the same in every round, so nothing random sets them apart.
* ``no neighbours``: too few late rounds follow each other to know the noise floor.
* ``memory``: its interval is too wide.
"""


class Verdict(NamedTuple):
    """What trajectories do, as far as the horizon shows."""

    kind: Kind
    falls: bool | None
    """Whether strangers come together; None where it cannot be told."""
    forgets: bool | None
    """Whether the prompt is forgotten; None where it cannot be told."""
    p: float
    """The larger of the two answers' p-values, which is that of the verdict; NaN where there is
    none. :func:`~driftloop.measures.holm` takes those of several arms."""
    contraction: Estimate
    memory: Estimate
    horizon: int
    """Rounds that it rests on: what comes later is not known."""
    reasons: tuple[Reason, ...] = ()
    """Why it is undecided: one for each question without an answer."""


def verdict(late: Late, *, falls: float = FALLS, forgotten: float = FORGOTTEN) -> Verdict:
    r"""Say what an arm does from contraction and memory.

    ============== ==================== ======================
    \               prompt is forgotten  prompt is remembered
    ============== ==================== ======================
    strangers fall *collapses*          *contracts*
    they do not    *wanders*            *remembers*
    ============== ==================== ======================

    A question is answered where a one-sided test at 5 % (:class:`~driftloop.measures.Pivot`) finds
    the quantity on one side of its threshold, and the verdict is *undecided* where either is not. A
    verdict claims both answers, so that it is false in 5 % of runs at most, whatever is true: of an
    intersection-union test each part may take the whole level, and the larger p-value is its own
    (Berger, *Technometrics* 24, 1982). Three cases that the tests cannot see:

    * States that have become exactly the same have collapsed.
    * Memory is a ratio, and has no useful error where every step is noise. It is asked only where
      noise is clearly less than 95 % of the distance between strangers. Elsewhere the prompt is
      forgotten if twins are as far apart as strangers, but for a twentieth.
    * Twins that are clearly nearer than the noise floor show that the floor is too high. Then the
      prompt is remembered if memory is above the threshold without any floor.

    Args:
        late: The late rounds, from :func:`~driftloop.measures.separation`.
        falls: Contraction above which strangers have come together.
        forgotten: Memory below which the prompt is forgotten.

    >>> import numpy as np
    >>> from driftloop.measures import separation
    >>> a, b, end = np.eye(3)
    >>> x = np.array([[a, end, end], [a, end, end], [b, end, end], [b, end, end]])
    >>> verdict(separation(x, ["a", "a", "b", "b"]).late).kind
    'collapses'
    """
    pivots = late.pivots
    fallen, of_fall = _answer(pivots.contraction.above(falls), pivots.contraction.below(falls))
    remembers, of_memory = _remembers(late, forgotten)
    if late.strangers.value == 0.0:
        fallen, remembers, of_fall, of_memory = True, False, 0.0, 0.0
    kind: Kind = "undecided"
    p = np.nan
    if fallen is not None and remembers is not None:
        kind, p = KINDS[fallen, not remembers], max(of_fall, of_memory)
    forgets = None if remembers is None else not remembers
    reasons: list[Reason] = []
    if fallen is None:
        reasons.append(_why_not_fallen(late))
    if remembers is None:
        reasons.append(_why_not_remembered(late))
    estimates = late.contraction, late.memory
    return Verdict(kind, fallen, forgets, p, *estimates, late.rounds, tuple(reasons))


def _remembers(late: Late, forgotten: float) -> tuple[bool | None, float]:
    pivots = late.pivots
    if pivots.room.above(NEGLIGIBLE) < LEVEL:
        # Twins nearer than the floor: only what holds without a floor is claimed.
        bound = pivots.separation if pivots.memory.above(1.0) < LEVEL else pivots.memory
        remembers, p = _answer(bound.above(forgotten), pivots.memory.below(forgotten))
        if remembers is not None:
            return remembers, p
    return _answer(np.nan, pivots.separation.below(NEGLIGIBLE))


def _why_not_fallen(late: Late) -> Reason:
    if late.strangers.prompts < 2 or not np.isfinite(late.strangers.value):
        return "one prompt"
    if late.baseline is None or late.baseline >= late.first:
        return "no baseline"
    return "contraction"


def _why_not_remembered(late: Late) -> Reason:
    if not late.paired:
        return "no twins"
    if late.identical:
        return "identical twins"
    if not np.isfinite(late.twins.value):
        return "twins apart"
    return "memory" if np.isfinite(late.noise.value) else "no neighbours"


KINDS: dict[tuple[bool, bool], Kind] = {
    (True, True): "collapses",
    (True, False): "contracts",
    (False, True): "wanders",
    (False, False): "remembers",
}


def _answer(above: float, below: float) -> tuple[bool | None, float]:
    """Which of two opposite p-values is below the level, and that p-value."""
    if above < LEVEL:
        return True, above
    return (False, below) if below < LEVEL else (None, np.nan)
