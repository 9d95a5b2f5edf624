"""Scenes that differ in one thing: what an eye has to be shown to tell one thing from another."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from driftloop.postcards import SETTINGS, WORLD, Scene, caption, prior
from driftloop.postcards.scenes import held_out

SETTING_SHARE = 0.3
"""How often siblings differ in a part of the setting instead of an object."""
KIN_SHARE = 0.5
"""How often the other object is of the same kind, which looks more alike."""


def with_object(scene: Scene, at: int, name: str) -> Scene:
    """The scene with another object at one place."""
    objects = list(scene.objects)
    objects[at] = replace(objects[at], name=name)
    return replace(scene, objects=tuple(objects))


def others(scene: Scene, at: int, *, kin: bool = False) -> list[str]:
    """Names that could stand at one place of the scene instead: in the sky what is of the sky.

    Args:
        scene: The scene.
        at: Number of the object.
        kin: Only of the same kind, where there are any.
    """
    thing = WORLD.things[scene.objects[at].name]
    taken = {placed.name for placed in scene.objects}
    names = [n for n, t in WORLD.things.items() if t.sky == thing.sky and n not in taken]
    return (kin and [n for n in names if WORLD.things[n].kind == thing.kind]) or names


def sibling(scene: Scene, rng: random.Random) -> Scene:
    """A scene that differs from this one in one object, or in one part of its setting.

    It may be one that the world hardly ever has, and never has a held-out pair of objects that
    the scene itself has not.
    """
    if rng.random() < SETTING_SHARE:
        role = rng.choice([r for r in SETTINGS if r != "season" and r != "ground"])
        given = scene.ground if role in ("time", "weather") else None
        likely = prior(WORLD, role, given)
        values = [v for v, p in likely.items() if p > 0 and v != getattr(scene, role)]
        return replace(scene, **{role: rng.choice(values)})
    at = rng.randrange(len(scene.objects))
    names = allowed(scene, at, kin=rng.random() < KIN_SHARE)
    return with_object(scene, at, rng.choice(names)) if names else scene


def allowed(scene: Scene, at: int, *, kin: bool = False) -> list[str]:
    """Those of `others` that make no held-out pair with the objects that stay."""
    rest = [placed.name for i, placed in enumerate(scene.objects) if i != at]
    names = others(scene, at, kin=kin)
    return [name for name in names if not any(held_out(name, other) for other in rest)]


def in_the_same_words(
    scene: Scene,
    at: int,
    names: Sequence[str],
    words: int,
    rng: random.Random,
    *,
    plain: float = 0.9,
) -> list[str]:
    """Captions of the scene with each of the names at one place, all in the same words."""
    wording = rng.random()
    return [
        caption(with_object(scene, at, name), words, random.Random(wording), plain=plain)
        for name in names
    ]
