"""Stages run once what they need is there, as many at a time as asked."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from training.all import OBJECTS, STAGES, Stage, between, positive, run


def test_every_need_is_a_stage_before() -> None:
    seen: set[str] = set()
    for stage in STAGES:
        assert set(stage.needs) <= seen, stage.command
        seen.add(stage.command)


SCRIPT = """
import sys, time
from pathlib import Path
log, name, awaited, code = Path(sys.argv[1]), sys.argv[2], sys.argv[3].split(), int(sys.argv[4])
with log.open("a") as out:
    out.write(f"begin {name}\\n")
for other in awaited:
    while f"begin {other}\\n" not in log.read_text():
        time.sleep(0.01)
if not code:
    with log.open("a") as out:
        out.write(f"end {name}\\n")
sys.exit(code)
"""


def noting(
    log: Path, awaits: Mapping[str, str] = {}, fails: str = ""
) -> Callable[[Stage], list[str]]:
    """A way to start stages that note when they begin and end, some once others have begun."""

    def told(stage: Stage) -> list[str]:
        name = stage.command
        code = "3" if name == fails else "0"
        return [sys.executable, "-c", SCRIPT, str(log), name, awaits.get(name, ""), code]

    return told


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
    # Where two may run at once each waits for the other, and would wait for ever if they did not.
    run(DIAMOND, noting(log, {"b": "c", "c": "b"} if jobs > 1 else {}), jobs)
    lines = log.read_text().splitlines()
    for stage in DIAMOND:
        begun = lines.index(f"begin {stage.command}")
        assert all(lines.index(f"end {need}") < begun for need in stage.needs)
    assert _most_at_once(lines) == min(jobs, 2)


def test_what_is_not_asked_for_is_taken_as_done(tmp_path: Path) -> None:
    log = tmp_path / "log"
    run(DIAMOND[3:], noting(log), 1)
    assert log.read_text().splitlines() == ["begin d", "end d"]


def test_a_failure_ends_what_runs_beside_it(tmp_path: Path) -> None:
    stages = (Stage("good"), Stage("bad"), Stage("later", ("good",)))
    log = tmp_path / "log"
    told = noting(log, {"good": "never", "bad": "good"}, fails="bad")
    with pytest.raises(SystemExit, match=r"bad failed \(exit code 3\)"):
        run(stages, told, 2)
    assert sorted(log.read_text().splitlines()) == ["begin bad", "begin good"]


def test_to_begin_or_to_end_with_a_stage_is_about_what_it_needs() -> None:
    everything = [stage.command for stage in STAGES]
    assert [stage.command for stage in between(None, None)] == everything
    git = {stage.command for stage in between("train_git", None)}
    assert git.isdisjoint({"train_llava", "wordnet"})
    assert git >= {"train_git", OBJECTS, "export"}
    assert [stage.command for stage in between("evaluate", "evaluate")] == ["evaluate"]
    trained = {stage.command for stage in between(None, "train_turbo")}
    assert trained >= {stage.command for stage in STAGES if stage.minutes}
    assert trained.isdisjoint({"export", "evaluate", "contact_sheet"})


def test_no_stage_at_a_time_is_refused() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="not a number from 1 on"):
        positive("0")
