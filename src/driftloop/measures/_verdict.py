"""The verdict: what an arm's trajectories do, or that it cannot be told."""

from __future__ import annotations

from typing import Literal, NamedTuple

from ._bootstrap import Estimate
from ._pairs import Late

Kind = Literal["collapses", "contracts", "wanders", "remembers", "undecided"]

FALLS = 0.1
"""Strangers have come together when they are closer by more than a tenth."""
FORGOTTEN = 1 / 3
"""The prompt is forgotten when less than a third of what set prompts apart is left of it."""
NEGLIGIBLE = 0.05
"""And also when twins are as far apart as strangers but for a twentieth."""


class Verdict(NamedTuple):
    """What trajectories do, as far as the horizon shows."""

    kind: Kind
    falls: bool | None
    """Whether strangers come together; None where its bounds do not tell."""
    forgets: bool | None
    """Whether the prompt is forgotten; None where its bounds do not tell."""
    contraction: Estimate
    memory: Estimate
    horizon: int
    """Rounds that it rests on: what comes later is not known."""


def verdict(late: Late, *, falls: float = FALLS, forgotten: float = FORGOTTEN) -> Verdict:
    r"""Say what an arm does from the bounds of contraction and memory.

    ============== ==================== ======================
    \               prompt is forgotten  prompt is remembered
    ============== ==================== ======================
    strangers fall *collapses*          *contracts*
    they do not    *wanders*            *remembers*
    ============== ==================== ======================

    A question is answered where a one-sided 95 % bound (:class:`~driftloop.measures.Bounds`) lies
    beyond its threshold, and the verdict is *undecided* where either is not. A verdict claims both
    answers, so that it is false in 5 % of runs at most, whatever is true: of an intersection-union
    test each part may take the whole level (Berger, *Technometrics* 24, 1982). Two cases that the
    bounds cannot see: states that have become exactly the same have collapsed, and memory, a ratio,
    has no interval worth the name where every step is noise; there twins that are as far apart as
    strangers, but for a twentieth, tell.

    Args:
        late: The late rounds, from :func:`~driftloop.measures.separation`.
        falls: Contraction above which strangers have come together.
        forgotten: Memory below which the prompt is forgotten.

    >>> from driftloop.measures import Bounds, Estimate, Late
    >>> near, far = Estimate(0.0, -0.1, 0.1, 24), Estimate(0.5, 0.4, 0.6, 24)
    >>> bounds = Bounds(contraction=far[1:3], memory=near[1:3], separation=near[1:3])
    >>> verdict(Late(10, 20, far, far, near, far, near, bounds)).kind
    'collapses'
    """
    fallen = _above(late.bounds.contraction, falls)
    remembers = _above(late.bounds.memory, forgotten)
    forgets = None if remembers is None else not remembers
    if forgets is None and _above(late.bounds.separation, NEGLIGIBLE) is False:
        forgets = True
    if late.strangers.value == 0.0:
        fallen = forgets = True
    kind: Kind = "undecided"
    if fallen is not None and forgets is not None:
        kind = KINDS[fallen, forgets]
    return Verdict(kind, fallen, forgets, late.contraction, late.memory, late.rounds)


KINDS: dict[tuple[bool, bool], Kind] = {
    (True, True): "collapses",
    (True, False): "contracts",
    (False, True): "wanders",
    (False, False): "remembers",
}


def _above(bounds: tuple[float, float], threshold: float) -> bool | None:
    low, high = bounds
    if low > threshold:
        return True
    return False if high < threshold else None
