"""The statistics of the world, read once from ``world.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import Any

GROUND_PLACES = ("left", "middle", "right")
SKY_PLACES = ("upper left", "upper right")
SIZES = ("small", "normal", "large")


@dataclass(frozen=True)
class Setting:
    """A ground, a time of day or a weather: its prior weight and the words for it."""

    name: str
    weight: float
    phrases: tuple[str, ...]
    words: tuple[str, ...]
    adjective: str = ""
    clause: str = ""
    nouns: tuple[str, ...] = ()


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


@dataclass(frozen=True)
class World:
    """Everything that ``world.toml`` says, with the tables that sampling needs."""

    layout: Mapping[str, Any]
    scene: Mapping[str, Any]
    grounds: Mapping[str, Setting]
    times: Mapping[str, Setting]
    weathers: Mapping[str, Setting]
    given_ground: Mapping[str, Mapping[str, float]]
    kinds: Mapping[str, tuple[str, ...]]
    things: Mapping[str, Thing]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of all objects, from the most to the least frequent."""
        return tuple(self.things)

    def weight(self, thing: str, ground: str, time: str, weather: str) -> float:
        """How likely a thing is in a setting, up to a constant."""
        entry = self.things[thing]
        picky = any(name in self.grounds for name in entry.likes)
        by_ground = entry.likes.get(ground, self.scene["away"] if picky else 1.0)
        by_sky = entry.likes.get(time, 1.0) * entry.likes.get(weather, 1.0)
        return entry.weight * float(by_ground) * by_sky


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
        )
        for rank, (name, entry) in enumerate(raw["objects"].items())
    }
    return World(
        layout=raw["layout"],
        scene=scene,
        grounds=_settings(raw["grounds"]),
        times=_settings(raw["times"]),
        weathers=_settings(raw["weathers"]),
        given_ground=raw["given_ground"],
        kinds={kind: tuple(words) for kind, words in raw["kinds"].items()},
        things=things,
    )


WORLD = load_world((files("driftloop.postcards") / "world.toml").read_text(encoding="utf-8"))
