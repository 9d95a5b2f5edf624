"""Draw the sheets of docs/postcards.md: prompts drawn, pictures described, trajectories."""

from __future__ import annotations

import argparse
import random
import tempfile
import textwrap
import tomllib
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont

import driftloop
from driftloop.postcards import caption, held_out, parse, sample_scene
from driftloop.study import load_study
from training.data import BUDGETS
from training.evaluate import held_out_scenes, pictures_of
from training.players import (
    CAPTIONERS,
    FAITHFUL,
    GENERATORS,
    SETTINGS,
    UNUSUAL,
    captioner,
    cast,
    play,
)

DOCS = Path(__file__).parents[1] / "docs"
PROMPTS = Path(__file__).parents[1] / "src" / "driftloop" / "prompts" / "postcards-24.toml"
CARD, GAP, LINE, COLUMNS = 176, 14, 16, 8
PAPER, TEXT, EDGE = "#fbfaf7", "#333333", "#cfcabf"
SHOWN_ROUNDS = (1, 2, 3, 4, 6, 8, 12, 20)
FONT = ImageFont.load_default(13)
BOLD = ImageFont.load_default(15)


class Sheet:
    """A page on which pictures stand in a grid, each with a text below it."""

    def __init__(self, columns: int, rows: int, lines: int, heads: int = 0) -> None:
        self.columns, self.lines = columns, lines
        self.deep = CARD + LINE * lines + GAP
        width = columns * (CARD + GAP) + GAP
        self.page = Image.new("RGB", (width, rows * (self.deep + GAP) + heads * 30 + GAP), PAPER)
        self.pen = ImageDraw.Draw(self.page)
        self.y = GAP

    def head(self, text: str) -> None:
        """A line across the page."""
        self.pen.text((GAP, self.y + 4), text, TEXT, BOLD)
        self.y += 30

    def row(self, pictures: Sequence[Image.Image], texts: Sequence[str]) -> None:
        """One row of pictures and texts."""
        for i, (picture, text) in enumerate(zip(pictures, texts, strict=True)):
            x = GAP + i * (CARD + GAP)
            self.page.paste(picture.resize((CARD, CARD), Image.Resampling.LANCZOS), (x, self.y))
            self.pen.rectangle((x - 1, self.y - 1, x + CARD, self.y + CARD), outline=EDGE)
            lines = [line for part in text.split("\n") for line in textwrap.wrap(part, 27)]
            if len(lines) > self.lines:
                lines = [*lines[: self.lines - 1], lines[self.lines - 1][:24] + " …"]
            self.pen.multiline_text((x, self.y + CARD + 6), "\n".join(lines), TEXT, FONT, spacing=2)
        self.y += self.deep + GAP

    def save(self, name: str) -> None:
        """Write the page, in few colours: it is for looking at, not for measuring."""
        path = DOCS / name
        self.page.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
        print(path)


def held_out_prompts(count: int) -> list[str]:
    """Captions at mixed budgets, each of which tells two objects that training never showed.

    A caption of few words may leave one of a held-out scene's objects out: such ones are passed
    over, since their like was in training.
    """
    rng = random.Random("contact sheet")
    found: list[str] = []
    while len(found) < count:
        budget = BUDGETS[len(found) % len(BUDGETS)]
        text = caption(sample_scene(rng, split="test"), budget, rng, plain=1.0)
        if any(held_out(a, b) for a, b in combinations(parse(text).names, 2)):
            found.append(text)
    return found


def drawn(name: str, texts: Sequence[str]) -> list[Image.Image]:
    """What a generator draws for each prompt."""
    return [output.content for output in play(cast(name), texts)]


def prompts_sheet(name: str, file: str, texts: Sequence[str], columns: int, lines: int) -> None:
    """Prompts, each under its picture."""
    sheet = Sheet(columns, -(-len(texts) // columns), lines)
    pictures = drawn(name, texts)
    for first in range(0, len(texts), columns):
        sheet.row(pictures[first : first + columns], texts[first : first + columns])
    sheet.save(file)


def captions_sheet(name: str) -> None:
    """Held-out pictures as a captioner describes them, at each budget and for the unusual."""
    pictures = pictures_of(held_out_scenes(name, COLUMNS))
    told = [("5 words", FAITHFUL, 5), ("10 words", FAITHFUL, 10), ("20 words", FAITHFUL, 20)]
    told += [("40 words", FAITHFUL, 40), ("unusual, 10 words", UNUSUAL, 10)]
    columns = [
        [f"{title}: {o.content}" for o in play(captioner(name, n, instruction=text), pictures)]
        for title, text, n in told
    ]
    sheet = Sheet(COLUMNS, 1, 22)
    sheet.row(pictures, ["\n".join(texts) for texts in zip(*columns, strict=True)])
    sheet.save(f"{name}-captions.png")


def trajectories_sheet() -> None:
    """One trajectory of each generator with each captioner, from the same prompt and seeds."""
    names = (*GENERATORS, *CAPTIONERS)
    # As many as play together: a larger micro-batch would be padding.
    own = {"batch_size": len(CAPTIONERS)}
    models = {n: {**SETTINGS[n], **own, "path": f"bundled:{n}"} for n in names}
    for name in CAPTIONERS:
        models[name] |= {"words": 20, "instruction": FAITHFUL + " in at most {words} words."}
        models[name] |= {"temperature": 0.7}
    prompt = "A small dog and a sailboat on a beach at dusk."
    study = {
        "rounds": SHOWN_ROUNDS[-1],
        "seed": 7,
        "prompts": [prompt],
        "models": models,
        "arms": [
            {"name": f"{g} with {c}", "network": [g, c]} for g in GENERATORS for c in CAPTIONERS
        ],
    }
    rows = len(study["arms"])
    sheet = Sheet(len(SHOWN_ROUNDS), rows, 6, heads=rows)
    with (
        tempfile.TemporaryDirectory() as folder,
        driftloop.run(load_study(study), folder, progress=False) as run,
    ):
        steps = run.steps().to_pandas()
        for arm in (arm["name"] for arm in study["arms"]):
            mine = steps[steps["arm"] == arm].set_index("round")
            images, texts = mine["image"].dropna(), mine["text"].dropna()
            sheet.head(f"{arm}: {prompt}")
            sheet.row(
                [run.image(images[r]) for r in SHOWN_ROUNDS],
                [f"{r}. {texts[r]}" for r in SHOWN_ROUNDS],
            )
    sheet.save("postcards-trajectories.png")


def main() -> None:
    """Draw all sheets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    listed = tomllib.loads(PROMPTS.read_text())["prompts"]
    free = [prompt["text"] for prompt in listed if prompt["source"] == "free"]
    for name in GENERATORS:
        prompts_sheet(name, f"{name}-prompts.png", held_out_prompts(32), COLUMNS, 6)
        prompts_sheet(name, f"{name}-free-english.png", free, 6, 5)
    for name in CAPTIONERS:
        captions_sheet(name)
    trajectories_sheet()


if __name__ == "__main__":
    main()
