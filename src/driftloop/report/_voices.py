"""Who agrees with whom: encoders of one family are one voice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..measures import Verdict
from ._phrases import count


class Vote(NamedTuple):
    """What one encoder says of a question."""

    family: str
    says: str | None
    """None where it cannot tell."""


class Agreement(NamedTuple):
    """What encoders say together."""

    says: str | None
    """None where nobody can tell, or too few can; ``mixed`` where they contradict each other."""
    robust: bool
    """Whether two families say it and none says another thing."""
    sure: str
    """The same in words."""


def cast_vote(family: str, verdict: Verdict) -> Vote:
    """What an encoder of a family says of an arm or condition."""
    return Vote(family, None if verdict.kind == "undecided" else verdict.kind)


def agree(votes: Sequence[Vote]) -> Agreement:
    """Put votes together.

    A claim is robust where two *families* make it and nobody contradicts: two models that learnt in
    the same way, and the text and image side of one CLIP, err together. Where several families
    were asked and one alone can tell, nothing is claimed.

    >>> agree([Vote("clip", "collapses"), Vote("clip", "collapses")])
    Agreement(says='collapses', robust=False, sure='Not robust: one family of encoders only (clip)')
    >>> agree([Vote("clip", "collapses"), Vote("pixels", "collapses")]).robust
    True
    """
    told = [vote for vote in votes if vote.says is not None]
    asked = list(dict.fromkeys(vote.family for vote in votes))
    able = list(dict.fromkeys(vote.family for vote in told))
    said = list(dict.fromkeys(vote.says for vote in told))
    if len(said) > 1:
        voices = [
            f"{_list(dict.fromkeys(v.family for v in told if v.says == one))}: {one}"
            for one in said
        ]
        return Agreement("mixed", False, f"Not robust: encoders disagree ({'; '.join(voices)})")
    if not told:
        return Agreement(None, False, f"None of {count(len(votes), 'encoder')} can tell")
    if len(able) >= 2:
        sure = f"Robust: {count(len(able), 'family')} of encoders agree ({_list(able)}), none"
        return Agreement(said[0], True, f"{sure} contradicts")
    if len(asked) > 1:
        sure = f"Of {count(len(asked), 'family')} of encoders one says “{said[0]}” ({able[0]})"
        return Agreement(None, False, f"{sure}; a claim wants two that agree")
    return Agreement(said[0], False, f"Not robust: one family of encoders only ({able[0]})")


def _list(names: Sequence[str] | dict[str, None]) -> str:
    return ", ".join(names)
