"""Captions for training: of the grammar at every budget, and roughened towards free English."""

from __future__ import annotations

import json
import random
import re
from functools import lru_cache

from driftloop.postcards import LOOKS, WORLD, Look, Scene, caption
from driftloop.postcards.words import plural_of
from driftloop.postcards.world import SETTINGS
from training.pictograms import fetch
from training.wordnet import other_names

BUDGETS = (5, 10, 15, 20, 30, 40)

OPENINGS = (
    "a photo of",
    "a picture of",
    "a painting of",
    "an illustration of",
    "a postcard with",
    "this image shows",
    "the picture shows",
    "we can see",
    "a beautiful view of",
    "imagine",
    "a dreamy scene with",
    "a postcard showing",
    "here is",
    "look at",
    "a drawing of",
)
_COMMON = """
    old lonely quiet strange golden red blue green white black yellow happy sad hungry sleepy
    bright silent ancient modern wooden broken beautiful wild gentle angry proud distant warm
    cold empty crowded running sleeping standing waiting flying swimming dancing reading
    singing looking watching dreaming drifting walking resting playing jumping falling growing
    burning near beside behind before after around between through across toward against
    without within people children world time life love story memory friend war peace hope
    fear secret journey moment letter window door hand heart eyes voice path bridge shadow
    colour music silence very slowly softly never always almost only again together alone
    forever suddenly his her their my our your who which where when while because until but or
    not so if then than
"""
FREE_WORDS = tuple(_COMMON.split())


@lru_cache(maxsize=1)
def english() -> tuple[str, ...]:
    """Single words of free English: from emojibase's labels and tags, and a short list."""
    path = fetch() / "emojibase-data" / "en" / "data.json"
    words: set[str] = set()
    for entry in json.loads(path.read_text()):
        for text in (entry["label"], *entry.get("tags", [])):
            words.update(re.findall(r"[a-z]{2,}", text.lower()))
    return tuple(sorted(words))


@lru_cache(maxsize=1)
def known_words() -> frozenset[str]:
    """Every word that the parser gives a meaning: noise must not be one of these."""
    from driftloop.postcards.parser import lexicon

    return frozenset(word for phrase in lexicon() for word in phrase)


@lru_cache(maxsize=1)
def noise_words() -> tuple[str, ...]:
    """Words without a meaning in the world."""
    known = known_words()
    rare = [w for w in english() if w not in known]
    common = [w for w in FREE_WORDS if w not in known]
    return tuple(common * 8 + rare)


def _rename(scene: Scene, text: str, rng: random.Random) -> str:
    """Call an object, or all of them, by the name of its kind or by one of WordNet's for it."""
    chosen = scene.objects if rng.random() < 0.5 else [rng.choice(scene.objects)]
    for thing in (WORLD.things[placed.name] for placed in chosen):
        name = rng.choice(WORLD.kinds[thing.kind])
        if other_names()[thing.name] and rng.random() < 0.7:
            name = rng.choice(other_names()[thing.name])
        text = re.sub(rf"\b{thing.plural}\b", plural_of(name), text)
        text = re.sub(rf"\b{thing.name}\b", name, text)
    return text


def _swap_setting(scene: Scene, text: str, rng: random.Random) -> str:
    """Say the setting with one of its other words."""
    for role in SETTINGS:
        setting = WORLD.settings(role)[getattr(scene, role)]
        for phrase in setting.phrases:
            if phrase in text and rng.random() < 0.7:
                lead = rng.choice(("in the", "with", "near the", "by the", "in"))
                text = text.replace(phrase, f"{lead} {rng.choice(setting.words)}")
    return text


def roughen(scene: Scene, text: str, rng: random.Random) -> str:
    """Make a caption less like the grammar; what is left of its meaning stays true."""
    if rng.random() < 0.6:
        text = _rename(scene, text, rng)
    if rng.random() < 0.6:
        text = _swap_setting(scene, text, rng)
    words = text.split()
    if rng.random() < 0.3:
        words = [w for w in words if rng.random() > 0.12] or words
    if rng.random() < 0.6:
        for _ in range(rng.randint(1, 6)):
            words.insert(rng.randint(0, len(words)), rng.choice(noise_words()))
    if rng.random() < 0.4:
        words = rng.choice(OPENINGS).split() + words
    if rng.random() < 0.1:
        rng.shuffle(words)
    if rng.random() < 0.04:
        words = rng.choices(noise_words(), k=rng.randint(3, 20))
    return " ".join(words)


def prompt(scene: Scene, rng: random.Random, rough: float = 0.3, full: float = 0.0) -> str:
    """A prompt for a scene, mostly in the captioner's register.

    Args:
        scene: What it is about.
        rng: The source of randomness.
        rough: How often it is roughened towards free English.
        full: How often it is as long as can be, before budgets are drawn.
    """
    words = BUDGETS[-1] if rng.random() < full else rng.choice(BUDGETS)
    look: Look = rng.choice(("faithful", "faithful", "faithful", *LOOKS))
    if rng.random() < rough:
        return roughen(scene, caption(scene, words, rng, plain=0.4, look=look), rng)
    return caption(scene, words, rng, plain=0.85, look=look)
