"""Pictures and texts on a sheet of paper, with Pillow."""

from __future__ import annotations

import textwrap

from PIL import Image, ImageDraw, ImageFont

PAPER, INK, SOFT, EDGE = "#fdfdfb", "#1d1f23", "#6b7079", "#dcdcd6"
LINE = 18
"""Pixels from a line of text to the next."""
LONGEST = 5_000
"""Characters of a text that are laid out: no sheet has room for more."""


def fitted(image: Image.Image, side: int) -> Image.Image:
    """Scale into a square: pixels of small pictures stay sharp, large ones are averaged."""
    scale = side / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    method = Image.Resampling.LANCZOS
    if scale > 2:
        method = Image.Resampling.NEAREST
    square = Image.new("RGB", (side, side), PAPER)
    scaled = image.convert("RGB").resize(size, method)
    square.paste(scaled, ((side - size[0]) // 2, (side - size[1]) // 2))
    return square


def write_text(
    pen: ImageDraw.ImageDraw, text: str, at: tuple[int, int], width: int,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont, colour: str, most: int,
) -> None:  # fmt: skip
    """Write a text in lines of a width, as many as there is room for."""
    text = " ".join(text[:LONGEST].split())
    if not text:
        return
    letters = max(8, int(width / (pen.textlength(text, font) / len(text))))
    while letters > 8:
        lines = textwrap.wrap(text, letters)
        if all(pen.textlength(line, font) <= width for line in lines):
            break
        letters -= 1
    lines = textwrap.wrap(text, letters, max_lines=most, placeholder=" …")
    for number, line in enumerate(lines):
        pen.text((at[0], at[1] + number * LINE), line, colour, font)
