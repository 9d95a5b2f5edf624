"""Texts in pictures: legible for people, and exact for a program that reads them back."""

from __future__ import annotations

import textwrap
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .. import drawing

SIDE = 96
PAPER, INK = (250, 249, 244), (35, 38, 43)
HEADER = 4
"""Bytes that say how long the text is."""
MAGIC = b"Dl"
REMEMBERED = 1024
"""Pictures: drawing one takes longer than all else that a step of controls does."""


def write_text(text: str) -> Image.Image:
    """Draw a text, with its bytes as a band of pixels below it.

    Args:
        text: Any text that UTF-8 can hold.

    Returns:
        An RGB picture, 96 pixels wide, from which :func:`read_text` gives the very same text.
    """
    return _drawn(text).copy()


@lru_cache(REMEMBERED)
def _drawn(text: str) -> Image.Image:
    data = text.encode()
    data = MAGIC + len(data).to_bytes(HEADER, "big") + data
    rows = -(-len(data) // (SIDE * 3))
    band = np.full(rows * SIDE * 3, PAPER[0], dtype=np.uint8)
    band[: len(data)] = np.frombuffer(data, dtype=np.uint8)
    image = Image.new("RGB", (SIDE, max(SIDE, rows)), PAPER)
    shown = "\n".join(textwrap.wrap(text, 17, max_lines=8, placeholder=" …"))
    pen = ImageDraw.Draw(image)
    if not drawing.needs_shipped(text):
        pen.multiline_text((5, 4), shown, INK, _font(), spacing=2)
    else:
        # Fonts of the system would make the bits of a picture another machine's.
        drawing.write_text(pen, text, (5, 4), SIDE - 10, 9, INK, 7, line=12, only_shipped=True)
    pixels = Image.fromarray(band.reshape(rows, SIDE, 3), "RGB")
    image.paste(pixels, (0, image.height - rows))
    return image


@lru_cache(1)
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(9)


def read_text(image: Image.Image) -> str:
    """Read what :func:`write_text` wrote.

    Raises:
        ValueError: The picture holds no such text.
    """
    pixels = np.asarray(image.convert("RGB"))
    if pixels.shape[1] == SIDE:
        # From the bottom up: the band begins at the row with the mark and the right length.
        for rows in range(1, pixels.shape[0] + 1):
            data = pixels[-rows:].tobytes()
            if data[: len(MAGIC)] != MAGIC:
                continue
            start = len(MAGIC) + HEADER
            size = int.from_bytes(data[len(MAGIC) : start], "big")
            if -(-(start + size) // (SIDE * 3)) == rows:
                return data[start : start + size].decode()
    raise ValueError("the picture holds no text: it was not drawn by a control of kind 'write'")
