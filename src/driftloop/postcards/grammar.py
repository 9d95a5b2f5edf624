"""Truthful captions of a scene, from terse to full."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from .salience import Fact, Look, facts_in_order
from .scenes import PlacedObject, Scene
from .words import NUMBERS, PLACES, RELATIONS, SIZES, TINTS, article, plural_of
from .world import GROUND_PLACES, WORLD

FEWEST_WORDS = 4
"""A budget under this cannot always be kept: "Two fire engines." has three words already."""


def _mostly_first(rng: random.Random, choices: tuple[str, ...]) -> str:
    return choices[0] if rng.random() < 0.7 else rng.choice(choices)


@dataclass(frozen=True)
class _Wording:
    """Every choice of words, made before it is known which facts will fit."""

    style: str
    objects: tuple[PlacedObject, ...]
    nouns: tuple[str, ...]
    sizes: tuple[str, ...]
    tints: tuple[str, ...]
    places: tuple[str, ...]
    ground: str
    season: str
    drawn: str
    time: str
    noun: str
    weather: str
    adjective: str
    clause: str
    relation: str
    facts: frozenset[Fact] = field(default_factory=frozenset)


def _noun(thing: PlacedObject, plain: float, rng: random.Random) -> str:
    entry = WORLD.things[thing.name]
    if not entry.synonyms or rng.random() < plain:
        return entry.name if thing.count == 1 else entry.plural
    synonym = rng.choice(entry.synonyms)
    return synonym if thing.count == 1 else plural_of(synonym)


def relation(first: PlacedObject, second: PlacedObject) -> str:
    """How the first stands to the second: a key of ``words.RELATIONS``, or nothing."""
    sky = [thing.place.startswith("upper") for thing in (first, second)]
    if sky[0] != sky[1]:
        return "above" if sky[0] else "below"
    order = GROUND_PLACES if not sky[0] else ("upper left", "upper right")
    return "left of" if order.index(first.place) < order.index(second.place) else "right of"


def _word(scene: Scene, words: int, rng: random.Random, plain: float) -> _Wording:
    objects = scene.objects
    weather = WORLD.weathers[scene.weather]
    time = WORLD.times[scene.time]
    styles = ("plain",) if words < 12 else ("plain", "plain", "sentences", "noun", "listed")
    stated = relation(objects[0], objects[1]) if len(objects) > 1 else ""
    return _Wording(
        style=rng.choice(styles),
        objects=objects,
        nouns=tuple(_noun(thing, plain, rng) for thing in objects),
        sizes=tuple(_mostly_first(rng, SIZES.get(t.size, ("",))) for t in objects),
        tints=tuple(_mostly_first(rng, TINTS.get(t.tint, ("",))) for t in objects),
        places=tuple(_mostly_first(rng, PLACES[t.place]) for t in objects),
        ground=_mostly_first(rng, WORLD.grounds[scene.ground].phrases),
        season=_mostly_first(rng, WORLD.seasons[scene.season].phrases),
        drawn=_mostly_first(rng, WORLD.styles[scene.style].phrases),
        time=_mostly_first(rng, time.phrases),
        noun=rng.choice(time.nouns),
        weather=_mostly_first(rng, weather.phrases),
        adjective=weather.adjective,
        clause=weather.clause,
        relation=RELATIONS[stated][0] if stated else "",
    )


def _makes_sense(facts: frozenset[Fact], fact: Fact) -> bool:
    kind, i = fact
    if kind in ("size", "tint", "place") and ("object", i) not in facts:
        return False
    if kind == "relation":
        both = ("object", 0) in facts and ("object", 1) in facts
        return both and not {("place", 0), ("place", 1)} & facts
    return not (kind == "place" and i < 2 and ("relation", 0) in facts)


def _object(said: _Wording, i: int) -> str:
    thing, noun = said.objects[i], said.nouns[i]
    if ("tint", i) in said.facts:
        noun = f"{said.tints[i]} {noun}"
    if ("size", i) in said.facts:
        noun = f"{said.sizes[i]} {noun}"
    text = article(noun) if thing.count == 1 else f"{NUMBERS[thing.count][0]} {noun}"
    return f"{text} {said.places[i]}" if ("place", i) in said.facts else text


def _join(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def _objects(said: _Wording) -> list[str]:
    parts = [_object(said, i) for i in range(len(said.objects)) if ("object", i) in said.facts]
    if ("relation", 0) in said.facts:
        parts[:2] = [f"{parts[0]} {said.relation} {parts[1]}"]
    return parts


def _there(parts: list[str], also: str = "") -> str:
    plural = parts[0].startswith((NUMBERS[2][0], NUMBERS[3][0]))
    return f"There {'are' if plural else 'is'} {also}{_join(parts)}"


def _moment(said: _Wording) -> str:
    """Time and weather as one noun phrase, such as "a foggy night"; empty if neither is said."""
    time, weather = ("time", 0) in said.facts, ("weather", 0) in said.facts
    if time and weather:
        return article(f"{said.adjective} {said.noun}")
    if weather:
        return f"{said.adjective} weather"
    return f"{said.noun}time" if time and said.noun in ("day", "night") else said.noun * time


def _write(said: _Wording) -> str:
    kinds = {kind for kind, _ in said.facts}
    parts = _objects(said)
    ground = f" {said.ground}" if "ground" in kinds else ""
    ground += f" {said.season}" if "season" in kinds else ""
    drawn = f", {said.drawn}" if "style" in kinds else ""
    moment = _moment(said)
    if said.style == "noun" and moment:
        text = f"{moment}{ground} with {_join(parts)}{drawn}"
    elif said.style == "sentences" and moment:
        text = f"It is {moment}{ground}. {_there(parts)}{drawn}"
    else:
        rest: list[str] = []
        if said.style == "listed" and len(parts) > 2:
            parts, rest = parts[:2], parts[2:]
        text = _join(parts) + ground
        text += f" {said.time}" if "time" in kinds else ""
        if said.style == "listed" and "weather" in kinds:
            text += drawn
            text += f". {_there(rest, 'also ')}" if rest else ""
            text += f". {said.clause[0].upper()}{said.clause[1:]}"
        else:
            text += f" {said.weather}" if "weather" in kinds else ""
            text += drawn
            text += f". {_there(rest, 'also ')}" if rest else ""
    return text[0].upper() + text[1:] + "."


def caption(
    scene: Scene, words: int, rng: random.Random, *, plain: float = 0.9, look: Look = "faithful"
) -> str:
    """A truthful caption of a scene within a budget of words.

    Args:
        scene: What to describe.
        words: The budget; as many facts are said as fit, the salient ones first.
        rng: Chooses the wording, and which facts come first.
        plain: How often an object is called by its name rather than by a synonym.
        look: What is salient; one of ``LOOKS``.

    Returns:
        One to three sentences that end in a full stop. Under ``FEWEST_WORDS`` the budget may be
        exceeded by the shortest caption there is.
    """
    said = _word(scene, words, rng, plain)
    left = facts_in_order(scene, rng, look, related=bool(said.relation))
    facts: frozenset[Fact] = frozenset(left[:1])
    text, left = _write(_with(said, facts)), left[1:]
    late: list[Fact] = []
    for fact in left:
        if fact[0] == "tint" and ("object", fact[1]) not in facts:
            late.append(fact)
            continue
        for one in (fact, *(f for f in late if fact == ("object", f[1]))):
            if not _makes_sense(facts, one):
                continue
            longer = _write(_with(said, facts | {one}))
            if len(longer.split()) <= words:
                facts, text = facts | {one}, longer
    return text


def _with(said: _Wording, facts: frozenset[Fact]) -> _Wording:
    # dataclasses.replace costs more than all the rest of a caption.
    copy = object.__new__(_Wording)
    copy.__dict__.update(said.__dict__)
    copy.__dict__["facts"] = facts
    return copy
