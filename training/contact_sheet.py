"""Draw held-out prompts, each under its picture, as one sheet; and one of free English."""

from __future__ import annotations

import argparse
import random
import textwrap
import tomllib
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont

from driftloop.postcards import caption, sample_scene
from training.players import GUIDANCE, STEPS, Generator

DOCS = Path(__file__).parents[1] / "docs"
PROMPTS = Path(__file__).parents[1] / "src" / "driftloop" / "prompts" / "postcards-24.toml"
CARD, GAP, LINES, COLUMNS = 192, 14, 5, 8


def held_out_prompts(count: int) -> list[str]:
    """Captions of held-out scenes at mixed budgets."""
    rng = random.Random("contact sheet")
    budgets = (5, 10, 15, 20, 30, 40)
    return [
        caption(sample_scene(rng, split="test"), budgets[i % len(budgets)], rng, plain=1.0)
        for i in range(count)
    ]


def sheet(pictures: Sequence[Image.Image], texts: Sequence[str], columns: int) -> Image.Image:
    """Pictures in a grid, each with its prompt below it."""
    font = ImageFont.load_default(13)
    deep = CARD + 16 * LINES + GAP
    rows = -(-len(pictures) // columns)
    page = Image.new("RGB", (columns * (CARD + GAP) + GAP, rows * (deep + GAP) + GAP), "#fbfaf7")
    pen = ImageDraw.Draw(page)
    for i, (drawn, text) in enumerate(zip(pictures, texts, strict=True)):
        x = GAP + (i % columns) * (CARD + GAP)
        y = GAP + (i // columns) * (deep + GAP)
        page.paste(drawn.resize((CARD, CARD), Image.Resampling.LANCZOS), (x, y))
        pen.rectangle((x - 1, y - 1, x + CARD, y + CARD), outline="#cfcabf")
        lines = textwrap.wrap(text, 30)
        if len(lines) > LINES:
            lines = [*lines[: LINES - 1], lines[LINES - 1][:28] + " …"]
        pen.multiline_text((x, y + CARD + 6), "\n".join(lines), "#333333", font, spacing=2)
    return page


def main() -> None:
    """Draw both sheets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--guidance", type=float, default=GUIDANCE)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    generator = Generator()
    free = [
        p["text"] for p in tomllib.loads(PROMPTS.read_text())["prompts"] if p["source"] == "free"
    ]
    for name, texts, columns in (
        ("postcards-contact-sheet.png", held_out_prompts(32), COLUMNS),
        ("postcards-free-english.png", free, 6),
    ):
        drawn = generator(texts, range(len(texts)), steps=args.steps, guidance=args.guidance)
        sheet(drawn, texts, columns).save(DOCS / name, optimize=True)


if __name__ == "__main__":
    main()
