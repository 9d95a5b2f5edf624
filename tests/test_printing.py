"""Printing ends no run: consoles without the letters, closed, full, or left by their reader."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from driftloop_toys.studies import toy_data
from rich.table import Table
from rich.text import Text

from driftloop.printing import err, out, print_outcome
from driftloop.steps import Failure, Recorded, Role, Trajectory
from driftloop.store import create_run, open_run

HERE = [sys.executable, "-m", "driftloop"]


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study whose names are in letters that few consoles have."""
    data = toy_data(rounds=2)
    models = "".join(
        f"[models.{name}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in of.items())
        for name, of in data["models"].items()
    )
    arm = data["arms"][0]
    file = tmp_path / "研究→.toml"
    file.write_text(
        f'rounds = 2\nprompts = [{{ id = "灯台 → 🗼", text = "fail" }}, "a ship"]\n{models}'
        f"[[arms]]\nname = {json.dumps(arm['name'])}\nnetwork = {json.dumps(arm['network'])}\n",
        "utf-8",
    )
    return file


def call(
    *words: str | Path, encoding: str = "utf-8", redirect: str = "", env: dict[str, str]
) -> subprocess.CompletedProcess[bytes]:
    quoted = " ".join(f"'{word}'" for word in [*HERE, *words])
    return subprocess.run(
        ["sh", "-c", f"{quoted} {redirect}"],
        env={**env, "PYTHONIOENCODING": encoding}, capture_output=True, check=False, timeout=100,
    )  # fmt: skip


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1:strict", "utf-8"])
def test_a_console_without_the_letters_shows_their_numbers(
    encoding: str, study: Path, tmp_path: Path, toy_environment: dict[str, str]
) -> None:
    run = tmp_path / "läufe→"
    done = call("run", study, "-o", run, "--no-report", encoding=encoding, env=toy_environment)
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    said = done.stdout.decode(encoding.partition(":")[0])
    assert "steps in" in said
    assert ("→" in said) == (encoding == "utf-8")
    assert ("\\u2192" in said) == (encoding != "utf-8")
    plan = call("plan", study, "--json", encoding=encoding, env=toy_environment)
    assert json.loads(plan.stdout)["steps"] == 8


@pytest.mark.parametrize(
    ("redirect", "code"),
    [(">&-", 0), (">&- 2>&-", 0), (">/dev/full", 2), ("2>/dev/full", 0), ("| true", None)],
)
def test_a_run_is_played_whole_whatever_becomes_of_its_words(
    redirect: str, code: int | None, study: Path, tmp_path: Path, toy_environment: dict[str, str]
) -> None:
    run = tmp_path / "run"
    done = call("run", study, "-o", run, redirect=redirect, env=toy_environment)
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr
    assert code is None or done.returncode == code
    assert (b"the output is not written: No space left" in done.stderr) == (code == 2)
    with open_run(run) as opened:
        assert len(opened) == 8
    assert (run / "report.html").is_file()


def test_a_pipe_that_is_full_and_does_not_wait_is_waited_for(
    toy_environment: dict[str, str],
) -> None:
    """As the pipes of some programs are, which read when they have time."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    filled = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            filled += os.write(writing, b" " * 4096)
    process = subprocess.Popen([*HERE, "schema"], stdout=writing, env=toy_environment)
    os.close(writing)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=6)
    with open(reading, "rb") as pipe:
        said = pipe.read()
    assert process.wait(timeout=60) == 0
    assert "properties" in json.loads(said[filled:])


def test_control_characters_of_others_never_reach_a_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    bad = "a\x1b[31mred\x07\u202e\x9b2J"
    table = Table("name", box=None)
    table.add_row(bad)
    for console in (out, err):
        console.print(bad, soft_wrap=True)
        console.print(Text.assemble(("failed", "red"), f" {bad}\nnext"), soft_wrap=True)
        console.print(table)
    said = "".join(capsys.readouterr())
    assert not [letter for letter in said if not letter.isprintable() and letter != "\n"]
    assert said.count(r"a\x1b[31mred") == 6
    assert said.count("\nnext\n") == 2


def test_what_a_run_of_a_stranger_says_is_escaped(tmp_path: Path) -> None:
    failed = Recorded(1, Role.WRITER, "w\x1b[2J", "f", None, Failure("no\x1b]0;title\x07"))
    with create_run(tmp_path / "run") as run:
        run.begin(study="{}", digest="d", prompts=[], environment={})
        run.record(Trajectory("a\x1b[31m", "p", 0), [failed])
        with out.capture() as said, err.capture() as told:
            print_outcome(run)
    assert "\x1b" not in said.get() + told.get()
    assert r"no\x1b]0;title" in told.get()
