"""A report of a long run: what is on the page."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftloop.report import write_report
from driftloop.report.figures import repeats_figure
from driftloop.report.figures._chart import COLUMN, LEFT, RIGHT, WIDTH, Chart, telling
from driftloop.steps import Content, Recorded, Role, Trajectory
from driftloop.store import create_run


def long_run(folder: Path, rounds: int, prompts: int = 2) -> Path:
    """Texts that are rewritten again and again; the third is the first again."""
    rng = np.random.default_rng(0)
    words = [f"w{number}" for number in range(60)]
    with create_run(folder) as run:
        starts = [(f"p{n}", Content("text", f"start {n}"), "") for n in range(prompts)]
        run.begin(study="{}", digest="d", prompts=starts, environment={})
        run.add_player("f", "writer", "writer", None, {})
        for id, start, _ in starts:
            before, steps = start, []
            for round in range(1, rounds + 1):
                text = f"{round} {' '.join(rng.choice(words, 6))}"
                after = Content("text", "the first" if round in (1, 3) else text)
                steps.append(Recorded(round, Role.WRITER, "writer", "f", before, after))
                before = after
            run.record(Trajectory("one", id, 0), steps)
        run.end("finished")
    return folder


def test_a_page_says_where_rounds_share_a_pixel(tmp_path: Path) -> None:
    pages = [
        write_report(long_run(tmp_path / str(rounds), rounds), encoders=[], progress=False)
        for rounds in (300, 700)
    ]
    few, many = (page.read_text("utf-8") for page in pages)
    for note in ("have less room than a pixel each", "A cell is of several rounds here"):
        assert note in many
        assert note not in few


@given(st.lists(st.floats(0, 1), min_size=1, max_size=200), st.integers(1, 9))
def test_the_points_of_a_line_that_show_are_its_outline(values: list[float], each: int) -> None:
    columns = np.arange(len(values)) // each
    shown = telling(columns, np.array(values))
    assert shown == sorted(set(shown))
    for column in range(columns[-1] + 1):
        own = [at for at in range(len(values)) if columns[at] == column]
        kept = [at for at in shown if columns[at] == column]
        assert (kept[0], kept[-1]) == (own[0], own[-1])
        of_all, of_kept = ([values[at] for at in some] for some in (own, kept))
        assert (min(of_kept), max(of_kept)) == (min(of_all), max(of_all))
        assert len(kept) <= 4


@pytest.mark.parametrize("rounds", [20, 600])
def test_a_chart_with_room_for_every_round_draws_and_tells_every_one(rounds: int) -> None:
    chart = Chart((1, rounds), 1.0, "a chart")
    chart.line(1, np.random.default_rng(0).random(rounds).tolist(), "mean")
    svg = chart.svg(range(1, rounds + 1), lambda round: f"Round {round}!")
    (points,) = re.findall(r'<polyline class="mean" points="([^"]*)"', svg)
    assert len(points.split()) == svg.count("!") == rounds


def test_a_chart_of_many_rounds_is_no_larger_than_its_pixels() -> None:
    sizes = []
    for rounds in (20_000, 100_000):
        chart = Chart((1, rounds), 1.0, "a chart")
        values = np.random.default_rng(0).random(rounds).tolist()
        chart.band(1, [value / 2 for value in values], values, "ci")
        chart.line(1, values, "mean")
        svg = chart.svg(range(1, rounds + 1), lambda round: f"Round {round}!")
        assert svg.count("!") <= (WIDTH - LEFT - RIGHT) / COLUMN + 1
        sizes.append(len(svg))
    assert sizes[1] < 1.1 * sizes[0]


def test_a_row_of_repeats_shows_every_kind_and_has_no_rectangle_without_width() -> None:
    states = [f"new {at}" if at % 500 else "again" for at in range(20_000)]
    svg = repeats_figure([("a prompt", states)], rounds=len(states), label="repeats")
    found = re.findall(r'<rect class="(\w+)" x="[\d.]+" y="[\d.]+" width="([-\d.]+)"', svg)
    assert {kind for kind, _ in found} == {"new", "seen"}
    # The first of 40 is new, the others are each in a cell of their own.
    assert sum(kind == "seen" for kind, _ in found) == 39
    assert all(float(width) > 0 for _, width in found)
