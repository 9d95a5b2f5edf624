"""A run: repeatable, resumable, extensible, and safe from the ones beside it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from driftloop_toys.studies import toy_data, toy_study
from PIL import Image

import driftloop
from driftloop.chains import import_chains
from driftloop.errors import ModelError, StoreError, StudyError
from driftloop.models import get_backend
from driftloop.report._gather import gather
from driftloop.runners import cast_study, default_folder, open_session
from driftloop.store import open_run, sole_player
from driftloop.study import load_study

VOLATILE = ["started", "seconds", "shared"]


def played(folder: Path) -> pa.Table:
    """What a run holds, but for what two equal runs may differ in."""
    with open_run(folder) as run:
        return run.steps().drop_columns(VOLATILE)


def play(study: Any, folder: Path) -> pa.Table:
    driftloop.run(study, folder, progress=False).close()
    return played(folder)


def test_twice_is_the_same(tmp_path: Path) -> None:
    one, other = play(toy_study(), tmp_path / "1"), play(toy_study(), tmp_path / "2")
    assert one.num_rows == cast_study(toy_study()).steps
    assert one.equals(other)


def test_twins_differ(tmp_path: Path) -> None:
    steps = play(toy_study(), tmp_path / "1").to_pandas()
    first = steps[steps["step"] == 0]
    assert first.groupby("prompt")["image"].nunique().eq(2).all()


def test_the_order_of_prompts_and_batches_does_not_matter(tmp_path: Path) -> None:
    data = toy_data()
    straight = play(load_study(data), tmp_path / "1")
    turned = play(load_study({**data, "prompts": data["prompts"][::-1]}), tmp_path / "2")
    assert straight.equals(turned)
    with open_session(load_study(data), tmp_path / "3") as session:
        dice = random.Random(4)
        while not session.scheduler.done:
            batch = session.ask(dice.choice(["draw", "look"]))
            if batch:
                session.tell(batch, session.play(batch))
    assert straight.equals(played(tmp_path / "3"))


def test_one_trajectory_alone_is_the_same(tmp_path: Path) -> None:
    data = toy_data()
    together = play(load_study(data), tmp_path / "1").to_pandas()
    alone = play(load_study({**data, "prompts": data["prompts"][2:3]}), tmp_path / "2").to_pandas()
    mine = together[together["prompt"] == alone["prompt"][0]].reset_index(drop=True)
    assert mine.astype(str).equals(alone.astype(str))


def test_extension_equals_one_go(tmp_path: Path) -> None:
    data = toy_data()
    arm = {"name": "other", "network": ["draw", "look"], "settings": {"look": {"variety": 3}}}
    larger = {**data, "rounds": 6, "twins": 3, "prompts": [*data["prompts"], "more"],
              "arms": [*data["arms"], arm]}  # fmt: skip
    play(load_study({**data, "rounds": 2, "twins": 1}), tmp_path / "1")
    play(load_study(data), tmp_path / "1")
    extended = play(load_study(larger), tmp_path / "1")
    assert extended.equals(play(load_study(larger), tmp_path / "2"))


def test_arms_that_agree_share_their_pictures(tmp_path: Path) -> None:
    arm = {"name": "twin arm", "network": ["draw", "look"]}
    study = toy_study(arms=[*toy_data()["arms"], arm])
    with driftloop.run(study, tmp_path / "1", progress=False) as run:
        steps = run.steps().to_pandas()
        calls = run._db.execute("SELECT count(*) FROM calls").fetchone()[0]
    assert calls == len(steps) / 2
    assert steps["shared"].sum() == len(steps) / 2


def test_an_arm_that_agrees_with_an_old_one_plays_nothing(tmp_path: Path) -> None:
    play(toy_study(), tmp_path / "1")
    arm = {"name": "late", "network": ["draw", "look"]}
    with open_session(toy_study(arms=[*toy_data()["arms"], arm]), tmp_path / "1") as session:
        assert session.ask() is None
        assert session.scheduler.done
    assert played(tmp_path / "1").num_rows == 2 * cast_study(toy_study()).steps


def test_two_names_of_one_model_stay_apart(tmp_path: Path) -> None:
    data = toy_data()
    data["models"]["again"] = data["models"]["look"]
    data["arms"].append({"name": "control", "network": ["draw", "again"]})
    with driftloop.run(load_study(data), tmp_path / "1", progress=False) as run:
        rows = run.steps().to_pandas()
        material = gather(run)
        assert run.batch_size("again") == run.batch_size("look") == 5
    assert set(rows[rows["arm"] == "control"]["model"]) == {"draw", "again"}
    assert set(rows[rows["arm"] == "autonomous"]["model"]) == {"draw", "look"}
    assert material.roles["again"] == "captioner"
    assert material.asked == len(rows)


def test_a_report_is_of_the_study_asked_for_last(tmp_path: Path) -> None:
    short, long = toy_study(title="short", rounds=2), toy_study(title="long")
    for study in (short, long, short):
        play(study, tmp_path / "1")
    with open_run(tmp_path / "1") as run:
        material = gather(run)
    assert (material.title, material.asked) == ("short", cast_study(short).steps)


def test_one_of_the_arms_of_a_run_goes_on_alone(tmp_path: Path) -> None:
    first = toy_data()["arms"]
    second = [{"name": "other", "network": ["draw", "look"]}]
    for arms in (first, [*first, *second], second):
        play(toy_study(arms=arms), tmp_path / "1")
    assert len(played(tmp_path / "1")) == 2 * cast_study(toy_study()).steps


def test_imported_chains_cannot_be_played_on(tmp_path: Path) -> None:
    (tmp_path / "chains.csv").write_text(
        "chain,round,image,text,captioner\nc,1,,one,look\n", encoding="utf-8"
    )
    import_chains(tmp_path / "chains.csv", tmp_path / "1")
    with pytest.raises(
        StudyError, match=r"it cannot be played on \(chains\.csv, imported\)\. More"
    ):
        open_session(toy_study(), tmp_path / "1")


def test_a_failure_is_a_row_and_is_retried(tmp_path: Path) -> None:
    data = toy_data()
    data["models"]["draw"]["fails_on"] = "nothing"
    with driftloop.run(load_study(data), tmp_path / "1", progress=False) as run:
        failures = run.failures()
        assert len(run) == cast_study(toy_study()).steps * 3 // 4
    assert [failure["reason"] for failure in failures] == ["RuntimeError: the toy broke"] * 2
    assert "Traceback" in failures[0]["trace"]
    # `fails_on` is no part of what the toy computes; mended, it goes on to the same end.
    with open_run(tmp_path / "1") as run:
        text = run.studies()[0]
        text["models"]["draw"].pop("fails_on")
        run._db.execute("DELETE FROM studies")
    mended = play(toy_study(), tmp_path / "1")
    assert mended.equals(play(toy_study(), tmp_path / "2"))
    with open_run(tmp_path / "1") as run:
        assert run.failures() == []
        assert len(run.failures(open_only=False)) == 2


def test_another_study_is_told_and_nothing_is_touched(tmp_path: Path) -> None:
    before = play(toy_study(), tmp_path / "1")
    with pytest.raises(StudyError, match=r"holds another study: seed is 4, was 3.*--out"):
        driftloop.run(toy_study(seed=4), tmp_path / "1", progress=False)
    assert before.equals(played(tmp_path / "1"))


def test_a_prompt_that_changed_is_told(tmp_path: Path) -> None:
    Image.new("RGB", (5, 5), "red").save(tmp_path / "a.png")
    data = toy_data(
        prompts=[{"id": "it", "image": str(tmp_path / "a.png")}],
        arms=[{"name": "backwards", "network": ["look", "draw"]}],
    )
    play(load_study(data), tmp_path / "1")
    (tmp_path / "a.png").rename(tmp_path / "b.png")
    data["prompts"][0]["image"] = str(tmp_path / "b.png")
    play(load_study({**data, "rounds": 5}), tmp_path / "1")
    Image.new("RGB", (5, 5), "blue").save(tmp_path / "b.png")
    with pytest.raises(StudyError, match="prompt 'it' has another content"):
        play(load_study(data), tmp_path / "1")


def test_what_decides_nothing_may_change_in_mid_run(tmp_path: Path) -> None:
    before = play(toy_study(), tmp_path / "1")
    data = toy_data(rounds=6)
    data["models"]["draw"]["device"] = ["toy:0", "toy:1"]
    data["arms"][0]["settings"] = {"look": {"device": "toy:1"}}
    after = play(load_study(data), tmp_path / "1")
    assert len(after) == len(before) * 6 // 4
    data["models"]["draw"]["variety"] = 2
    with pytest.raises(StudyError, match=r"models\.draw has other settings"):
        play(load_study(data), tmp_path / "1")


def test_one_picture_under_two_names_is_not_two_prompts(tmp_path: Path) -> None:
    for name in ("a.png", "b.bmp"):
        Image.new("RGB", (5, 5), "red").save(tmp_path / name)
    study = toy_study(
        prompts=[{"id": name[0], "image": str(tmp_path / name)} for name in ("a.png", "b.bmp")],
        arms=[{"name": "backwards", "network": ["look", "draw"]}],
    )
    with pytest.raises(StudyError, match="prompts 'a' and 'b' are the same image"):
        driftloop.run(study, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("title", "folder"),
    [("Long walks", "Long walks"), ("../../etc/x", "-..-etc-x"), ("/", "-"), ("", "study")],
)
def test_a_title_names_no_folder_but_its_own(title: str, folder: str) -> None:
    assert default_folder(toy_study(title=title)) == Path("runs") / folder


def test_changed_weights_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    play(toy_study(), tmp_path / "1")
    backend = type(get_backend("toy"))
    locate = backend.locate
    monkeypatch.setattr(backend, "locate", lambda *a: locate(*a)._replace(identity="retrained"))
    with pytest.raises(StudyError, match="model 'draw' are not those"):
        driftloop.run(toy_study(rounds=9), tmp_path / "1", progress=False)


def test_a_model_that_cannot_be_played_is_told(tmp_path: Path) -> None:
    data = toy_data()
    data["models"]["draw"]["fails_on"] = "prompt"  # as all of its own samples do
    with pytest.raises(ModelError, match=r"model 'draw' loads but cannot be played.*the toy broke"):
        open_session(load_study(data), tmp_path / "1")


def test_one_player_a_folder(tmp_path: Path) -> None:
    with (
        open_session(toy_study(), tmp_path / "1"),
        pytest.raises(StoreError, match="another process is playing"),
    ):
        open_session(toy_study(), tmp_path / "1")
    open_session(toy_study(), tmp_path / "1").close()


def test_what_another_process_played_before_it_left_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(toy_study(twins=1), tmp_path / "1")

    def late(folder: Path) -> Any:
        monkeypatch.undo()
        play(toy_study(), folder)
        return sole_player(folder)

    monkeypatch.setattr("driftloop.store._opening.sole_player", late)
    with open_session(toy_study(), tmp_path / "1") as session:
        assert session.ask() is None
        assert len(session.run.trajectories()) == session.study.trajectories


def test_a_session_that_cannot_start_lets_go_of_the_folder(tmp_path: Path) -> None:
    play(toy_study(), tmp_path / "1")
    with pytest.raises(StudyError):
        open_session(toy_study(seed=4), tmp_path / "1")
    open_session(toy_study(), tmp_path / "1").close()


def test_prompts_may_be_pictures(tmp_path: Path) -> None:
    Image.new("RGBA", (5, 5), (200, 30, 30, 255)).save(tmp_path / "red.png")
    study = toy_study(
        prompts=[{"image": str(tmp_path / "red.png")}],
        arms=[{"name": "backwards", "network": ["look", "draw"]}],
    )
    with driftloop.run(study, tmp_path / "1", progress=False) as run:
        first = run.steps().to_pylist()[0]
        assert run.image(first["input_image"]).getpixel((0, 0)) == (200, 30, 30)
        assert first["role"] == "captioner"
        assert len(run) == cast_study(study).steps
    (tmp_path / "red.png").write_text("no picture")
    with pytest.raises(StudyError, match="cannot be read as a picture"):
        open_session(study, tmp_path / "2")


def test_what_was_done_to_a_prompts_picture_is_kept_with_it(tmp_path: Path) -> None:
    Image.new("RGBA", (5, 5), (200, 30, 30, 0)).save(tmp_path / "clear.png")
    study = toy_study(
        prompts=[{"image": str(tmp_path / "clear.png")}],
        arms=[{"name": "backwards", "network": ["look", "draw"]}],
    )
    with driftloop.run(study, tmp_path / "1", progress=False) as run:
        (prompt,) = run.prompts()
        assert prompt["flags"] == ["laid on white"]
        assert run.image(prompt["value"]).getpixel((0, 0)) == (255, 255, 255)
    (tmp_path / "clear.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 5 5\n")
    with pytest.raises(StudyError, match=r"clear\.png cannot be read .* none of PNG"):
        open_session(study, tmp_path / "2")


def test_a_micro_batch_that_is_not_set_is_probed_and_kept(tmp_path: Path) -> None:
    data = toy_data()
    del data["models"]["draw"]["batch_size"]
    data["models"]["draw"]["delay"] = 0.01
    play(load_study(data), tmp_path / "1")
    with open_run(tmp_path / "1") as run:
        size = run.batch_size("draw")
    # A toy takes the same time for any number of inputs, so the largest is the best.
    assert size == 32
    assert played(tmp_path / "1").equals(play(load_study(data), tmp_path / "2"))


PLAYER = """
from driftloop_toys.studies import toy_data
from driftloop.runners import open_session, cast_study, drive
from driftloop.study import load_study
data = toy_data(rounds=400)
for model in data["models"].values():
    model["delay"] = 0.002
