"""Siblings differ in one thing, and never show training a pair of objects that was held out."""

import random
from dataclasses import fields

from driftloop.postcards import Scene, parse, sample_scene
from driftloop.postcards.scenes import held_out
from training.siblings import allowed, in_the_same_words, others, sibling


def test_siblings_differ_in_one_thing() -> None:
    rng = random.Random(1)
    kinds = set()
    for _ in range(500):
        scene = sample_scene(rng, split="train")
        other = sibling(scene, rng)
        changed = [
            f.name for f in fields(Scene) if getattr(scene, f.name) != getattr(other, f.name)
        ]
        assert len(changed) <= 1
        kinds.update(changed)
        if changed == ["objects"]:
            pairs = zip(scene.objects, other.objects, strict=True)
            (before, after), *more = [(a, b) for a, b in pairs if a != b]
            assert not more
            assert before.name != after.name
            assert before.place == after.place
    assert {"objects", "time", "weather", "style"} <= kinds


def test_siblings_of_training_scenes_hold_no_held_out_pair() -> None:
    rng = random.Random(2)
    for _ in range(500):
        other = sibling(sample_scene(rng, split="train"), rng)
        assert not any(held_out(a, b) for a, b in other.pairs())


def test_kin_are_of_one_kind_where_there_are_any() -> None:
    rng = random.Random(3)
    scene = sample_scene(rng)
    kin, all_others = others(scene, 0, kin=True), others(scene, 0)
    assert set(kin) <= set(all_others)
    assert scene.objects[0].name not in all_others


def test_captions_with_a_wrong_object_differ_in_it_alone() -> None:
    rng = random.Random(4)
    for _ in range(100):
        scene = sample_scene(rng, split="train")
        names = [scene.objects[0].name, *allowed(scene, 0)[:3]]
        texts = in_the_same_words(scene, 0, names, 60, rng, plain=1.0)
        read = [parse(text) for text in texts]
        for name, one in zip(names, read, strict=True):
            assert name in one.names
        assert len({(one.ground, one.time, one.weather) for one in read}) == 1
        rest = [placed.name for placed in scene.objects[1:]]
        assert not any(held_out(name, other) for name in names[1:] for other in rest)
