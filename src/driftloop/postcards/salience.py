"""Which facts of a scene are told first: the ways of looking at a picture."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable
from functools import partial
from typing import Literal, get_args

from .scenes import Scene, prior, thing_prior
from .world import SETTINGS, WORLD

Fact = tuple[str, int]
"""A kind of fact, and the number of the object that it is about (0 for the setting)."""

Look = Literal["faithful", "unusual", "setting"]
LOOKS: tuple[Look, ...] = get_args(Look)
"""Ways of looking: the objects first; what is unlikely first; the setting first."""

_Keyed = tuple[float, Fact]

_GOES_WITHOUT_SAYING = {"season": ("summer", 0.4), "style": ("flat", 0.15)}
"""The plain setting of a role, and how often it is told even where there is room for it."""


def facts_in_order(
    scene: Scene, rng: random.Random, look: Look = "faithful", *, related: bool = True
) -> list[Fact]:
    """All facts of a scene, those first that a look tells first.

    Args:
        scene: The scene.
        rng: Breaks ties, and lets the order vary.
        look: One of ``LOOKS``.
        related: Whether the relation of the first two objects may be told.

    Returns:
        Facts in the order in which they are to be tried; the first is an object.
    """
    keyed = _ORDERS[look](scene, rng)
    for i, thing in enumerate(scene.objects):
        keyed.append((6.0 + 3 * rng.random(), ("place", i)))
        if thing.size != "normal":
            keyed.append((5.0 + 3 * rng.random(), ("size", i)))
    if related and len(scene.objects) > 1 and rng.random() < 0.35:
        keyed.append((5.5 + 2 * rng.random(), ("relation", 0)))
    order = [fact for _, fact in sorted(keyed)]
    for role, (name, told) in _GOES_WITHOUT_SAYING.items():
        if getattr(scene, role) == name and (role, 0) in order and rng.random() > told:
            order.remove((role, 0))
    first = next(fact for fact in order if fact[0] == "object")
    order.remove(first)
    return [first, *order]


def surprise(scene: Scene, fact: Fact) -> float:
    """How much less likely a fact is than the likeliest one in its place, in nats.

    Infinite where the world never has it, as fog in a kitchen.

    >>> from driftloop.postcards import PlacedObject, Scene
    >>> whale = (PlacedObject("whale", "middle"),)
    >>> at_sea = Scene("sea", "day", "clear", whale)
    >>> in_town = Scene("city", "day", "clear", whale)
    >>> surprise(in_town, ("object", 0)) > surprise(at_sea, ("object", 0)) + 3
    True
    """
    kind, i = fact
    if kind in SETTINGS:
        conditional = kind in ("time", "weather", "season")
        table = prior(WORLD, kind, scene.ground if conditional else None)
        return _nats(table[getattr(scene, kind)], table.values())
    thing = scene.objects[i]
    if kind == "tint":
        tints = WORLD.scene["tints"]
        return _nats(tints[thing.tint], tints.values())
    if kind != "object":
        raise ValueError(f"no surprise is defined for the fact {fact}")
    sky = WORLD.things[thing.name].sky
    names, weights = thing_prior(WORLD, scene.ground, scene.time, scene.weather, sky)
    counts = WORLD.scene["counts"]
    return _nats(weights[names.index(thing.name)], weights) + _nats(counts[thing.count - 1], counts)


def _nats(weight: float, weights: Iterable[float]) -> float:
    return math.log(max(weights) / weight) if weight > 0 else math.inf


def _dull(scene: Scene) -> dict[str, float]:
    """How much later the plainest setting of a role is told."""
    plain = {"time": "day", "weather": "clear", "season": "summer", "style": "flat"}
    later = {"time": 1.5, "weather": 1.5, "season": 3.0, "style": 4.0}
    return {role: later[role] * (getattr(scene, role) == name) for role, name in plain.items()}


def _by_objects(scene: Scene, rng: random.Random, *, setting: float) -> list[_Keyed]:
    """Objects by prominence, the setting around rank `setting`."""
    emphasis = {"large": 0.5, "normal": 1.0, "small": 1.2}
    salience = [rng.random() * emphasis[thing.size] for thing in scene.objects]
    ranks = {
        i: rank for rank, i in enumerate(sorted(range(len(salience)), key=salience.__getitem__))
    }
    later = {"ground": 0.0, "time": 1.0, "weather": 1.0, "season": 1.5, "style": 1.5}
    dull = _dull(scene)
    keyed: list[_Keyed] = [
        (setting + later[role] + 3 * rng.random() + dull.get(role, 0.0), (role, 0))
        for role in SETTINGS
        if role != "season" or WORLD.grounds[scene.ground].seasons
    ]
    for i, thing in enumerate(scene.objects):
        told = ranks[i] and ranks[i] + 2 * rng.random()
        keyed.append((told, ("object", i)))
        if thing.tint != "natural":
            keyed.append((told + 2.5 * rng.random(), ("tint", i)))
    return keyed


def _by_surprise(scene: Scene, rng: random.Random) -> list[_Keyed]:
    """What is unlikely in this world first; what goes without saying last."""
    keyed: list[_Keyed] = []
    for role in SETTINGS:
        if role != "season" or WORLD.grounds[scene.ground].seasons:
            keyed.append((4.0 - surprise(scene, (role, 0)) + rng.random(), (role, 0)))
    for i, thing in enumerate(scene.objects):
        odd = surprise(scene, ("object", i))
        if thing.tint != "natural":
            odd = max(odd, surprise(scene, ("tint", i)))
        told = 3.5 - odd + rng.random()
        keyed.append((told, ("object", i)))
        if thing.tint != "natural":
            keyed.append((told + 0.5, ("tint", i)))
    return keyed


_ORDERS: dict[Look, Callable[[Scene, random.Random], list[_Keyed]]] = {
    "faithful": partial(_by_objects, setting=1.5),
    "unusual": _by_surprise,
    "setting": partial(_by_objects, setting=-4.0),
}
