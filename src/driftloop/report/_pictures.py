"""Pictures for a single file: each once, small enough, as a class of the style sheet.

A class with a background picture is stored once, shows wherever it is named, needs no script, and
is decoded by the browser when it comes into view.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from typing import NamedTuple

from PIL import Image, features

from ..errors import StoreError
from ..store import Run


class Rung(NamedTuple):
    """One way to store pictures, from faithful to small."""

    side: int | None
    """Longest side in pixels; None keeps the size."""
    quality: int | None
    """Of the lossy codec; None is lossless."""


LADDER = (
    Rung(None, None),
    Rung(512, 90),
    Rung(256, 88),
    Rung(192, 85),
    Rung(128, 85),
    Rung(128, 72),
    Rung(96, 65),
    Rung(64, 60),
)
BUDGET = 4_500_000
"""Bytes that all pictures may take before they are written as text, a third more."""
WEBP_SIDE = 16_383
"""Pixels of a side that WebP can hold."""
SAMPLE = 24
"""Pictures that are encoded to choose a rung."""


class Album(NamedTuple):
    """Pictures as a style sheet."""

    css: str
    """A rule a picture."""
    classes: dict[str, str]
    """Class names by digest; a picture that cannot be read is not here."""
    missing: tuple[str, ...]
    """Digests of those."""
    exact: bool
    """Whether the pictures are stored pixel for pixel."""
    side: int
    """Longest side of a picture as it is stored."""


def make_album(
    run: Run, digests: Sequence[str], *, advance: Callable[[int], None], budget: int = BUDGET
) -> Album:
    """Encode pictures, on the most faithful rung that keeps within a budget.

    Args:
        run: Where the pictures are.
        digests: Which; repeats cost nothing.
        advance: Called with 1 as each is done.
        budget: Bytes for all of them.
    """
    wanted = list(dict.fromkeys(digests))
    rung = _choose_rung(run, wanted, budget)
    rules: list[str] = []
    classes: dict[str, str] = {}
    missing: list[str] = []
    side, exact = 0, rung.quality is None
    for digest in wanted:
        advance(1)
        try:
            image = run.image(digest)
        except StoreError:
            missing.append(digest)
            continue
        data, stored = encode(image, rung)
        side, exact = max(side, stored), exact and stored == max(image.size)
        classes[digest] = f"p{len(rules)}"
        rules.append(f".p{len(rules)}{{background-image:url({data_uri(data)})}}")
    return Album("\n".join(rules), classes, tuple(missing), exact, side)


def encode(image: Image.Image, rung: Rung) -> tuple[bytes, int]:
    """Encode a picture.

    Returns:
        The file's bytes, and the longest side of the picture in it.
    """
    image = image.convert("RGB")
    if rung.side is not None and max(image.size) > rung.side:
        image.thumbnail((rung.side, rung.side), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    if not features.check("webp") or max(image.size) > WEBP_SIDE:
        kind = "PNG" if rung.quality is None else "JPEG"
        image.save(
            stream, kind, optimize=True, **({"quality": rung.quality} if rung.quality else {})
        )
    elif rung.quality is None:
        image.save(stream, "WEBP", lossless=True, quality=60, method=3)
    else:
        image.save(stream, "WEBP", quality=rung.quality, method=4)
    return stream.getvalue(), max(image.size)


def data_uri(data: bytes) -> str:
    """A picture's file as an address that holds it."""
    kind = {b"RIFF": "webp", b"\x89PNG": "png"}.get(data[:4], "jpeg")
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _choose_rung(run: Run, digests: Sequence[str], budget: int) -> Rung:
    stride = max(1, len(digests) // SAMPLE)
    sample = []
    for digest in digests[::stride]:
        try:
            sample.append(run.image(digest))
        except StoreError:
            continue
    for rung in LADDER:
        sizes = [len(encode(image, rung)[0]) for image in sample]
        if not sizes or sum(sizes) / len(sizes) * len(digests) <= budget:
            return rung
    return LADDER[-1]
