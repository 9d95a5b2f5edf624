"""Ways of looking tell different things first, and all of them the truth."""

import math
import random

import numpy as np
import pytest

from driftloop.postcards import (
    LOOKS,
    SETTINGS,
    WORLD,
    Look,
    PlacedObject,
    Scene,
    caption,
    parse,
    prior,
    sample_scene,
    surprise,
)
from driftloop.postcards.salience import facts_in_order


@pytest.mark.parametrize("look", LOOKS)
def test_every_fact_comes_once_and_an_object_first(look: Look) -> None:
    rng = random.Random(1)
    for _ in range(300):
        scene = sample_scene(rng)
        order = facts_in_order(scene, rng, look)
        assert order[0][0] == "object"
        assert len(set(order)) == len(order)
        assert {i for kind, i in order if kind == "object"} == set(range(len(scene.objects)))
        tinted = {i for i, thing in enumerate(scene.objects) if thing.tint != "natural"}
        assert {i for kind, i in order if kind == "tint"} == tinted


def test_the_unusual_is_less_likely_and_the_setting_is_told_where_asked() -> None:
    rng = random.Random(2)
    scenes = [sample_scene(rng) for _ in range(1500)]

    def told(look: Look) -> tuple[float, float]:
        """Mean surprise of the objects told in six words; settings told in a caption."""
        odd, settings = [], []
        for scene in scenes:
            read = parse(caption(scene, 6, rng, plain=1.0, look=look))
            names = set(read.names)
            odd += [
                surprise(scene, ("object", i))
                for i, thing in enumerate(scene.objects)
                if thing.name in names
            ]
            settings.append(sum(getattr(read, role) is not None for role in SETTINGS))
        return float(np.mean(odd)), float(np.mean(settings))

    faithful, unusual, setting = (told(look) for look in ("faithful", "unusual", "setting"))
    assert unusual[0] > faithful[0] + 0.3
    assert setting[1] > 1.5 * faithful[1]


def test_surprise_is_the_logarithm_of_the_odds() -> None:
    scene = Scene("desert", "day", "snow", (PlacedObject("cow", "left", tint="blue"),))
    weathers = prior(WORLD, "weather", "desert")
    assert surprise(scene, ("weather", 0)) == pytest.approx(
        math.log(weathers["clear"] / weathers["snow"])
    )
    tints = WORLD.scene["tints"]
    assert surprise(scene, ("tint", 0)) == pytest.approx(math.log(tints["natural"] / tints["blue"]))
    with pytest.raises(ValueError, match="size"):
        surprise(scene, ("size", 0))


@pytest.mark.parametrize("look", LOOKS)
def test_a_scene_that_the_world_never_has_can_be_told(look: Look) -> None:
    assert prior(WORLD, "weather", "kitchen")["fog"] == 0
    scene = Scene("kitchen", "day", "fog", (PlacedObject("teapot", "middle"),))
    assert surprise(scene, ("weather", 0)) == math.inf
    assert parse(caption(scene, 40, random.Random(1), look=look)).weather == "fog"
