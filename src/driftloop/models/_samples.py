"""Inputs for self-tests and probes: different from each other, and cheap to make."""

from __future__ import annotations

import numpy as np
from PIL import Image

PROMPTS = (
    "A ship on the sea.",
    "Two cats in a meadow at night.",
    "A red house in the snow, with a tree beside it, under a clear sky.",
    "An old man reads a letter.",
    "Rain.",
)
FLAT_RANGE = 3
"""A picture whose channels all span at most this many of 255 levels shows nothing."""


def prompts(count: int) -> list[str]:
    """Different prompts."""
    return [PROMPTS[i % len(PROMPTS)] for i in range(count)]


def pictures(count: int, side: int = 128) -> list[Image.Image]:
    """Different pictures: smooth random colour fields."""
    found = []
    for number in range(count):
        coarse = np.random.default_rng(number).integers(0, 256, (4, 4, 3), dtype=np.uint8)
        found.append(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC))
    return found


def is_flat(picture: Image.Image) -> bool:
    """Whether a picture shows nothing."""
    levels = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    return bool(np.ptp(levels, axis=0).max() <= FLAT_RANGE)
