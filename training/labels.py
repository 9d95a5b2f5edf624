"""Scenes as the numbers of classes: what auxiliary heads learn to read off texts and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch

from driftloop.postcards import SETTINGS, WORLD, Scene
from driftloop.postcards.world import GROUND_PLACES, SKY_PLACES, TINTS

PLACES = GROUND_PLACES + SKY_PLACES
FORMS = (("small", 1), ("normal", 1), ("large", 1), ("normal", 2), ("normal", 3))
SETTING_SIZES = tuple(len(WORLD.settings(role)) for role in SETTINGS)
NAMES = {name: i + 1 for i, name in enumerate(WORLD.names)}
"""Number of an object; 0 is none."""

__all__ = ["FORMS", "NAMES", "PLACES", "SETTING_SIZES", "TINTS", "Labels", "label"]


class Labels(NamedTuple):
    """Class numbers of n scenes; -100 is not counted."""

    what: torch.Tensor
    """Object at each place, (n, places)."""
    form: torch.Tensor
    """Size and count there, (n, places)."""
    tint: torch.Tensor
    """Tint there, (n, places)."""
    setting: torch.Tensor
    """Ground, time, weather, season, style, (n, 5)."""
    there: torch.Tensor
    """Whether each object is anywhere, (n, objects), 0 or 1."""


def label(scenes: Sequence[Scene]) -> Labels:
    """The class numbers of scenes."""
    what = torch.zeros(len(scenes), len(PLACES), dtype=torch.long)
    form, tint = torch.full_like(what, -100), torch.full_like(what, -100)
    there = torch.zeros(len(scenes), len(NAMES))
    orders = [list(WORLD.settings(role)) for role in SETTINGS]
    setting = torch.tensor(
        [
            [
                order.index(getattr(scene, role))
                for role, order in zip(SETTINGS, orders, strict=True)
            ]
            for scene in scenes
        ]
    )
    for i, scene in enumerate(scenes):
        for thing in scene.objects:
            at = PLACES.index(thing.place)
            what[i, at] = NAMES[thing.name]
            form[i, at] = FORMS.index((thing.size, thing.count))
            tint[i, at] = TINTS.index(thing.tint)
            there[i, NAMES[thing.name] - 1] = 1
    return Labels(what, form, tint, setting, there)
