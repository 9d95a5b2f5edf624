"""Read a caption, of the grammar or in free English, back into what it says about a scene."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from .words import (
    FILLERS,
    MANY,
    MORE_PLACES,
    MORE_SIZES,
    MORE_TINTS,
    NUMBERS,
    PLACES,
    RELATIONS,
    SIZES,
    TINTS,
    plural_of,
)
from .world import SETTINGS, WORLD

_LONGEST = 5
_TOKEN = re.compile(r"[a-z0-9]+|[.!?;]")
Entry = tuple[str, str]


@dataclass(frozen=True)
class ParsedObject:
    """An object as a caption names it; what it does not say is None."""

    name: str
    count: int | None = None
    size: str | None = None
    place: str | None = None
    tint: str | None = None


@dataclass(frozen=True)
class Relation:
    """The first object stands so to the second: left of, right of, above or below."""

    first: str
    kind: str
    second: str


@dataclass(frozen=True)
class Parsed:
    """What a caption says; what it leaves out is None or empty."""

    objects: tuple[ParsedObject, ...] = ()
    ground: str | None = None
    time: str | None = None
    weather: str | None = None
    season: str | None = None
    style: str | None = None
    relations: tuple[Relation, ...] = ()
    kinds: tuple[str, ...] = ()
    unplaced: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the objects, in the order of the caption, each once."""
        return tuple(dict.fromkeys(thing.name for thing in self.objects))


@lru_cache(maxsize=1)
def lexicon() -> dict[tuple[str, ...], Entry]:
    """All phrases that the parser knows, as word tuples, each with its role and value."""
    table: dict[tuple[str, ...], Entry] = {}

    def add(phrases: tuple[str, ...], role: str, value: str) -> None:
        for phrase in phrases:
            table.setdefault(tuple(phrase.split()), (role, value))

    for thing in WORLD.things.values():
        add((thing.name,), "one", thing.name)
        add((thing.plural,), "more", thing.name)
    for thing in WORLD.things.values():
        add(thing.synonyms, "one", thing.name)
        add(tuple(plural_of(noun) for noun in thing.synonyms), "more", thing.name)
    for number, terms in NUMBERS.items():
        add(terms, "count", str(number))
    for number, terms in MANY.items():
        add(terms, "count", str(number))
    for role, tables in (
        ("size", (SIZES, MORE_SIZES)),
        ("tint", (TINTS, MORE_TINTS)),
        ("place", (PLACES, MORE_PLACES)),
    ):
        for values in tables:
            for value, terms in values.items():
                add(terms, role, value)
    for value, terms in RELATIONS.items():
        add(terms, "relation", value)
    for role in SETTINGS:
        for value, setting in WORLD.settings(role).items():
            add(setting.phrases + setting.nouns, role, value)
            add((setting.clause,) * bool(setting.clause), role, value)
            add((setting.adjective,) * bool(setting.adjective), role, value)
            add(setting.words, role, value)
    for kind, terms in WORLD.kinds.items():
        add(terms + tuple(plural_of(term) for term in terms), "kind", kind)
    return table


class _Reader:
    """The state of one reading, from left to right."""

    def __init__(self) -> None:
        self.objects: list[ParsedObject] = []
        self.setting: dict[str, str] = {}
        self.relations: list[Relation] = []
        self.kinds: list[str] = []
        self.unplaced: list[str] = []
        self.forget()
        self.related: tuple[str, str] | None = None

    def forget(self) -> None:
        """Drop attributes that found no object."""
        self.count: int | None = None
        self.size: str | None = None
        self.tint: str | None = None
        self.place: str | None = None

    def sentence_end(self) -> None:
        self.forget()
        self.open = False
        self.related = None

    open = False

    def take(self, role: str, value: str) -> None:
        if role in ("one", "more"):
            self._object(role, value)
        elif role == "count":
            self.count = int(value)
        elif role == "size":
            self.size = value
        elif role == "tint":
            self.tint = value
        elif role == "place":
            self._place(value)
        elif role == "relation":
            if self.open:
                self.related = (self.objects[-1].name, value)
        elif role == "kind":
            self.kinds.append(value)
            self.forget()
        else:
            self.setting.setdefault(role, value)
            self.forget()

    def _object(self, role: str, name: str) -> None:
        count = self.count if self.count is not None else (1 if role == "one" else None)
        if role == "more" and count == 1 and WORLD.things[name].plural != name:
            count = None
        # What it is by nature is no tint: a red apple is an apple.
        tint = "natural" if self.tint == WORLD.things[name].colour else self.tint
        self.objects.append(ParsedObject(name, count, self.size, self.place, tint))
        if self.related:
            self.relations.append(Relation(self.related[0], self.related[1], name))
            self.related = None
        self.forget()
        self.open = True

    def _place(self, place: str) -> None:
        if self.open and self.objects[-1].place is None:
            last = self.objects[-1]
            self.objects[-1] = replace(last, place=place)
        else:
            self.place = place


def parse(caption: str) -> Parsed:
    """Read what a caption says about a scene.

    Args:
        caption: Any text; captions of the grammar are read without loss.

    Returns:
        Objects with what is said of them, the setting, relations, hypernyms, and the words that
        could not be placed.
    """
    tokens = _TOKEN.findall(caption.lower())
    table = lexicon()
    reader = _Reader()
    at = 0
    while at < len(tokens):
        if not tokens[at][0].isalnum():
            reader.sentence_end()
            at += 1
            continue
        for length in range(min(_LONGEST, len(tokens) - at), 0, -1):
            entry = table.get(tuple(tokens[at : at + length]))
            if entry:
                reader.take(*entry)
                at += length
                break
        else:
            if tokens[at] not in FILLERS:
                reader.unplaced.append(tokens[at])
            elif tokens[at] in ("and", "with"):
                reader.forget()
            at += 1
    return Parsed(
        objects=tuple(reader.objects),
        **{role: reader.setting.get(role) for role in SETTINGS},
        relations=tuple(reader.relations),
        kinds=tuple(reader.kinds),
        unplaced=tuple(reader.unplaced),
    )
