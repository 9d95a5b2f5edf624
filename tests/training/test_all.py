"""Stages run once what they need is there, as many at a time as asked."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from training.all import STAGES, Stage, run


def test_every_need_is_a_stage_before() -> None:
    seen: set[str] = set()
    for stage in STAGES:
        assert set(stage.needs) <= seen, stage.command
        seen.add(stage.command)


def _noting(log: Path, seconds: float = 0.4, fails: str = "") -> object:
    """A way to start stages that note when they begin and end."""

    def command(stage: Stage) -> list[str]:
        code = (
            "import sys, time; out = open(sys.argv[1], 'a', buffering=1); name = sys.argv[2]\n"
            "out.write(f'begin {name}\\n'); time.sleep(float(sys.argv[3]))\n"
            "sys.exit(3) if name == sys.argv[4] else out.write(f'end {name}\\n')"
        )
        return [sys.executable, "-c", code, str(log), stage.command, str(seconds), fails]

    return command


def _most_at_once(lines: list[str]) -> int:
    running = most = 0
    for line in lines:
        running += 1 if line.startswith("begin") else -1
        most = max(most, running)
    return most


DIAMOND = (Stage("a"), Stage("b", ("a",)), Stage("c", ("a",)), Stage("d", ("b", "c")))


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_stages_wait_for_what_they_need(tmp_path: Path, jobs: int) -> None:
    log = tmp_path / "log"
    run(DIAMOND, _noting(log), jobs)
    lines = log.read_text().splitlines()
    for stage in DIAMOND:
        begun = lines.index(f"begin {stage.command}")
        assert all(lines.index(f"end {need}") < begun for need in stage.needs)
    assert _most_at_once(lines) == min(jobs, 2)


def test_what_is_not_asked_for_is_taken_as_done(tmp_path: Path) -> None:
    log = tmp_path / "log"
    run(DIAMOND[3:], _noting(log, 0.0), 1)
    assert log.read_text().splitlines() == ["begin d", "end d"]


def test_a_failure_ends_what_runs_beside_it(tmp_path: Path) -> None:
    stages = (Stage("good"), Stage("bad"), Stage("later", ("good",)))
    log = tmp_path / "log"
    slow = _noting(log, 30.0)
    quick = _noting(log, 0.5, fails="bad")
    began = time.monotonic()
    with pytest.raises(SystemExit, match=r"bad failed \(exit code 3\)"):
        run(stages, lambda stage: (quick if stage.command == "bad" else slow)(stage), 2)
    assert time.monotonic() - began < 20
    assert sorted(log.read_text().splitlines()) == ["begin bad", "begin good"]
