"""Read what a drawn picture shows by comparing it with what could stand there.

The world is exact: at a known place and in a known form, every object has one picture. So what
the generator drew can be told without any trained model, as the object, or nothing, whose true
picture is nearest in pixels. It needs the scene that was asked for, whose other objects are taken
as they should be; it is a measure for full captions, not an eye for anything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from driftloop.postcards import WORLD, PlacedObject, Scene
from training.render import render, stamps


def _box(thing: PlacedObject) -> tuple[slice, slice]:
    parts = stamps(thing)
    top, left = min(p[1] for p in parts), min(p[0] for p in parts)
    bottom, right = max(p[1] + p[2] for p in parts), max(p[0] + p[2] for p in parts)
    return slice(top, bottom), slice(left, right)


def nearest(scene: Scene, at: int, picture: np.ndarray) -> str:
    """The name of what looks most like the picture where an object should be, or "nothing"."""
    thing = scene.objects[at]
    area = _box(thing)
    seen = picture[area].astype(np.float32)
    sky = WORLD.things[thing.name].sky
    names = [name for name, entry in WORLD.things.items() if entry.sky == sky]
    others = scene.objects[:at] + scene.objects[at + 1 :]
    errors = {"nothing": render(replace(scene, objects=others))[area]}
    for name in names:
        swapped = (*scene.objects[:at], replace(thing, name=name), *scene.objects[at + 1 :])
        errors[name] = render(replace(scene, objects=swapped))[area]
    return min(errors, key=lambda name: float(np.square(errors[name] - seen).mean()))


def objects_drawn(scene: Scene, picture: Image.Image | np.ndarray) -> Sequence[bool]:
    """For each object of the scene, whether it is what the picture shows at its place."""
    pixels = np.asarray(picture)
    return [nearest(scene, i, pixels) == thing.name for i, thing in enumerate(scene.objects)]
