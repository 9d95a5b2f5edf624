"""Where numbers go, in the report: the length of captions, and how many objects they name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from test_report import Page
from worlds import make_run

from driftloop.report import write_report
from driftloop.report._gather import Material, Start, Track
from driftloop.report._pulls import measure_pulls, pull_rows, say_pull
from driftloop.steps import Trajectory

LENGTHS = (2, 5, 9, 14, 20, 27, 33, 40)


def told(prompts: Sequence[str], captions: Sequence[Sequence[str]]) -> Material:
    """A run of texts, a trajectory a prompt."""
    starts = {f"p{n}": Start(f"p{n}", "text", text, "") for n, text in enumerate(prompts)}
    tracks = [
        Track(Trajectory("one", id, 0), range(0), (None,) * len(row), tuple(row))
        for id, row in zip(starts, captions, strict=True)
    ]
    return Material("", [], starts, ["one"], tracks, pa.table({}), [], [], [], None)


def words(count: float) -> str:
    return " ".join(["word"] * round(count))


def test_texts_of_any_length_that_end_near_one_length_are_pulled() -> None:
    captions = [[words(n), words(18 + (n % 3) - 1)] for n in LENGTHS]
    prompt, first = measure_pulls(told([words(n) for n in LENGTHS], captions), "one", False)
    for pull in (prompt, first):
        assert pull.unit == "words"
        assert pull.found.position.low < 18 < pull.found.position.high
        assert pull.strength.value > 0.9
    assert say_pull(prompt, "text").startswith(
        "Prompts that have any number of words end in texts of about 18."
    )
    assert "Texts that in round 1 have any number of words end in" in say_pull(first, "text")


def test_half_a_pull_has_its_place_and_its_strength() -> None:
    captions = [[words(n), words(10 + 0.5 * n)] for n in LENGTHS]
    pull = measure_pulls(told([words(n) for n in LENGTHS], captions), "one", False)[0]
    assert pull.found.position.value == pytest.approx(20, abs=1)
    assert pull.strength.value == pytest.approx(0.5, abs=0.05)
    assert pull.strength.low <= pull.strength.value <= pull.strength.high


def test_no_pull_is_claimed_where_lengths_are_kept() -> None:
    rng = np.random.default_rng(0)
    captions = [[words(n), words(max(1, n + rng.integers(-2, 3)))] for n in LENGTHS]
    pull = measure_pulls(told([words(n) for n in LENGTHS], captions), "one", False)[0]
    assert say_pull(pull, "text").startswith("No pull of words is shown")


def test_noise_is_not_called_a_pull() -> None:
    rng = np.random.default_rng(1)
    captions = [
        [words(n), words(m)] for n, m in zip(LENGTHS, rng.permutation(LENGTHS) * 1.3, strict=True)
    ]
    pull = measure_pulls(told([words(n) for n in LENGTHS], captions), "one", False)[0]
    assert "cannot be told" in say_pull(pull, "text") or "may be noise" in say_pull(pull, "text")


def test_where_all_began_alike_it_says_so() -> None:
    captions = [[words(n), words(9)] for n in LENGTHS]
    pull = measure_pulls(told(["two words"] * len(LENGTHS), captions), "one", False)[0]
    assert say_pull(pull, "text").endswith("is not known: all began with 2 words.")


def test_objects_are_counted_where_the_parser_knows_the_world() -> None:
    prompts = ["A whale.", "A whale and a fox.", "A whale, a fox and a church."]
    prompts += ["A cat and an owl.", "A ship, a whale, a fox and a kite.", "A bus."]
    rows = [[prompt, "A whale and a fox by the sea."] for prompt in prompts]
    material = told(prompts, rows)
    assert {pull.unit for pull in measure_pulls(material, "one", True)} == {"words", "objects"}
    objects = next(p for p in measure_pulls(material, "one", True) if p.unit == "objects")
    assert objects.first.tolist() == [1, 2, 3, 2, 4, 1]
    assert objects.last.tolist() == [2] * 6
    assert "end in texts that name about 2.0" in say_pull(objects, "text")
    assert all(row.svg.count("<circle") == 6 for row in pull_rows(material, True))


def test_the_report_has_them_with_a_chart(tmp_path: Path) -> None:
    prompts = [words(n) for n in LENGTHS]
    with make_run(
        tmp_path / "run", prompts=prompts, rounds=3, write=lambda rng, p, r: words(12 + r % 2)
    ) as run:
        page = Page(write_report(run).read_text("utf-8"))
    assert "Prompts that have any number of words end in captions of about 13.0" in page.seen
    assert "Whether they are pulled there from round 1 is not known" in page.seen
