"""Load one encoder and find out what a report can expect of it."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from ..encoders import Encoder, find_encoders
from ..models import Invariance
from ..steps import Kind

SAME = 1e-5
"""Cosine distance below which two vectors are the same for every measure."""
SAMPLES = 24
PHRASES = (
    "a ship on the sea", "two cats in a meadow at night", "a red house in the snow",
    "an old man who reads a letter", "storm clouds over a lighthouse", "a table with fruit on it",
)  # fmt: skip


class EncoderCheck(NamedTuple):
    """What :func:`check_encoders` found about one encoder."""

    name: str
    kind: Kind
    identity: str
    dimensions: int
    limit: int | None
    """Tokens that it reads; None where it reads all, or pictures."""
    invariance: Invariance
    """``largest`` is a cosine distance."""
    seconds: float
    """Seconds a content, when many are encoded."""
    load_seconds: float
    """Until the first vector."""


def check_encoders(model: str) -> list[EncoderCheck]:
    """Load the encoders that a name stands for and test each: limits, company, speed.

    Raises:
        ModelError: There is none of that name, or it cannot be loaded.
    """
    return [_check(encoder) for encoder in find_encoders(model)]


def _check(encoder: Encoder) -> EncoderCheck:
    contents = _texts() if encoder.kind == "text" else _pictures()
    started = time.perf_counter()
    encoder.encode(contents[:1])
    load_seconds = time.perf_counter() - started
    started = time.perf_counter()
    together = encoder.encode(contents)
    seconds = (time.perf_counter() - started) / len(contents)
    return EncoderCheck(
        name=encoder.name,
        kind=encoder.kind,
        identity=encoder.identity,
        dimensions=together.shape[1],
        limit=encoder.limit,
        invariance=_compare(encoder, contents, together),
        seconds=seconds,
        load_seconds=load_seconds,
    )


def _compare(encoder: Encoder, contents: list[Any], together: Any) -> Invariance:
    """Encode in reversed company and alone, and compare with full company."""
    reversed_ = encoder.encode(contents[::-1])[::-1]
    alone = [encoder.encode([content])[0] for content in (contents[0], contents[-1])]
    first = np.concatenate([together, together[[0, -1]]])
    other = np.concatenate([reversed_, alone])
    different = int((first != other).any(axis=1).sum())
    largest = float(np.max(1 - (first.astype(float) * other).sum(axis=1), initial=0.0))
    if not different:
        return Invariance("bit-exact", 0, len(first), 0.0)
    return Invariance("within" if largest < SAME else "no", different, len(first), largest)


def _texts() -> list[str]:
    """Texts of many lengths."""
    return [
        ", ".join(PHRASES[(number + at) % len(PHRASES)] for at in range(1 + number // 3))
        for number in range(SAMPLES)
    ]


def _pictures() -> list[Image.Image]:
    """Smooth random colour fields of several sizes and proportions."""
    sizes = ((512, 512), (128, 128), (256, 192), (192, 256))
    pictures = []
    for number in range(SAMPLES):
        coarse = np.random.default_rng(number).integers(0, 256, (4, 4, 3), dtype=np.uint8)
        pictures.append(
            Image.fromarray(coarse).resize(sizes[number % len(sizes)], Image.Resampling.BICUBIC)
        )
    return pictures
