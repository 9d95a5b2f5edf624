"""Scenes: what a postcard shows, and how often."""

from __future__ import annotations

import random
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from .world import GROUND_PLACES, SKY_PLACES, WORLD, World

HELD_OUT_SHARE = 12
"""One object pair in this many is kept out of all training scenes."""


@dataclass(frozen=True)
class PlacedObject:
    """One to three of a kind, at a place, in a size and a tint."""

    name: str
    place: str
    size: str = "normal"
    count: int = 1
    tint: str = "natural"


@dataclass(frozen=True)
class Scene:
    """A setting (ground, time of day, weather, season, style) and one to four placed objects."""

    ground: str
    time: str
    weather: str
    objects: tuple[PlacedObject, ...]
    season: str = "summer"
    style: str = "flat"

    def pairs(self) -> list[tuple[str, str]]:
        """All pairs of object names, each in alphabetic order."""
        return list(combinations(sorted(thing.name for thing in self.objects), 2))


def held_out(first: str, second: str) -> bool:
    """Whether training never shows these two objects together."""
    key = "+".join(sorted((first, second))).encode()
    return zlib.crc32(key) % HELD_OUT_SHARE == 0


def _draw(rng: random.Random, weights: Mapping[str, float]) -> str:
    return rng.choices(list(weights), weights=list(weights.values()))[0]


def prior(world: World, role: str, ground: str | None = None) -> dict[str, float]:
    """How likely each setting of a role is.

    Args:
        world: The world.
        role: One of ``SETTINGS``.
        ground: Given this ground, for times, weathers and seasons.

    Returns:
        Probabilities by name; they sum to 1.
    """
    key = ("prior", role, ground)
    if key not in world.tables:
        given = world.given_ground.get(ground or "", {})
        table = world.settings(role)
        weights = {name: entry.weight * given.get(name, 1.0) for name, entry in table.items()}
        if role == "season" and ground is not None and not world.grounds[ground].seasons:
            weights = {name: float(name == "summer") for name in weights}
        total = sum(weights.values())
        world.tables[key] = {name: weight / total for name, weight in weights.items()}
    found: dict[str, float] = world.tables[key]
    return found


def thing_prior(
    world: World, ground: str, time: str, weather: str, sky: bool
) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """The things of the sky or the ground, and how likely each is to be drawn first there."""
    key = ("things", ground, time, weather, sky)
    if key not in world.tables:
        names = tuple(n for n, t in world.things.items() if t.sky == sky)
        weights = [world.weight(n, ground, time, weather) for n in names]
        total = sum(weights)
        world.tables[key] = names, tuple(weight / total for weight in weights)
    found: tuple[tuple[str, ...], tuple[float, ...]] = world.tables[key]
    return found


def crowd_prior(world: World, ground: str) -> dict[tuple[int, int], float]:
    """How likely each number of different things on the ground and in the sky is.

    There is at least one, and rooms have no sky.
    """
    key = ("crowd", ground)
    if key not in world.tables:
        numbers, table = world.scene, dict[tuple[int, int], float]()
        for below, p in enumerate(numbers["ground_objects"]):
            for above, q in enumerate(numbers["sky_objects"]):
                if world.grounds[ground].indoors:
                    crowd = (max(below, 1), 0)
                else:
                    least = 1 if below == 0 else 0
                    crowd = (below, min(max(above, least), numbers["at_most"] - below))
                table[crowd] = table.get(crowd, 0.0) + p * q
        world.tables[key] = table
    found: dict[tuple[int, int], float] = world.tables[key]
    return found


def _distinct(
    rng: random.Random, names: Sequence[str], weights: Sequence[float], k: int
) -> list[str]:
    chosen: list[str] = []
    while len(chosen) < k:
        name = rng.choices(names, weights=weights)[0]
        if name not in chosen:
            chosen.append(name)
    return chosen


def _ground_places(world: World, rng: random.Random, k: int) -> Sequence[str]:
    if k == len(GROUND_PLACES):
        return GROUND_PLACES
    table = world.scene["places"]["one" if k == 1 else "two"]
    return _draw(rng, table).split(",")


def _form(
    world: World, rng: random.Random, name: str, style: str, large: bool
) -> tuple[str, int, str]:
    """Size, count and tint of an object; groups are of ordinary size and natural colour."""
    numbers = world.scene
    count = rng.choices((1, 2, 3), weights=numbers["counts"])[0]
    if count > 1:
        return "normal", count, "natural"
    size = _draw(rng, numbers["sizes"])
    if size == "large" and not large:
        size = "normal"
    tint = _draw(rng, numbers["tints"])
    if style == "sepia" or tint == world.things[name].colour:
        tint = "natural"
    return size, count, tint


def _sample_once(world: World, rng: random.Random) -> Scene:
    ground = _draw(rng, prior(world, "ground"))
    time = _draw(rng, prior(world, "time", ground))
    weather = _draw(rng, prior(world, "weather", ground))
    season = _draw(rng, prior(world, "season", ground))
    style = _draw(rng, prior(world, "style"))
    crowds = crowd_prior(world, ground)
    below, above = rng.choices(list(crowds), weights=list(crowds.values()))[0]
    objects: list[PlacedObject] = []
    taken: list[tuple[bool, Sequence[str]]] = []
    if below:
        taken.append((False, _ground_places(world, rng, below)))
    if above:
        taken.append((True, SKY_PLACES if above == 2 else [rng.choice(SKY_PLACES)]))
    large_left = True
    for sky, places in taken:
        names = _distinct(rng, *thing_prior(world, ground, time, weather, sky), len(places))
        for name, place in zip(names, places, strict=True):
            size, count, tint = _form(world, rng, name, style, large_left and not sky)
            large_left = large_left and size != "large"
            objects.append(PlacedObject(name, place, size, count, tint))
    return Scene(ground, time, weather, tuple(objects), season, style)


def sample_scene(rng: random.Random, *, split: str = "all", world: World = WORLD) -> Scene:
    """Draw a scene from the prior of a world.

    Args:
        rng: The source of randomness; the same state gives the same scene.
        split: ``"all"``; ``"train"`` leaves out scenes with a held-out pair of objects;
            ``"test"`` draws only scenes with one.
        world: Whose prior; by default that of ``world.toml`` itself.

    Returns:
        The scene, its objects from left to right, the sky after the ground.
    """
    if split not in ("all", "train", "test"):
        raise ValueError(f"split must be 'all', 'train' or 'test', not {split!r}")
    while True:
        scene = _sample_once(world, rng)
        if split == "all" or (split == "test") == any(held_out(a, b) for a, b in scene.pairs()):
            return scene
