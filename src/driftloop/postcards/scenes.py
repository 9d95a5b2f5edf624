"""Scenes: what a postcard shows, and how often."""

from __future__ import annotations

import random
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations

from driftloop.postcards.world import GROUND_PLACES, SKY_PLACES, WORLD

HELD_OUT_SHARE = 12
"""One object pair in this many is kept out of all training scenes."""


@dataclass(frozen=True)
class PlacedObject:
    """One to three of a kind, at a place, in a size."""

    name: str
    place: str
    size: str = "normal"
    count: int = 1


@dataclass(frozen=True)
class Scene:
    """A ground, a time of day, a weather and one to four placed objects."""

    ground: str
    time: str
    weather: str
    objects: tuple[PlacedObject, ...]

    def pairs(self) -> list[tuple[str, str]]:
        """All pairs of object names, each in alphabetic order."""
        return list(combinations(sorted(thing.name for thing in self.objects), 2))


def held_out(first: str, second: str) -> bool:
    """Whether training never shows these two objects together."""
    key = "+".join(sorted((first, second))).encode()
    return zlib.crc32(key) % HELD_OUT_SHARE == 0


def _draw(rng: random.Random, weights: Mapping[str, float]) -> str:
    return rng.choices(list(weights), weights=list(weights.values()))[0]


@cache
def _time_table(ground: str) -> dict[str, float]:
    given = WORLD.given_ground[ground]
    return {n: s.weight * given.get(n, 1.0) for n, s in WORLD.times.items()}


@cache
def _weather_table(ground: str) -> dict[str, float]:
    given = WORLD.given_ground[ground]
    return {n: s.weight * given.get(n, 1.0) for n, s in WORLD.weathers.items()}


@cache
def _thing_table(
    ground: str, time: str, weather: str, sky: bool
) -> tuple[tuple[str, ...], tuple[float, ...]]:
    names = tuple(n for n, t in WORLD.things.items() if t.sky == sky)
    return names, tuple(WORLD.weight(n, ground, time, weather) for n in names)


def _distinct(
    rng: random.Random, names: Sequence[str], weights: Sequence[float], k: int
) -> list[str]:
    chosen: list[str] = []
    while len(chosen) < k:
        name = rng.choices(names, weights=weights)[0]
        if name not in chosen:
            chosen.append(name)
    return chosen


def _ground_places(rng: random.Random, k: int) -> Sequence[str]:
    if k == len(GROUND_PLACES):
        return GROUND_PLACES
    table = WORLD.scene["places"]["one" if k == 1 else "two"]
    return _draw(rng, table).split(",")


def _sample_once(rng: random.Random) -> Scene:
    numbers = WORLD.scene
    ground = _draw(rng, {n: s.weight for n, s in WORLD.grounds.items()})
    time = _draw(rng, _time_table(ground))
    weather = _draw(rng, _weather_table(ground))
    below = rng.choices(range(4), weights=numbers["ground_objects"])[0]
    above = rng.choices(range(3), weights=numbers["sky_objects"])[0]
    if below == 0:
        above = max(above, 1)
    above = min(above, numbers["at_most"] - below)
    objects: list[PlacedObject] = []
    taken: list[tuple[bool, Sequence[str]]] = []
    if below:
        taken.append((False, _ground_places(rng, below)))
    if above:
        taken.append((True, SKY_PLACES if above == 2 else [rng.choice(SKY_PLACES)]))
    large_left = True
    for sky, places in taken:
        names = _distinct(rng, *_thing_table(ground, time, weather, sky), len(places))
        for name, place in zip(names, places, strict=True):
            count = rng.choices((1, 2, 3), weights=numbers["counts"])[0]
            size = "normal"
            if count == 1:
                size = _draw(rng, numbers["sizes"])
            if size == "large" and (sky or not large_left):
                size = "normal"
            large_left = large_left and size != "large"
            objects.append(PlacedObject(name, place, size, count))
    return Scene(ground, time, weather, tuple(objects))


def sample_scene(rng: random.Random, *, split: str = "all") -> Scene:
    """Draw a scene from the prior of the world.

    Args:
        rng: The source of randomness; the same state gives the same scene.
        split: ``"all"``; ``"train"`` leaves out scenes with a held-out pair of objects;
            ``"test"`` draws only scenes with one.

    Returns:
        The scene, its objects from left to right, the sky after the ground.
    """
    if split not in ("all", "train", "test"):
        raise ValueError(f"split must be 'all', 'train' or 'test', not {split!r}")
    while True:
        scene = _sample_once(rng)
        if split == "all" or (split == "test") == any(held_out(a, b) for a, b in scene.pairs()):
            return scene
