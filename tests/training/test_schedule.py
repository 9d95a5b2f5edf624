"""A stretch of training goes on where it was stopped, and says on what it was trained."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from training import common, schedule
from training.muon import Both
from training.record import history
from training.schedule import Schedule, trained


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(common, "RUNS", tmp_path)
    return tmp_path


def stretch(path: Path, minutes: float, batch: int = 4) -> tuple[torch.nn.Module, Schedule]:
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2)
    made = Schedule(path, model, Both(model, 0.1, ()), minutes=minutes, rate=0.1, batch=batch)
    return model, made


def play(model: torch.nn.Module, going: Schedule) -> list[float]:
    seen = []
    for share in going:
        seen.append(share)
        going.descend(model(torch.ones(4, 3)).square().mean())
        time.sleep(0.002)
    return seen


def test_it_goes_on_from_its_weights_and_its_share(runs: Path) -> None:
    path = runs / "a.pt"
    model, going = stretch(path, 0.005)
    assert play(model, going)[-1] < 1
    first = trained(path)
    again, longer = stretch(path, 0.01)
    assert torch.equal(again.weight, first["model"]["weight"])
    assert torch.equal(longer.average.weights["weight"], first["average"]["weight"])
    seen = play(again, longer)
    assert seen[0] == pytest.approx(0.5, abs=0.1)
    last = trained(path)
    assert last["step"] == first["step"] + len(seen)
    # The average has gone on with the weights that are trained now.
    assert last["average"]["weight"].abs().sum() < first["average"]["weight"].abs().sum()
    assert [s.steps for s in history(last)] == [last["step"]]


def test_what_is_done_is_left_as_it_is(runs: Path) -> None:
    path = runs / "a.pt"
    play(*stretch(path, 0.003))
    before = path.read_bytes()
    assert play(*stretch(path, 0.001, batch=8)) == []
    assert path.read_bytes() == before
    assert history(trained(path))[-1].batch == 4


@pytest.mark.parametrize("change", ["batch", "device"])
def test_minutes_of_another_device_are_not_gone_on_with(
    runs: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    path = runs / "a.pt"
    play(*stretch(path, 0.002))
    if change == "device":
        monkeypatch.setattr(schedule, "DEVICE", torch.device("cuda"))
    with pytest.raises(SystemExit, match=r"a\.pt was trained on .* CPU with batches of 4"):
        stretch(path, 1.0, batch=8 if change == "batch" else 4)


SCRIPT = """
import random, sys, time
from pathlib import Path
import torch
from training.muon import Both
from training.schedule import Schedule
from training.stream import stream

def slow(rng):
    time.sleep(0.05)
    return torch.ones(4, 3)

if __name__ == "__main__":
    model = torch.nn.Linear(3, 2)
    going = Schedule(Path(sys.argv[1]), model, Both(model, 0.1, ()), minutes=5, rate=0.1, batch=4)
    batches = stream(slow, 0, 2)
    for share in going:
        going.descend(model(next(batches)).square().mean())
        print("step", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_saves_though_it_reaches_the_workers_too(runs: Path, number: int) -> None:
    script, path = runs / "script.py", runs / "a.pt"
    script.write_text(SCRIPT)
    env = {**os.environ, "TRAINING_RUNS": str(runs), "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, script, path],
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
        env=env,
    ) as process:
        assert process.stdout is not None
        for _ in range(3):
            assert process.stdout.readline() == "step\n"
        if number == signal.SIGINT:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        process.stdout.read()
        assert process.wait(timeout=60) == 128 + number
    assert trained(path)["step"] >= 3
