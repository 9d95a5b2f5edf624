"""The statistics of the world, read once from ``world.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.resources import files
from typing import Any

GROUND_PLACES = ("left", "middle", "right")
SKY_PLACES = ("upper left", "upper right")
SIZES = ("small", "normal", "large")
TINTS = ("natural", "red", "blue", "green", "golden")
SETTINGS = ("ground", "time", "weather", "season", "style")
"""What a scene has one of each of, beside its objects."""


@dataclass(frozen=True)
class Setting:
    """A ground, time of day, weather, season or style: its prior weight and the words for it."""

    name: str
    weight: float
    phrases: tuple[str, ...]
    words: tuple[str, ...]
    adjective: str = ""
    clause: str = ""
    nouns: tuple[str, ...] = ()
    indoors: bool = False
    """A ground under a roof: nothing hangs in its sky, which is seen through a window."""
    seasons: bool = False
    """A ground on which the season can be seen."""


@dataclass(frozen=True)
class Thing:
    """An object of the world: how it is drawn, called, and where it likes to be."""

    name: str
    plural: str
    file: str
    kind: str
    sky: bool
    synonyms: tuple[str, ...]
    likes: Mapping[str, float]
    weight: float
    colour: str = ""
    """The tint that it has by nature, if it is one of them: nobody could see it put on."""


@dataclass(frozen=True, eq=False)
class World:
    """Everything that ``world.toml`` says, with the tables that sampling needs.

    Worlds are compared by identity: each one that :meth:`skewed` or :meth:`tempered` gives is its
    own.
    """

    layout: Mapping[str, Any]
    scene: Mapping[str, Any]
    grounds: Mapping[str, Setting]
    times: Mapping[str, Setting]
    weathers: Mapping[str, Setting]
    seasons: Mapping[str, Setting]
    styles: Mapping[str, Setting]
    given_ground: Mapping[str, Mapping[str, float]]
    kinds: Mapping[str, tuple[str, ...]]
    things: Mapping[str, Thing]
    skews: Mapping[str, Mapping[str, float]]
    tables: dict[Any, Any] = field(default_factory=dict, repr=False)
    """What sampling has worked out already."""

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of all objects, from the most to the least frequent."""
        return tuple(self.things)

    def settings(self, role: str) -> Mapping[str, Setting]:
        """The settings of a role of ``SETTINGS``, by name."""
        table: Mapping[str, Setting] = getattr(self, f"{role}s")
        return table

    def weight(self, thing: str, ground: str, time: str, weather: str) -> float:
        """How likely a thing is in a setting, up to a constant."""
        entry = self.things[thing]
        picky = any(name in self.grounds for name in entry.likes)
        by_ground = entry.likes.get(ground, self.scene["away"] if picky else 1.0)
        by_sky = entry.likes.get(time, 1.0) * entry.likes.get(weather, 1.0)
        return entry.weight * float(by_ground) * by_sky

    def skewed(self, name: str) -> World:
        """A world with the same scenes, in which some are more frequent than in this one.

        Args:
            name: A table of ``[skews]`` in the statistics file.

        Returns:
            A new world; the weights of settings still sum to 1.

        Raises:
            KeyError: There is no such skew.
        """
        factors = self.skews[name]
        changed: dict[str, Any] = {
            f"{role}s": _rescaled(self.settings(role), factors) for role in SETTINGS
        }
        things = {
            name: replace(thing, weight=thing.weight * factors.get(thing.kind, 1.0))
            for name, thing in self.things.items()
        }
        return replace(self, things=things, tables={}, **changed)

    def tempered(self, exponent: float) -> World:
        """A world in which rare objects are less rare: weights to this power (0: all alike).

        What is to be drawn well has to be seen often enough, however rare it is.
        """
        things = {
            name: replace(thing, weight=thing.weight**exponent)
            for name, thing in self.things.items()
        }
        return replace(self, things=things, tables={})


def _rescaled(table: Mapping[str, Setting], factors: Mapping[str, float]) -> dict[str, Setting]:
    weights = {name: entry.weight * factors.get(name, 1.0) for name, entry in table.items()}
    total = sum(weights.values()) / sum(entry.weight for entry in table.values())
    return {name: replace(entry, weight=weights[name] / total) for name, entry in table.items()}


def _settings(table: Mapping[str, Mapping[str, Any]]) -> dict[str, Setting]:
    return {
        name: Setting(
            name=name,
            weight=float(entry["weight"]),
            phrases=tuple(entry["phrases"]),
            words=tuple(entry["words"]),
            adjective=entry.get("adjective", ""),
            clause=entry.get("clause", ""),
            nouns=tuple(entry.get("nouns", ())),
            indoors=bool(entry.get("indoors", False)),
            seasons=bool(entry.get("seasons", False)),
        )
        for name, entry in table.items()
    }


def load_world(text: str) -> World:
    """Read a world from the text of a statistics file.

    Args:
        text: TOML in the shape of the bundled ``world.toml``.

    Returns:
        The world; object weights follow from their rank in the file.
    """
    raw = tomllib.loads(text)
    scene = raw["scene"]
    things = {
        name: Thing(
            name=name,
            plural=entry["plural"],
            file=entry["file"],
            kind=entry["kind"],
            sky=bool(entry.get("sky", False)),
            synonyms=tuple(entry.get("synonyms", ())),
            likes=dict(entry.get("likes", {})),
            weight=float((rank + scene["zipf_offset"]) ** -scene["zipf_exponent"]),
            colour=entry.get("colour", ""),
        )
        for rank, (name, entry) in enumerate(raw["objects"].items())
    }
    return World(
        layout=raw["layout"],
        scene=scene,
        **{f"{role}s": _settings(raw[f"{role}s"]) for role in SETTINGS},
        given_ground=raw["given_ground"],
        kinds={kind: tuple(words) for kind, words in raw["kinds"].items()},
        things=things,
        skews=raw["skews"],
    )


WORLD = load_world((files("driftloop.postcards") / "world.toml").read_text(encoding="utf-8"))