data["models"]["draw"]["device"] = ["cpu", "cpu"]
with open_session(load_study(data), {folder!r}) as session:
    print("playing", flush=True)
    drive(session, overlap="models")
print("finished", flush=True)
"""


@pytest.mark.timeout(240)
def test_killed_at_random_moments(tmp_path: Path, toy_environment: dict[str, str]) -> None:
    data = toy_data(rounds=400)
    for model in data["models"].values():
        model["delay"] = 0.002
    data["models"]["draw"]["device"] = ["cpu", "cpu"]
    driftloop.run(load_study(data), tmp_path / "whole", overlap="off", progress=False).close()
    expected = played(tmp_path / "whole")
    code = PLAYER.format(folder=str(tmp_path / "killed"))
    dice = random.Random(8)
    kills = progress = 0
    for _ in range(200):
        process = subprocess.Popen(
            [sys.executable, "-c", code], env=toy_environment, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        if dice.random() < 0.75:
            process.stdout.readline()
            time.sleep(dice.uniform(0.0, 0.12))
        else:
            time.sleep(dice.uniform(0.2, 1.0))
        process.kill()
        rest = process.stdout.read()
        process.wait()
        if "finished" in rest:
            break
        kills += process.returncode == -signal.SIGKILL
        # It opens after every kill, and what it holds is a part of the whole.
        if (tmp_path / "killed" / "driftloop.sqlite").exists():
            with open_run(tmp_path / "killed") as run:
                held = len(run)
            assert held >= progress
            progress = held
        # On a busy machine no step may be played before the first kills.
        if kills >= 24 and progress:
            break
    assert kills >= 20
    assert 0 < progress < expected.num_rows
    assert play(load_study(data), tmp_path / "killed").equals(expected)
    assert {f.kind for f in driftloop.examine(tmp_path / "killed")} <= {"orphan", "leftover"}


def wait_for_steps(folder: Path, count: int) -> None:
    """Wait until another process has played so many steps."""
    for _ in range(600):
        time.sleep(0.1)
        if (folder / "images").exists():
            with open_run(folder) as run:
                if len(run) >= count:
                    return
    raise AssertionError(f"{folder} has no {count} steps after a minute")


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_interrupt_stops_at_the_next_commit(
    tmp_path: Path, toy_environment: dict[str, str]
) -> None:
    study = tmp_path / "slow.toml"
    study.write_text(
        'rounds = 200\nprompts = ["a", "b"]\n'
        '[models.draw]\nbackend = "toy"\nrole = "generator"\ndelay = 0.05\nbatch_size = 2\n'
        '[models.look]\nbackend = "toy"\nrole = "captioner"\nbatch_size = 2\n'
        '[[arms]]\nname = "a"\nnetwork = ["draw", "look"]\n'
    )
    command = [
        sys.executable,
        "-m",
        "driftloop.cli",
        "run",
        str(study),
        "-o",
        str(tmp_path / "run"),
    ]
    process = subprocess.Popen(
        command, env=toy_environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_for_steps(tmp_path / "run", 10)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 130, (out, errors)
    assert "To go on: the same command again" in " ".join(errors.split())
    with open_run(tmp_path / "run") as run:
        assert 0 < len(run) < 800
        assert run.sessions()[-1]["outcome"] == "stopped"
    assert driftloop.examine(tmp_path / "run") == []
