"""Rule ``anchor``: the prompt comes back.

* ``whole``: the loop goes on from the prompt, and the caption is left.
* ``blend``: from the prompt and the caption after it.
* ``lost``: from the caption and, after it, the words of the prompt that it has not.
"""

from __future__ import annotations

import random
import re
from itertools import dropwhile, groupby
from typing import Literal

from ..scripts import words
from ..steps import Needs, Output
from ._rule import Given, Rule, RuleBackend, RuleSettings

_SMALL = frozenset(
    "a an and are as at be by for from has have in into is it its of on onto or over that the "
    "their there this to under was were with".split()
)
"""Words that tell nothing of what is lost."""


class AnchorSettings(RuleSettings):
    """How the prompt comes back."""

    how: Literal["whole", "blend", "lost"] = "blend"

    @property
    def needs(self) -> Needs:
        """The prompt."""
        return Needs(start=True)


class Anchor(Rule):
    """Brings the prompt back."""

    settings_type = AnchorSettings
    settings: AnchorSettings

    def answer(self, given: Given, random: random.Random) -> Output:
        """The text with the prompt, or as much of it as is lost."""
        start = given.start or ""
        if self.settings.how == "whole":
            return Output(start, flags=("anchored to the prompt",))
        if self.settings.how == "blend":
            return Output(_joined(start, given.text), flags=("prompt put before the caption",))
        lost = lost_parts(start, given.text)
        if not lost:
            return Output(given.text, flags=("nothing of the prompt is lost",))
        return Output(_joined(given.text, ", ".join(lost)), flags=("what was lost is put back",))


def lost_parts(prompt: str, caption: str) -> list[str]:
    """Runs of words of a prompt that a caption has not, without small words at their ends.

    >>> lost_parts("a red fox reads a newspaper in the snow", "A fox in the snow.")
    ['red', 'reads a newspaper']
    >>> lost_parts("红色的船在海上", "船在海上。")
    ['红色的']
    """
    there = {_stem(word[0]) for word in words(caption)}
    runs = groupby(words(prompt), lambda word: _is_small(word) or _stem(word[0]) not in there)
    parts = []
    for lost, run in runs:
        told = [*dropwhile(_is_small, run)] if lost else []
        told = [*dropwhile(_is_small, reversed(told))]
        if told:
            parts.append(prompt[told[-1].start() : told[0].end()])
    return parts


def _is_small(word: re.Match[str]) -> bool:
    return word[0].lower() in _SMALL


def _stem(word: str) -> str:
    """A word without the endings that a caption may give it otherwise."""
    word = word.lower()
    return re.sub(r"(?<=\w{3})(?:ing|es|ed|s|e)$", "", word)


def _joined(first: str, then: str) -> str:
    first, then = first.strip(), then.strip()
    if not first or not then:
        return first or then
    return f"{first} {then}" if first[-1] in ".!?。！？" else f"{first}. {then}"


backend = RuleBackend(Anchor)
