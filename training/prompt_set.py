"""Write the prompt set postcards-24: half of the grammar, half free English."""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

from driftloop.postcards import caption, sample_scene

TARGET = Path(__file__).parents[1] / "src" / "driftloop" / "prompts" / "postcards-24.toml"
FREE = (
    "An old fisherman waits for the morning ferry while gulls argue over his breakfast.",
    "The last bus of the evening leaves without its only passenger.",
    "Somewhere in the desert, a forgotten piano is slowly filling with sand.",
    "My grandmother kept her winter coats in a wardrobe that smelled of oranges.",
    "A violinist practises alone on the roof while the whole city sleeps below.",
    "After the flood, the villagers rebuilt the bridge one stone at a time.",
    "Two strangers share an umbrella and say nothing until the rain has stopped.",
    "The lighthouse keeper writes letters to ships that will never answer.",
    "Children chase a runaway kite through the market and into the cathedral.",
    "A wolf listens at the edge of the frozen lake under a thousand stars.",
    "The astronaut planted a garden and named every flower after a lost friend.",
    "In the abandoned factory, someone has left a birthday cake with one candle burning.",
)
BUDGETS = (5, 10, 10, 15, 15, 20, 20, 30, 30, 40, 40, 40)


def main() -> None:
    """Write the set; the seed is one that training never uses."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    rng = random.Random("postcards-24")
    lines = [
        "# Twelve prompts of the world's grammar (held-out pairs of objects, budgets from 5",
        "# to 40 words) and twelve sentences that it has no words for, or few.",
        "prompts = [",
    ]
    for i, words in enumerate(BUDGETS):
        text = caption(sample_scene(rng, split="test"), words, rng, plain=1.0)
        lines.append(
            f'  {{ id = "grammar-{i + 1:02}", text = {json.dumps(text)}, source = "grammar" }},'
        )
    for i, text in enumerate(FREE):
        lines.append(f'  {{ id = "free-{i + 1:02}", text = {json.dumps(text)}, source = "free" }},')
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text("\n".join([*lines, "]"]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
