"""The command line: what it prints, what it exits with, and what it leaves alone."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from rich.text import Text
from test_study import BASE, MALFORMED
from typer.testing import CliRunner

from driftloop.cli import app, main
from driftloop.report._choice import MOST_PICTURES
from driftloop.store import open_run
from driftloop.study import shipped_studies

runner = CliRunner()


def call(*words: str | Path, code: int = 0) -> str:
    """Run a command in this process, as ``main`` would; what it printed, both streams."""
    from driftloop.errors import DriftloopError

    result = runner.invoke(app, [str(word) for word in words])
    if isinstance(result.exception, DriftloopError):
        assert result.exception.exit_code == code
        return str(result.exception)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def study(tmp_path: Path) -> Path:
    file = tmp_path / "mine.toml"
    file.write_text(BASE, "utf-8")
    return file


def test_run_plan_doctor_schema(study: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    plan = json.loads(call("plan", study, "--json"))
    assert (plan["steps"], plan["steps_done"]) == (6, 0)
    assert "time on this machine: not known" in call("plan", study)
    assert "6 steps" in call("run", study, "--out", folder, "--no-report")
    assert json.loads(call("plan", study, "--out", folder, "--json"))["steps_done"] == 6
    assert "sound: 6 steps" in call("doctor", folder)
    assert json.loads(call("schema"))["title"] == "Study"
    next((folder / "images").glob("*/*.png")).unlink()
    assert "to mend" in call("doctor", folder, code=1)
    assert "mended" in call("doctor", folder, "--repair")
    call("run", study, "--out", folder, "--no-report")
    assert "sound" in call("doctor", folder)


def test_failures_are_told_and_are_exit_code_1(study: Path, tmp_path: Path) -> None:
    text = BASE.replace('role = "generator"', 'role = "generator"\nfails_on = "ship"')
    study.write_text(text, "utf-8")
    said = call("run", study, "--out", tmp_path / "run", "--no-report", code=1)
    assert "RuntimeError: the toy broke" in said
    assert "the same command retries" in said


def test_check_finds_out_about_a_model() -> None:
    text = call("check", "toy", "--backend", "toy", "--set", "role=captioner")
    for part in ("captioner", "bit-exact", "seconds a sample", "example"):
        assert part in text
    assert "Did you mean 'variety'" in call(
        "check", "toy", "--backend", "toy", "--set", "varity=3", code=2
    )
    assert "no backend 'tory'" in call("check", "toy", "--backend", "tory", code=2)
    assert "no model at './nowhere'" in call("check", "./nowhere", code=2)


def test_check_times_what_fits_and_no_more() -> None:
    text = call("check", "toy", "--backend", "toy", "--set", "memory=3", "--json")
    found = json.loads(text)
    assert found["batch_size"] <= 2
    assert {int(size) for size in found["seconds"]} == {1, 2}
    told = call("check", "toy", "--backend", "toy", "--set", "memory=0", code=2)
    assert "it loads but cannot be played: no memory for 1 inputs" in " ".join(told.split())


@pytest.mark.parametrize("pair", ["path=toy", "backend=toy"])
def test_check_is_told_its_model_once(pair: str) -> None:
    assert f"--set {pair}" in call("check", "toy", "--backend", "toy", "--set", pair, code=2)


def test_a_plan_goes_on_without_the_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    told = " ".join(call("plan", "elevator-music").split())
    assert "700 trajectories × 100 rounds = 140,000 steps" in told
    assert "not checked, since the hub cannot be reached: llava-hf/llava-1.5-7b-hf" in told
    told = call("run", "elevator-music", "--out", tmp_path / "run", code=2)
    assert "forbids fetching it" in told
    assert not (tmp_path / "run").exists()


def test_a_model_that_was_checked_can_be_planned(study: Path) -> None:
    call("check", "toy", "--backend", "toy", "--set", "role=generator")
    call("check", "toy", "--backend", "toy", "--set", "role=captioner")
    assert "on this machine" in call("plan", study)


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_studies_leave_a_run_alone(name: str, study: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    call("run", study, "--out", folder, "--no-report")
    before = sorted((p, p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file())
    old, new, _ = MALFORMED[name]
    study.write_text(BASE.replace(old, new, 1), "utf-8")
    for command in ("run", "plan"):
        extra = ["--no-report"] if command == "run" else []
        call(command, study, "--out", folder, *extra, code=2)
    assert before == sorted((p, p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file())


def test_a_folder_that_cannot_be_used(study: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    assert "cannot be made a run folder" in call(
        "run", study, "--out", tmp_path / "file" / "x", code=2
    )
    assert "no run there" in call("report", tmp_path, code=2)
    assert "no run there" in call("doctor", tmp_path / "nowhere", code=2)
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "driftloop.sqlite").write_text("my diary, which is long enough")
    assert "not an SQLite file" in call("run", study, "--out", foreign, code=2)
    assert (foreign / "driftloop.sqlite").read_text() == "my diary, which is long enough"


@pytest.mark.skipif(sys.platform != "linux", reason="limits of a process")
def test_a_full_disk(study: Path, tmp_path: Path, toy_environment: dict[str, str]) -> None:
    """A real write error in the middle of a run: a limit on file sizes stands in for a disk."""
    study.write_text(BASE.replace("rounds = 3", "rounds = 400"), "utf-8")
    code = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
        f"sys.argv = ['driftloop', 'run', {str(study)!r}, '-o', {str(tmp_path / 'run')!r},"
        " '--no-report']\n"
        "from driftloop.cli import main\nmain()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=toy_environment, capture_output=True, text=True
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error ")
    assert "Traceback" not in done.stderr
    with open_run(tmp_path / "run") as run:
        held = len(run)
    assert 0 < held < 800
    call("run", study, "--out", tmp_path / "run", "--no-report")
    assert "sound: 800 steps" in call("doctor", tmp_path / "run")


def test_import_export(study: Path, tmp_path: Path) -> None:
    table = tmp_path / "chains.csv"
    table.write_text("who,n,said\na,0,cat\na,1,dog\n", "utf-8")
    words = ["import", table, "-o", tmp_path / "theirs", "-c", "trajectory=who", "-c", "text=said"]
    assert "name it with --column round=" in call(*words, code=2)
    assert "write it as KEY=VALUE" in call(*words, "-c", "n", code=2)
    words += ["-c", "round=n"]
    assert "count a 'round' or a 'step'" in call(*words, "--numbered", "turn", code=2)
    assert "1 trajectories, 1 rounds, 1 texts and 0 pictures" in call(*words)
    assert "nothing new" in call(*words)
    table.write_text("who,n,said\na,0,cat\na,x,dog\na,1,fox\n", "utf-8")
    said = call(*[*words[:3], tmp_path / "damaged", *words[4:]], code=1)
    assert "kept out row: chains.csv, line 3: the round is not a whole number" in said
    assert "import-rejected.csv" in said
    call("run", study, "--out", tmp_path / "run", "--no-report")
    assert "t.parquet" in call("export", tmp_path / "run", "--to", tmp_path / "t.parquet")
    assert "x.gif" in call("export", tmp_path / "run", "--to", tmp_path / "x.gif", "-t", "0")
    call("import", tmp_path / "t.parquet", "-o", tmp_path / "back")
    assert "sound: 6 steps" in call("doctor", tmp_path / "back")
    assert "holds a run that was played" in call("import", table, "-o", tmp_path / "run", code=2)


def test_errors_are_one_line_and_exit_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["driftloop", "run", "quikstart"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error quikstart: no such file. Did you mean 'quickstart'?")


COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_all_that_was_written(name: str) -> None:
    """Rich reads what stands in square brackets as markup, and shows nothing of it."""
    assert "Usage" in call(name, "--help")
    command = COMMANDS[name]
    written = [command.help, *(param.help for param in command.params)]
    assert [text for text in written if text and Text.from_markup(text).plain != text] == []


def test_help_tells_defaults_that_are_worked_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert "[default: (runs/STUDY)]" in call("run", "--help")
    told = call("report", "--help")
    for default in ("RUN/report.html", "those that ship", str(MOST_PICTURES)):
        assert f"[default: ({default})]" in told


def test_help_names_every_study_that_ships() -> None:
    (study,) = (param for param in COMMANDS["run"].params if param.name == "study")
    named = re.findall(r"[a-z]+(?:-[a-z]+)*", study.help.partition("ships:")[2])
    assert set(shipped_studies()) <= set(named)


def test_the_package_is_the_command_too() -> None:
    call = [sys.executable, "-m", "driftloop", "--help"]
    assert "driftloop" in subprocess.run(call, check=True, capture_output=True, text=True).stdout
