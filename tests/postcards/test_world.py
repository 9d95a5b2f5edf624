"""The statistics are sound, and scenes follow them."""

import random
from collections import Counter

import pytest

from driftloop.errors import ModelError
from driftloop.postcards import WORLD, bundled_names, bundled_path, held_out, sample_scene
from driftloop.postcards.parser import lexicon
from driftloop.postcards.world import GROUND_PLACES, SKY_PLACES


def test_every_preference_names_a_setting() -> None:
    known = set(WORLD.grounds) | set(WORLD.times) | set(WORLD.weathers)
    for thing in WORLD.things.values():
        assert set(thing.likes) <= known, thing.name
        assert thing.kind in WORLD.kinds
    for factors in WORLD.given_ground.values():
        assert set(factors) <= known


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
            assert thing.count == 1 or thing.size == "normal"


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
