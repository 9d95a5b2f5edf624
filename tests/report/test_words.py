"""Words fit what there is: texts alone, pictures alone, and runs of which little is known."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_report import Page
from worlds import make_run

from driftloop.chains import import_chains
from driftloop.measures import Curve
from driftloop.report import write_report
from driftloop.report.figures import EndingLine, Line, drift_figure, ending_figure


def chains(folder: Path, kind: str) -> Page:
    """Import five chains of six rounds, two twins each, and report them."""
    with (folder / "chains.csv").open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["prompt_id", "twin", "round", "text" if kind == "text" else "image"])
        for chain in range(5):
            for twin in range(2):
                for round in range(6):
                    value = f"text {chain} of {twin if round else 0} in {round}"
                    if kind == "image":
                        value = f"{chain}-{twin}-{round}.png"
                        colour = (40 * chain, 90 * twin, 30 * round)
                        Image.new("RGB", (12, 12), colour).save(folder / value)
                    table.writerow([f"p{chain}", twin, round, value])
    import_chains(folder / "chains.csv", folder / "run", progress=False)
    return Page(write_report(folder / "run").read_text("utf-8"))


@pytest.mark.parametrize("kind", ["text", "image"])
def test_chains_of_one_kind_have_no_words_of_the_other(tmp_path: Path, kind: str) -> None:
    page = chains(tmp_path, kind)
    # What tells the two kinds apart is told where both are, and names of sections stay.
    told = re.sub(r"no pictures|pictures alone|Where does it go", "", page.seen)
    other = ("picture", "caption") if kind == "text" else ("caption",)
    assert [word for word in other if word in told.lower()] == []
    assert "different random numbers" not in page.seen
    assert "twins trajectories of the same prompt with other" not in page.seen
    assert "same prompt played again" in page.seen


def test_twins_whose_seeds_are_known_have_other_random_numbers(tmp_path: Path) -> None:
    with make_run(tmp_path / "run", rounds=3) as run:
        page = Page(write_report(run).read_text("utf-8"))
    assert "two times each with different random numbers" in page.seen
    assert "same prompt with other random numbers" in page.seen


def test_an_empty_chart_says_why_it_is_empty() -> None:

    nothing = np.full(4, np.nan)
    curve = Curve(*(nothing,) * 6, np.zeros(4, np.int64), np.zeros(4, np.int64))
    level = EndingLine("one", curve, level=0.1)
    svg = ending_figure([level], label="", rounds=4, top=1.0, empty="All is too wide.")
    assert "All is too wide." in svg
    svg = drift_figure([Line("one", curve)], first=1, label="", axis=(1, 4), top=1.0)
    assert "no round has a value" in svg
    some = curve._replace(mean=np.ones(4))
    assert "Nothing" not in ending_figure([EndingLine("one", some)], label="", rounds=4, top=1.0)
