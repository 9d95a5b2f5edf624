"""The words that the grammar writes and the parser reads, in one place so that they agree."""

from __future__ import annotations

NUMBERS = {1: ("a", "an", "one", "1"), 2: ("two", "2"), 3: ("three", "3")}
MANY = {2: ("a pair of", "a couple of", "both"), 3: ("several", "many", "some", "a group of")}

SIZES = {
    "small": ("small", "little", "tiny"),
    "large": ("large", "big", "huge"),
}
MORE_SIZES = {
    "small": ("miniature", "short", "young"),
    "large": ("giant", "enormous", "tall", "great", "massive"),
}

TINTS = {
    "red": ("red",),
    "blue": ("blue",),
    "green": ("green",),
    "golden": ("golden", "yellow"),
}
MORE_TINTS = {
    "red": ("crimson", "scarlet", "ruby", "reddish"),
    "blue": ("azure", "navy", "bluish"),
    "green": ("emerald", "greenish"),
    "golden": ("gold", "amber", "yellowish"),
}

PLACES = {
    "left": ("on the left", "at the left"),
    "middle": ("in the middle", "in the center"),
    "right": ("on the right", "at the right"),
    "upper left": ("at the upper left", "in the top left"),
    "upper right": ("at the upper right", "in the top right"),
}
MORE_PLACES = {
    "left": ("left", "to the left", "left side", "on the left side"),
    "middle": ("in the centre", "center", "centre", "middle"),
    "right": ("right", "to the right", "right side", "on the right side"),
    "upper left": ("upper left", "top left", "upper left corner", "top left corner"),
    "upper right": ("upper right", "top right", "upper right corner", "top right corner"),
}

RELATIONS = {
    "left of": ("to the left of", "left of"),
    "right of": ("to the right of", "right of"),
    "above": ("above", "over", "high above"),
    "below": ("below", "under", "beneath", "underneath"),
}

_SILENT = """
    a an the is are it there of in on at to with and also by during from as this that picture
    shows scene sky under while its weather light has drawn
"""
FILLERS = frozenset(_SILENT.split())


def plural_of(noun: str) -> str:
    """The regular plural of a synonym."""
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"


def article(phrase: str) -> str:
    """The phrase with its indefinite article."""
    sounds_like_consonant = phrase.startswith(("ufo", "uni", "one"))
    return ("an " if phrase[0] in "aeiou" and not sounds_like_consonant else "a ") + phrase
