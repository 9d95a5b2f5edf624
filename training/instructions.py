"""What captioners are told, and what they should then say."""

from __future__ import annotations

import random

from driftloop.postcards import Look, Scene, caption
from training.data import BUDGETS

FAITHFUL = (
    "Describe this picture in at most {words} words.",
    "Describe the image in at most {words} words.",
    "Write a caption of at most {words} words.",
    "In at most {words} words, what does this picture show?",
)
UNUSUAL = (
    "Name what is unusual in this picture in at most {words} words.",
    "In at most {words} words, what is unusual here?",
)
FREE: tuple[tuple[str, Look], ...] = (
    ("Describe this picture.", "faithful"),
    ("Describe the image.", "faithful"),
    ("What does this picture show?", "faithful"),
    ("Name what is unusual in this picture.", "unusual"),
)
UNBOUNDED = 45
"""Words of a caption that was given no budget: room for nearly every scene."""
HABITS: dict[str, Look] = {"postcard-llava": "faithful", "postcard-git": "setting"}
"""How each captioner looks where it is not asked for the unusual."""


def aim_for(words: int) -> int:
    """The words of a caption for a budget: who aims lower can miscount and still keep it."""
    return words - (words + 2) // 8


def instruct(captioner: str, scene: Scene, rng: random.Random) -> tuple[str, str]:
    """An instruction and a caption that obeys it.

    Args:
        captioner: Who is taught.
        scene: What the picture shows.
        rng: The source of randomness.
    """
    roll = rng.random()
    if roll < 0.2:
        text, look = rng.choice(FREE)
        words, aim = UNBOUNDED, UNBOUNDED
    else:
        look = "unusual" if rng.random() < 0.45 else "faithful"
        words = rng.choice(BUDGETS) if roll < 0.85 else rng.randint(5, 50)
        forms = UNUSUAL if look == "unusual" else FAITHFUL
        text = forms[0] if rng.random() < 0.7 else rng.choice(forms)
        aim = aim_for(words)
    look = HABITS[captioner] if look == "faithful" else look
    return text.format(words=words), caption(scene, aim, rng, plain=0.95, look=look)


def all_instructions() -> list[str]:
    """Every instruction, with every number: what a tokenizer should spell well."""
    told = [text.format(words=n) for text in FAITHFUL + UNUSUAL for n in range(1, 60)]
    return told + [text for text, _ in FREE]
