"""What the README shows is run."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from driftloop_toys.studies import toy_study
from typer.testing import CliRunner

import driftloop
from driftloop.cli import app
from driftloop.runners import cast_study
from driftloop.store import open_run
from driftloop.study import Study, shipped_studies

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_study_is_well_formed() -> None:
    text, more = blocks("toml")
    for whole, arms in ((text, 3), (f"{text}\n{more}", 4)):
        data = tomllib.loads(whole)
        data["prompts"] = ["a ship"]
        assert len(Study.model_validate(data).expanded_arms()) == arms


@pytest.mark.parametrize("number", range(2))
def test_the_code_runs(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it stands, but for the study: toys instead of minutes of pictures."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("driftloop.runners._opening.load_study", lambda _: toy_study())
    code = blocks("python")[number]
    assert len([line for line in code.splitlines() if line]) <= 10
    exec(compile(code, "README.md", "exec"), {})
    with open_run("runs/mine") as run:
        assert len(run) == cast_study(toy_study()).steps


def test_the_world_answers_as_the_readme_says(capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(blocks("python")[2], "README.md", "exec"), {})
    told, refilled = capsys.readouterr().out.strip().splitlines()
    assert "Score(" in told
    ground = eval(refilled)
    assert max(ground, key=ground.get) == "sea"


def test_every_command_is_there() -> None:
    named = set(re.findall(r"^\| `driftloop (\w+)", README, flags=re.MULTILINE))
    assert named == {
        command.name or command.callback.__name__ for command in app.registered_commands
    }
    assert (
        CliRunner().invoke(app, ["--version"]).output.strip()
        == f"driftloop {driftloop.__version__}"
    )


def test_every_study_that_ships_is_listed() -> None:
    table = README.partition("## The studies that ship")[2].partition("## Install")[0]
    assert set(re.findall(r"^\| `([a-z-]+)`", table, flags=re.MULTILINE)) == set(shipped_studies())


def test_links_and_pictures_are_there() -> None:
    root = Path(__file__).parents[1]
    targets = [t for t in re.findall(r"\]\(([^)#]+)\)", README) if not t.startswith("http")]
    assert targets
    assert [target for target in targets if not (root / target).exists()] == []
