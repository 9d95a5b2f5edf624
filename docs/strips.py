"""Draw the README's picture: some film strips of the quickstart's run.

python docs/strips.py runs/quickstart
"""

from __future__ import annotations

import argparse
from pathlib import Path

import driftloop
from driftloop.report import contact_strip
from driftloop.steps import Trajectory

SHOWN = ("grammar-07", "grammar-11", "free-08", "free-10")


def main() -> None:
    """Draw it beside this file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", nargs="?", default="runs/quickstart")
    parser.add_argument("--prompts", nargs="+", default=SHOWN)
    options = parser.parse_args()
    with driftloop.open(options.run) as run:
        arm = run.studies()[-1]["arms"][0]["name"]
        shown = [Trajectory(arm, prompt, 0) for prompt in options.prompts]
        print(contact_strip(run, shown, Path(__file__).parent / "quickstart-strips.png"))


if __name__ == "__main__":
    main()
