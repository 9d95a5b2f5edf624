"""The statistics are sound, and scenes follow them."""

import random
from collections import Counter

import pytest

from driftloop.errors import ModelError
from driftloop.postcards import (
    SETTINGS,
    WORLD,
    bundled_names,
    bundled_path,
    held_out,
    prior,
    sample_scene,
)
from driftloop.postcards.parser import lexicon
from driftloop.postcards.world import GROUND_PLACES, SKY_PLACES, TINTS


def test_every_preference_names_a_setting() -> None:
    known = set(WORLD.grounds) | set(WORLD.times) | set(WORLD.weathers)
    for thing in WORLD.things.values():
        assert set(thing.likes) <= known, thing.name
        assert thing.kind in WORLD.kinds
        assert thing.colour in ("", *TINTS[1:])
    for factors in WORLD.given_ground.values():
        assert set(factors) <= known
    known |= set(WORLD.seasons) | set(WORLD.styles) | set(WORLD.kinds)
    for factors in WORLD.skews.values():
        assert set(factors) <= known


def test_weights_of_a_role_sum_to_one() -> None:
    for world in (WORLD, WORLD.skewed("nocturne")):
        for role in SETTINGS:
            total = sum(entry.weight for entry in world.settings(role).values())
            assert total == pytest.approx(1), role
            for ground in WORLD.grounds:
                assert sum(prior(world, role, ground).values()) == pytest.approx(1)


def test_no_two_things_share_a_name() -> None:
    table = lexicon()
    for thing in WORLD.things.values():
        for noun in (thing.name, thing.plural, *thing.synonyms):
            assert table[tuple(noun.split())][1] == thing.name, noun


def test_everything_is_on_the_latent_grid() -> None:
    layout = WORLD.layout
    numbers = [layout[key] for key in ("picture", "baseline", "sky", "group", "box")]
    numbers += [*layout["sizes"].values(), *layout["places"].values()]
    assert all(number % 8 == 0 for number in numbers)


def test_the_same_seed_gives_the_same_scene() -> None:
    assert sample_scene(random.Random(3)) == sample_scene(random.Random(3))


def test_scenes_are_well_formed() -> None:
    rng = random.Random(0)
    for _ in range(2000):
        scene = sample_scene(rng)
        assert 1 <= len(scene.objects) <= WORLD.scene["at_most"]
        places = [thing.place for thing in scene.objects]
        assert len(set(places)) == len(places)
        assert len({thing.name for thing in scene.objects}) == len(places)
        for thing in scene.objects:
            sky = WORLD.things[thing.name].sky
            assert thing.place in (SKY_PLACES if sky else GROUND_PLACES)
            assert thing.count == 1 or (thing.size, thing.tint) == ("normal", "natural")
            assert thing.tint != WORLD.things[thing.name].colour
            assert thing.tint == "natural" or scene.style != "sepia"
        ground = WORLD.grounds[scene.ground]
        assert ground.seasons or scene.season == "summer"
        assert not (ground.indoors and any(place in SKY_PLACES for place in places))


def test_frequencies_follow_the_file() -> None:
    rng = random.Random(1)
    n = 20_000
    grounds: Counter[str] = Counter()
    homes: Counter[tuple[str, str]] = Counter()
    for _ in range(n):
        scene = sample_scene(rng)
        grounds[scene.ground] += 1
        homes.update((thing.name, scene.ground) for thing in scene.objects)
    for name, setting in WORLD.grounds.items():
        assert abs(grounds[name] / n - setting.weight) < 0.012
    assert homes["ship", "sea"] > 20 * homes["ship", "forest"]
    assert homes["snowman", "snowfield"] > 20 * homes["snowman", "desert"]


def test_a_skewed_world_has_the_same_scenes_at_other_frequencies() -> None:
    nocturne = WORLD.skewed("nocturne")
    rng = random.Random(4)
    n = 8000
    nights = {
        world: sum(sample_scene(rng, world=world).time == "night" for _ in range(n)) / n
        for world in (WORLD, nocturne)
    }
    expected = {
        world: sum(
            entry.weight * prior(world, "time", name)["night"]
            for name, entry in world.grounds.items()
        )
        for world in nights
    }
    for world, share in nights.items():
        assert share == pytest.approx(expected[world], abs=0.02)
    assert nights[nocturne] > 1.7 * nights[WORLD]
    assert nocturne.names == WORLD.names
    with pytest.raises(KeyError):
        WORLD.skewed("noon")


def test_a_tempered_world_flattens_frequencies() -> None:
    even = WORLD.tempered(0.0)
    assert len({thing.weight for thing in even.things.values()}) == 1
    assert WORLD.tempered(1.0).weight("cat", "city", "day", "clear") == WORLD.weight(
        "cat", "city", "day", "clear"
    )


def test_splits_do_not_overlap() -> None:
    rng = random.Random(2)
    for split, expected in (("train", False), ("test", True)):
        for _ in range(200):
            pairs = sample_scene(rng, split=split).pairs()
            assert any(held_out(*pair) for pair in pairs) is expected
    with pytest.raises(ValueError, match="split"):
        sample_scene(rng, split="tset")


def test_a_misspelt_model_is_answered_with_the_nearest() -> None:
    for name in bundled_names():
        assert (bundled_path(name) / "README.md").exists()
        with pytest.raises(ModelError, match=name):
            bundled_path(name[:-1])
    with pytest.raises(ModelError, match="no bundled model"):
        bundled_path("../../etc")
