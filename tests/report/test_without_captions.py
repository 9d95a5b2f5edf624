"""A report where some arms have no captions: it says so, and compares what all of them have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from driftloop_toys.studies import without_captioner
from test_report import Page

import driftloop
from driftloop.report import write_report
from driftloop.report._assess import measure_drift, measure_repeats
from driftloop.report._charts import drift_blocks
from driftloop.report._choice import choose
from driftloop.report._conditions import make_factorial
from driftloop.report._factors import find_factors
from driftloop.report._gather import Material, gather, model_of
from driftloop.report._prose import say_missing
from driftloop.store import Run, open_run
from driftloop.study import load_study

ALONE = ["alone [edit.variety=256]", "alone [edit.variety=3]"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("report") / "run"
    driftloop.run(load_study(without_captioner(rounds=6)), folder, progress=False).close()
    with open_run(folder) as opened:
        yield opened


@pytest.fixture(scope="module")
def material(run: Run) -> Material:
    return gather(run)


def test_it_says_which_arms_have_no_captions(run: Run, tmp_path: Path) -> None:
    page = Page(write_report(run, tmp_path / "report.html").read_text("utf-8"))
    assert (
        "The arms alone [edit.variety=256] and alone [edit.variety=3] have no captions: whatever "
        "is measured on captions leaves them out." in page.seen
    )
    assert "in three arms, two of them without captions" in page.seen
    assert page.seen.count("Edited by edit [variety=256]") > 0
    assert "not described" not in page.seen
    assert "not complete" not in page.seen


def test_the_steps_that_were_asked_for_are_those_played(material: Material) -> None:
    assert material.asked == len(material.steps) == 4 * 2 * (12 + 6 + 6)


def test_pictures_measure_all_arms_and_captions_those_that_have_them(
    run: Run, material: Material
) -> None:
    assert material.kinds_of == {
        "autonomous": {"text", "image"}, ALONE[0]: {"image"}, ALONE[1]: {"image"},
    }  # fmt: skip
    factors = find_factors(material)
    drifts = measure_drift(run, material, choose(material.tracks), factors, lambda *_: None)
    by_kind = {drift.kind: drift for drift in drifts}
    assert list(by_kind["text"].arms) == list(by_kind["text"].endings) == ["autonomous"]
    assert list(by_kind["image"].arms) == list(by_kind["image"].endings) == material.arms
    assert by_kind["image"].parts is not None
    table = make_factorial(material, factors, [(d.family, d.title, d.cells) for d in drifts], {})
    assert table is not None
    assert len(table.rows) == 3
    assert table.seen == by_kind["image"].title
    # An arm has one colour in all charts.
    blocks = {block.encoder: block for block in drift_blocks(material, drifts)}
    assert [name for name, _ in blocks[by_kind["image"].encoder].arms] == material.arms
    repeats = {(found.arm, found.kind) for found in measure_repeats(material)}
    assert repeats == {
        ("autonomous", "text"), ("autonomous", "image"), (ALONE[0], "image"), (ALONE[1], "image"),
    }  # fmt: skip


def test_arms_differ_in_who_plays_after_the_opening(material: Material) -> None:
    found = find_factors(material)
    assert found.names[:2] == ["captioner", "editor"]
    assert found.levels["autonomous"]["editor"] == "none"
    assert {found.levels[arm]["captioner"] for arm in ALONE} == {"none"}
    levels = [found.levels[arm]["variety"] for arm in material.arms]
    assert levels == ["none", "256", "3"]


def test_nothing_is_said_where_all_arms_have_both(tmp_path: Path) -> None:
    study = without_captioner(rounds=2)
    study["arms"] = study["arms"][:1]
    with driftloop.run(load_study(study), tmp_path / "run", progress=False) as run:
        assert say_missing(gather(run)) == ""


def test_a_players_model_is_known_by_its_name() -> None:
    names = ["edit", "edit [variety=3]", "look → draw", "look [x=1] → draw [y=2]"]
    assert [model_of(name) for name in names] == ["edit", "edit", "look", "look"]
