"""Arms with an opening, above all those that go on from picture to picture: no captioner."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from driftloop_toys.studies import without_captioner as data
from PIL import Image

import driftloop
from driftloop.errors import StudyError
from driftloop.runners import cast_study, make_plan, open_session
from driftloop.steps import Trajectory
from driftloop.store import open_run
from driftloop.study import load_study

VOLATILE = ["started", "seconds", "shared"]
ALONE = "alone [edit.variety=256]"


def played(folder: Path) -> pa.Table:
    with open_run(folder) as run:
        return run.steps().drop_columns(VOLATILE)


def play(study: dict[str, Any], folder: Path) -> pa.Table:
    driftloop.run(load_study(study), folder, progress=False).close()
    return played(folder)


def test_round_1_is_the_drawing_and_drawn_once(tmp_path: Path) -> None:
    steps = play(data(), tmp_path / "1").to_pandas()
    assert len(steps) == cast_study(load_study(data())).steps == 4 * 2 * (8 + 4 + 4)
    first = steps[steps["step"] == 0]
    assert set(first["role"]) == {"generator"}
    # Three arms, one call each prompt and twin.
    assert first.groupby(["prompt", "twin"])["call"].nunique().eq(1).all()
    assert first.groupby(["prompt", "twin"])["seed"].nunique().eq(1).all()
    with open_run(tmp_path / "1") as run:
        drawn = run._db.execute("SELECT count(*) FROM calls WHERE output_kind = 'image'").fetchone()
    assert drawn[0] == 4 * 2 * (4 + 3 + 3)
    alone = steps[steps["arm"] == ALONE]
    assert alone["text"].isna().all()
    assert (alone["round"] == alone["step"] + 1).all()
    assert (alone[alone["step"] > 0]["role"] == "editor").all()
    # Each is made of the one before.
    for _, one in alone.groupby(["prompt", "twin"]):
        assert one["input_image"].iloc[1:].tolist() == one["image"].iloc[:-1].tolist()


def test_the_arm_beside_it_is_what_it_is_without_it(tmp_path: Path) -> None:
    both = play(data(), tmp_path / "1").to_pylist()
    usual = play(data(arms=data()["arms"][:1]), tmp_path / "2").to_pylist()
    assert [row for row in both if row["arm"] == "autonomous"] == usual


def test_extension_equals_one_go(tmp_path: Path) -> None:
    play(data(arms=data()["arms"][:1], rounds=1), tmp_path / "1")
    play(data(rounds=3, twins=1), tmp_path / "1")
    extended = play(data(rounds=6), tmp_path / "1")
    assert extended.equals(play(data(rounds=6), tmp_path / "2"))
    with open_session(load_study(data(rounds=6)), tmp_path / "1") as session:
        assert session.ask() is None


def test_another_opening_is_another_arm(tmp_path: Path) -> None:
    study = data()
    study["models"]["paint"] = {**study["models"]["draw"], "variety": 5}
    before = play(study, tmp_path / "1")
    study["arms"][1]["opening"] = ["paint"]
    with pytest.raises(StudyError, match=r"arm 'alone \[.*has another opening, network or"):
        play(study, tmp_path / "1")
    assert before.equals(played(tmp_path / "1"))


def test_pictures_need_no_opening(tmp_path: Path) -> None:
    Image.new("RGBA", (5, 5), (200, 30, 30, 255)).save(tmp_path / "red.png")
    study = data(
        prompts=[{"image": str(tmp_path / "red.png")}],
        arms=[{"name": "alone", "network": ["edit"]}],
    )
    steps = play(study, tmp_path / "1").to_pylist()
    assert [(step["round"], step["role"]) for step in steps] == 2 * [
        (round, "editor") for round in (1, 2, 3, 4)
    ]
    with open_run(tmp_path / "1") as run:
        assert run.image(steps[0]["input_image"]).getpixel((0, 0)) == (200, 30, 30)


def test_an_editor_may_stand_between(tmp_path: Path) -> None:
    study = data(arms=[{"name": "retouched", "network": ["draw", "edit", "look"]}])
    steps = play(study, tmp_path / "1").to_pandas()
    one = steps[(steps["prompt"] == steps["prompt"][0]) & (steps["twin"] == 0)]
    assert one["round"].tolist() == [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]
    assert one["seed"].nunique() == len(one)
    with open_run(tmp_path / "1") as run:
        driftloop.write_report(run, progress=False)


def test_a_budget_is_the_next_generators(tmp_path: Path) -> None:
    study = data(overlong="budget")
    study["models"]["draw"]["window"] = 4
    study["arms"].append(
        {"name": "described", "opening": ["draw", "look"], "network": ["draw", "edit", "look"]}
    )
    casting = cast_study(load_study(study))
    assert casting.seats["look → draw"].reader == "draw"
    assert [place.player for place in casting.networks[ALONE].turns] == [
        "draw", "edit [variety=256]",
    ]  # fmt: skip
    assert play(study, tmp_path / "1").num_rows == casting.steps


def test_a_failure_stops_its_trajectory_and_tells_the_round(tmp_path: Path) -> None:
    steps = play(data(), tmp_path / "1").to_pylist()
    step = next(row for row in steps if row["arm"] == ALONE and row["step"] == 2)
    with open_run(tmp_path / "1") as run:
        inside = run.image(step["input_image"]).tobytes().hex()
    broken = data()
    broken["models"]["edit"]["fails_on"] = inside
    driftloop.run(load_study(broken), tmp_path / "2", progress=False).close()
    with open_run(tmp_path / "2") as run:
        failures = run.failures()
        failed = {Trajectory(f["arm"], f["prompt"], f["twin"]): f["round"] for f in failures}
    assert failed[Trajectory(ALONE, step["prompt"], step["twin"])] == 3


def test_a_plan_counts_and_goes_on(tmp_path: Path) -> None:
    study = load_study(data())
    plan = make_plan(study)
    calls = {row.seat: row.calls for row in plan.rows}
    each = 4 * 2
    assert calls == {
        "draw": each * (4 + 1 + 1), "look": each * 4,
        "edit [variety=256]": each * 3, "edit [variety=3]": each * 3,
    }  # fmt: skip
    assert {row.role for row in plan.rows} == {"generator", "captioner", "editor"}
    play(data(rounds=2), tmp_path / "1")
    again = make_plan(study, tmp_path / "1")
    assert again.steps_done == each * (4 + 2 + 2)
    # What was seen says how large a picture is.
    assert again.disk_bytes is not None
    assert plan.disk_bytes is None


def test_a_plan_takes_pictures_to_stay_as_large(tmp_path: Path) -> None:
    model = {"backend": "diffusers", "path": "bundled:postcard-sdxl", "steps": 4}
    study = data(
        models={
            "draw": {**model, "width": 64, "height": 64},
            "edit": {**model, "task": "image-to-image", "strength": 0.5},
        },
        arms=[{"name": "alone", "opening": ["draw"], "network": ["edit"]}],
    )
    pixels, steps = 4 * 2 * 4 * 64 * 64, 4 * 2 * 4
    assert make_plan(load_study(study)).disk_bytes == int(pixels * 1.5 + steps * 700)


PLAYER = """
from driftloop_toys.studies import without_captioner
from driftloop.runners import open_session, drive
from driftloop.study import load_study
data = without_captioner(rounds=150)
for model in data["models"].values():
    model["delay"] = 0.002
with open_session(load_study(data), {folder!r}) as session:
    print("playing", flush=True)
    drive(session, overlap="models")
print("finished", flush=True)
"""


@pytest.mark.timeout(240)
def test_killed_and_resumed_is_the_same(tmp_path: Path, toy_environment: dict[str, str]) -> None:
    study = data(rounds=150)
    for model in study["models"].values():
        model["delay"] = 0.002
    expected = play(study, tmp_path / "whole")
    code = PLAYER.format(folder=str(tmp_path / "killed"))
    dice, kills = random.Random(5), 0
    for _ in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", code], env=toy_environment, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(dice.uniform(0.05, 0.4))
        process.kill()
        finished = "finished" in process.stdout.read()
        process.wait()
        if finished:
            break
        kills += process.returncode == -signal.SIGKILL
    assert kills >= 2
    assert played(tmp_path / "killed").num_rows > 0
    assert play(study, tmp_path / "killed").equals(expected)
    assert {f.kind for f in driftloop.examine(tmp_path / "killed")} <= {"orphan", "leftover"}
