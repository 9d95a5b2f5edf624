"""What a study does about captions that are longer than its generator reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from driftloop_toys.studies import toy_data

import driftloop
from driftloop.errors import StudyError
from driftloop.runners import cast_study
from driftloop.steps import Reading
from driftloop.store import open_run
from driftloop.study import Study, load_study

WORDY = " It is late. Nobody is at home."
"""Eleven words with a toy's own four; the window takes eight."""


def study(overlong: str, **changes: Any) -> Study:
    data = toy_data(overlong=overlong, rounds=3, prompts=["a ship at sea", "rain"], **changes)
    data["models"]["draw"]["window"] = 8
    data["models"]["look"]["says"] = WORDY
    data["models"]["wide"] = {**data["models"]["draw"], "window": 100}
    data["arms"].append({"name": "wide", "network": ["wide", "look"]})
    return load_study(data)


def steps(folder: Path, overlong: str, **changes: Any) -> list[dict[str, Any]]:
    driftloop.run(study(overlong, **changes), folder, progress=False).close()
    with open_run(folder) as run:
        return list(run.steps().to_pylist())


def drawn(rows: list[dict[str, Any]], arm: str) -> list[dict[str, Any]]:
    return [row for row in rows if row["role"] == "generator" and row["arm"] == arm]


def unread(rows: list[dict[str, Any]]) -> int:
    return sum(reading["cut"] for row in rows for reading in row["readings"])


def test_by_default_what_is_not_read_is_recorded(tmp_path: Path) -> None:
    rows = steps(tmp_path, "cut")
    later = [row for row in drawn(rows, "autonomous") if row["round"] > 1]
    assert later
    for row in later:
        assert row["readings"] == [Reading(8, 3, "is at home.")._asdict()]
        assert row["input_text"].endswith("is at home.")
    assert unread(drawn(rows, "wide")) == 0


def test_with_a_budget_all_is_read_and_each_generator_has_its_own(tmp_path: Path) -> None:
    rows = steps(tmp_path, "budget")
    assert unread(rows) == 0
    said = {row["model"]: row for row in rows if row["role"] == "captioner"}
    assert set(said) == {"look → draw", "look → wide"}
    assert said["look → draw"]["text"].endswith("It is late.")
    assert said["look → draw"]["cut_text"] == "Nobody is at home."
    assert said["look → draw"]["flags"] == ["shortened"]
    assert said["look → wide"]["text"].endswith("home.")
    with open_run(tmp_path) as run:
        limits = {row["model"]: row["details"]["limits"] for row in run.players()}
    assert [limits[f"look → {name}"]["budget"] for name in ("draw", "wide")] == [6, 75]


def test_as_an_error_the_step_fails_with_the_words(tmp_path: Path) -> None:
    rows = steps(tmp_path, "error")
    assert {row["round"] for row in drawn(rows, "autonomous")} == {1}
    assert {row["round"] for row in drawn(rows, "wide")} == {1, 2, 3}
    with open_run(tmp_path) as run:
        failures = run.failures()
    assert {(row["arm"], row["step"]) for row in failures} == {("autonomous", 2)}
    assert all("has 11 tokens and 8 are read" in row["reason"] for row in failures)
    assert all(row["reason"].endswith("is at home.") for row in failures)


def test_another_policy_is_another_study(tmp_path: Path) -> None:
    steps(tmp_path, "cut")
    with pytest.raises(StudyError, match='overlong is "budget", was "cut"'):
        driftloop.run(study("budget"), tmp_path, progress=False)


def test_a_generator_that_does_not_tell_is_refused_before_anything_is_loaded() -> None:
    data = toy_data(overlong="budget")
    data["models"]["draw"] = {"backend": "openai", "role": "generator", "path": "painter"}
    with pytest.raises(StudyError, match=r"mine\.toml: overlong: .*models\.draw\.backend"):
        cast_study(load_study(data), "mine.toml")
    with pytest.raises(StudyError, match=r"overlong: .*'cut', 'budget' or 'error'"):
        load_study(toy_data(overlong="ignore"))
