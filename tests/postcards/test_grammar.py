"""Captions are truthful, keep their budget, and are read back without contradiction."""

import random

import pytest

from driftloop.postcards import (
    LOOKS,
    SETTINGS,
    Look,
    PlacedObject,
    Scene,
    caption,
    parse,
    sample_scene,
)
from driftloop.postcards.grammar import FEWEST_WORDS, relation


def contradictions(scene: Scene, text: str) -> list[str]:
    read = parse(text)
    wrong = [f"unplaced {word}" for word in read.unplaced]
    for role in SETTINGS:
        said = getattr(read, role)
        if said not in (None, getattr(scene, role)):
            wrong.append(f"{role}: {said}")
    there = {thing.name: thing for thing in scene.objects}
    if len(read.names) != len(read.objects):
        wrong.append("an object named twice")
    for thing in read.objects:
        if thing.name not in there:
            wrong.append(f"no {thing.name}")
            continue
        real = there[thing.name]
        for key in ("count", "size", "place", "tint"):
            said = getattr(thing, key)
            if said not in (None, getattr(real, key)):
                wrong.append(f"{thing.name} {key}: {said}")
    for said in read.relations:
        if relation(there[said.first], there[said.second]) != said.kind:
            wrong.append(f"relation {said}")
    return wrong


@pytest.mark.parametrize("words", [5, 10, 15, 20, 30, 40])
@pytest.mark.parametrize("plain", [0.0, 0.9])
@pytest.mark.parametrize("look", LOOKS)
def test_captions_are_truthful_and_keep_their_budget(words: int, plain: float, look: Look) -> None:
    rng = random.Random(words)
    for _ in range(500):
        scene = sample_scene(rng)
        text = caption(scene, words, rng, plain=plain, look=look)
        assert contradictions(scene, text) == [], (text, scene)
        assert len(text.split()) <= max(words, FEWEST_WORDS), text
        assert text.endswith(".")
        assert text[0].isupper()


def test_a_full_caption_tells_everything() -> None:
    rng = random.Random(0)
    for _ in range(300):
        scene = sample_scene(rng)
        read = parse(caption(scene, 60, rng, plain=1.0))
        assert set(read.names) == {thing.name for thing in scene.objects}
        assert (read.ground, read.time, read.weather) == (scene.ground, scene.time, scene.weather)


def test_free_english_is_read_as_far_as_the_world_goes() -> None:
    read = parse("Two happy kittens sleeping to the left of a huge oak on a misty morning.")
    assert [(t.name, t.count, t.size) for t in read.objects] == [
        ("cat", 2, None),
        ("tree", 1, "large"),
    ]
    assert read.relations[0].kind == "left of"
    assert (read.time, read.weather) == ("dawn", "fog")
    assert read.unplaced == ("happy", "sleeping")


@pytest.mark.parametrize("text", ["", "...", "qwerty 1234 zzz", "the the the", "A" * 10_000])
def test_any_text_can_be_parsed(text: str) -> None:
    parse(text)


def test_relation_of_sky_and_ground() -> None:
    kite = PlacedObject("kite", "upper left")
    cat = PlacedObject("cat", "right")
    assert relation(kite, cat) == "above"
    assert relation(cat, kite) == "below"
