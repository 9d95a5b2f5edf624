"""What a caption says against the scene, or the other caption, that it should be of.

The counterpart, in a world whose objects are known, of the object-level fidelity that others
measure with a detector (MGG in UCF-UM, Mollah et al. 2025, arXiv 2509.04438): which of the objects,
numbers, sizes, tints, places, relations and settings of a reference are found again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .grammar import relation
from .parser import Parsed, ParsedObject
from .scenes import PlacedObject, Scene
from .world import SETTINGS

ATTRIBUTES = ("count", "size", "tint", "place")


class Score(NamedTuple):
    """Hits out of trials: a share is right only where something is said."""

    hits: int
    trials: int

    @property
    def share(self) -> float:
        """Hits a trial; NaN where nothing was tried."""
        return self.hits / self.trials if self.trials else float("nan")


def score(said: Parsed, reference: Scene | Parsed) -> dict[str, Score]:
    """Compare what a caption says with what it should.

    Args:
        said: A caption, parsed.
        reference: The scene that it is of; or another caption, parsed, of which only what it says
            is compared.

    Returns:
        By figure: ``objects found`` (recall: objects of the reference that are named),
        ``objects right`` (precision: named objects that the reference has), ``counts``, ``sizes``,
        ``tints``, ``places`` and ``relations right`` of objects that both name, and ``ground``,
        ``time``, ``weather``, ``season`` and ``style right``. What either leaves unsaid is no
        trial.

    >>> from driftloop.postcards import parse
    >>> score(parse("Two cats at night."), parse("A cat and a dog at night."))["objects found"]
    Score(hits=1, trials=2)
    """
    there: dict[str, PlacedObject | ParsedObject] = {}
    for thing in reference.objects:
        there.setdefault(thing.name, thing)
    named = set(said.names)
    found = {
        "objects found": Score(len(named & set(there)), len(there)),
        "objects right": Score(len(named & set(there)), len(named)),
    }
    both = [(t, there[t.name]) for t in said.objects if t.name in there]
    for key in ATTRIBUTES:
        pairs = [(getattr(a, key), getattr(b, key)) for a, b in both]
        told = [(a, b) for a, b in pairs if a is not None and b is not None]
        found[f"{key}s right"] = Score(sum(a == b for a, b in told), len(told))
    found["relations right"] = _relations(said, reference)
    for role in SETTINGS:
        a, b = getattr(said, role), getattr(reference, role)
        tried = a is not None and b is not None
        found[f"{role} right"] = Score(int(tried and a == b), int(tried))
    return found


def _relations(said: Parsed, reference: Scene | Parsed) -> Score:
    known: Callable[[str, str], str | None]
    if isinstance(reference, Scene):
        things = {thing.name: thing for thing in reference.objects}

        def known(a: str, b: str) -> str | None:
            return relation(things[a], things[b]) if a in things and b in things else None
    else:
        stated = {(r.first, r.second): r.kind for r in reference.relations}

        def known(a: str, b: str) -> str | None:
            return stated.get((a, b))

    told = [(r.kind, known(r.first, r.second)) for r in said.relations if r.first != r.second]
    tried = [(a, b) for a, b in told if b is not None]
    return Score(sum(a == b for a, b in tried), len(tried))
