"""Rules and players of a user's own, as docs/interventions.md shows them."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import driftloop
from driftloop.cli import app
from driftloop.encoders import _registry as encoders
from driftloop.encoders import get_encoder
from driftloop.errors import DriftloopError, ModelError, StudyError
from driftloop.interventions.anchor import Anchor, AnchorSettings
from driftloop.models import Player, _registry, get_backend, load_player
from driftloop.steps import Output, Role
from driftloop.study import load_study

DOCS = (Path(__file__).parents[2] / "docs" / "interventions.md").read_text("utf-8")


def block(name: str) -> str:
    found = re.search(rf"<!-- (?:file|test): {name} -->\n```\w+\n(.*?)```", DOCS, flags=re.DOTALL)
    assert found
    return found[1]


@pytest.fixture(autouse=True)
def forgets(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test includes is known in it alone."""
    monkeypatch.setattr(_registry, "_added", {})
    monkeypatch.setattr(encoders, "_added", {})
    before = {*sys.modules}
    yield
    for name in {*sys.modules} - before:
        if name.startswith("driftloop_included") or name == "my_captioner":
            del sys.modules[name]


def test_the_rule_of_the_docs_plays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code = block("my_rule.py")
    assert len([line for line in code.splitlines() if line.strip()]) <= 20
    Path("my_rule.py").write_text(code, "utf-8")
    Path("study.toml").write_text(block("study.toml"), "utf-8")
    with pytest.raises(StudyError, match=r"models.echo.backend: no backend 'Echo'"):
        driftloop.run("study.toml", "run", progress=False)
    assert driftloop.include("my_rule.py") == ["EchoSettings", "Echo"][1:]
    run = driftloop.run("study.toml", "run", progress=False)
    acted = [row for row in run.steps().to_pylist() if row["slot"] == "echo"]
    assert {row["round"] for row in acted} == {2, 4}
    ends = {"lighthouse lantern", "glacier eagle", "violin trumpet"}
    assert {row["flags"][0] for row in acted} == {f"put in front: {end}" for end in ends}


def test_a_run_does_not_go_on_with_a_rule_that_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my_rule.py").write_text(block("my_rule.py"), "utf-8")
    Path("study.toml").write_text(block("study.toml"), "utf-8")
    driftloop.include("my_rule.py")
    driftloop.run("study.toml", "run", progress=False).close()
    changed = block("my_rule.py").replace(
        "class Echo(Rule):", 'class Echo(Rule):\n    version = "2"'
    )
    Path("my_rule.py").write_text(changed, "utf-8")
    driftloop.include("my_rule.py")
    with pytest.raises(StudyError, match="model 'echo' are not those it was played with"):
        driftloop.run("study.toml", "run", progress=False)


def test_the_player_of_the_docs_plays_as_an_object_and_as_a_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    Path("my_captioner.py").write_text(block("my_captioner.py"), "utf-8")
    told: dict[str, Any] = {}
    exec(compile(block("own"), "docs", "exec"), told)
    captions = {row["text"] for row in told["run"].steps().to_pylist()} - {None}
    assert captions <= {"night", "day"}
    assert captions
    driftloop.include("my_captioner.py")
    study = told["study"].model_dump(exclude_unset=True)
    study["models"]["look"] = {"backend": "Brightness", "words": "night,day"}
    again = driftloop.run(driftloop.load_study(study), "again", progress=False)
    columns = ["prompt", "round", "text", "image", "seed"]
    assert again.steps().select(columns).equals(told["run"].steps().select(columns))


def study(**models: Any) -> driftloop.Study:
    draw = {"backend": "planted", "role": "generator"}
    return driftloop.load_study(
        {
            "rounds": 2, "prompts": ["harbour lighthouse"], "models": {"draw": draw, **models},
            "arms": [{"name": "own", "network": ["draw", "look"]}],
        }
    )  # fmt: skip


class Parrot(Player):
    role = Role.CAPTIONER
    batch_size = 2

    def __init__(self, says: str = "a parrot") -> None:
        self.says = says

    @property
    def fingerprint(self) -> str:
        return f"parrot {self.says} {self.batch_size}"

    def resized(self, batch_size: int) -> Parrot:
        other = Parrot(self.says)
        other.batch_size = batch_size
        return other

    def play(self, inputs: Any, seeds: Any) -> list[Any]:
        return [Output(self.says) for _ in inputs]


OWN = {"backend": "own"}
MISTAKES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "none handed over": (OWN, {}, "models.look: backend 'own' is a player of yours"),
    "another name": (OWN, {"lok": Parrot()}, r"models.lok: .* no such model. Did you mean 'look'"),
    "instead of another": (
        {"backend": "planted", "role": "captioner"}, {"look": Parrot()},
        "models.look.backend is 'planted', and a player is handed over for it",
    ),
    "a class": (OWN, {"look": Parrot}, "Parrot is a class, and an instance of it is a player"),
    "no player": (OWN, {"look": "parrot"}, "models.look: .*str is no player"),
    "settings": (
        {**OWN, "says": "hello"}, {"look": Parrot()}, "models.look: 'says' is a setting",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_is_handed_over_wrongly_is_told(tmp_path: Path, mistake: str) -> None:
    spec, players, message = MISTAKES[mistake]
    with pytest.raises(StudyError, match=message):
        driftloop.run(study(look=spec), tmp_path / "run", players=players, progress=False)


def test_a_run_does_not_go_on_with_another_object(tmp_path: Path) -> None:
    todo = study(look=OWN)
    first = driftloop.run(todo, tmp_path / "run", players={"look": Parrot()}, progress=False)
    assert {row["text"] for row in first.steps().to_pylist()} == {None, "a parrot"}
    first.close()
    with pytest.raises(StudyError, match="not those it was played with"):
        driftloop.run(todo, tmp_path / "run", players={"look": Parrot("a cat")}, progress=False)


FILES = {
    "no file": (None, "no such file"),
    "nothing in it": ("x = 1\n", "it defines no class that inherits"),
    "broken": ("def x(:\n", "cannot be run: SyntaxError"),
    "raises": ("raise RuntimeError('no')\n", "cannot be run: RuntimeError: no"),
    "imported names only": ("from driftloop.models import Player\n", "it defines no class"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_cannot_be_included_is_told(tmp_path: Path, name: str) -> None:
    code, message = FILES[name]
    file = tmp_path / "mine.py"
    if code is not None:
        file.write_text(code, "utf-8")
    with pytest.raises(StudyError, match=message):
        driftloop.include(file)


def test_a_name_that_is_installed_is_not_taken_over(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from driftloop.interventions import Rule\n"
        "class anchor(Rule):\n    def answer(self, given, random):\n        return given.text\n"
    )
    with pytest.raises(ModelError, match="'anchor' is installed already"):
        driftloop.include(file)
    assert get_backend("anchor").settings.__name__ == "AnchorSettings"


def test_a_class_that_is_called_otherwise_is_told(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(block("my_captioner.py"), "utf-8")
    driftloop.include(file)
    with pytest.raises(ModelError, match=r"Brightness\(.*\) is called with .*\(loud\)"):
        driftloop.run(
            study(look={"backend": "Brightness", "loud": 1}), tmp_path / "run", progress=False
        )


def test_an_encoder_of_a_file_measures(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "import numpy as np\n"
        "class Lengths:\n"
        "    name, title, family, kind = 'lengths', 'how long', 'lengths', 'text'\n"
        "    identity, batch_size, limit = 'lengths 1', 64, None\n"
        "    def encode(self, contents):\n"
        "        angles = np.array([len(text) / 100 for text in contents])\n"
        "        return np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)\n"
        "    def cut(self, contents):\n"
        "        return [0] * len(contents)\n"
    )
    assert driftloop.include(file) == ["Lengths"]
    assert get_encoder("lengths").encode(["a", "abc"]).shape == (2, 2)


def test_the_command_line_takes_files_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my_rule.py").write_text(block("my_rule.py"), "utf-8")
    Path("study.toml").write_text(block("study.toml"), "utf-8")
    play = ["run", "study.toml", "--out", "run", "--no-report", "--quiet"]
    refused = CliRunner().invoke(app, play)
    assert isinstance(refused.exception, StudyError)
    assert not Path("run").exists()
    assert CliRunner().invoke(app, [*play, "--include", "my_rule.py"]).exit_code == 0
    planned = CliRunner().invoke(app, ["plan", "study.toml", "--json", "--include", "my_rule.py"])
    calls = {row["model"]: row["calls"] for row in json.loads(planned.output)["rows"]}
    assert calls == {"draw": 24, "tell": 24, "echo": 12}


HEAD = """
from driftloop.interventions import Rule
from driftloop.models import Player
from driftloop.steps import Needs, Output, Role
"""
PLAYER = "class Mine(Player):\n    role, batch_size = Role.CAPTIONER, 2\n"
REST = (
    "    fingerprint = 'mine'\n    def resized(self, size): return self\n"
    "    def play(self, inputs, seeds): "
)
CLASSES = {
    "a rule without an answer": ("class Mine(Rule): pass\n", "Mine lacks answer"),
    "a rule that gives nothing": (
        "class Mine(Rule):\n    def answer(self, given, random): pass\n",
        "the model gave None, and an answer is a driftloop.steps.Output",
    ),
    "a rule that gives a number": (
        "class Mine(Rule):\n    def answer(self, given, random): return 3\n",
        r"the model gave int \('3'\), and an answer is",
    ),
    "a player without a fingerprint": (
        PLAYER + REST.partition("\n")[2] + "return []\n", "Mine lacks fingerprint",
    ),
    "a fingerprint that is a method": (
        PLAYER + REST.replace("fingerprint = 'mine'", "def fingerprint(self): return 'm'")
        + "return []\n",
        "its fingerprint is a method; write @property",
    ),
    "texts in place of outputs": (
        PLAYER + REST + "return ['a' for _ in inputs]\n", r"the model gave str \('a'\)",
    ),
    "an answer too few": (
        PLAYER + REST + "return [Output('a')]\n", "the model gave 1 answers to 2 inputs",
    ),
    "a class that raises": (
        PLAYER + REST + "return []\n    def __init__(self): raise OSError('no such file')\n",
        "Mine cannot be made: OSError: no such file",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", CLASSES)
def test_a_mistake_in_a_class_is_told_before_anything_plays(tmp_path: Path, mistake: str) -> None:
    code, message = CLASSES[mistake]
    (tmp_path / "mine.py").write_text(HEAD + code, "utf-8")
    driftloop.include(tmp_path / "mine.py")
    todo = study(look={"backend": "Mine"})
    if "Rule" in code:
        todo = load_study(
            {
                **todo.model_dump(mode="json", exclude_unset=True),
                "models": {
                    "draw": {"backend": "planted", "role": "generator"},
                    "look": {"backend": "planted", "role": "captioner"},
                    "mine": {"backend": "Mine"},
                },
                "arms": [{"name": "own", "network": ["draw", "look", "mine"]}],
            }
        )
    with pytest.raises(ModelError, match=message):
        driftloop.run(todo, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_settings_of_a_rule_inherit_from_those_of_rules(tmp_path: Path) -> None:
    code = "class S: pass\nclass Mine(Rule):\n    settings_type = S\n"
    (tmp_path / "mine.py").write_text(HEAD + code, "utf-8")
    with pytest.raises(DriftloopError, match=r"settings_type has to inherit from .*RuleSettings"):
        driftloop.include(tmp_path / "mine.py")


def test_a_rule_may_say_what_it_needs_in_its_class_and_lie_anywhere(tmp_path: Path) -> None:
    code = (
        "class Mine(Rule):\n    needs = Needs(start=True)\n"
        "    def answer(self, given, random): return given.start\n"
    )
    prints = set()
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text(HEAD + code, "utf-8")
        driftloop.include(tmp_path / folder / "mine.py")
        backend = get_backend("Mine")
        settings = backend.settings()
        assert backend.needs(settings).start
        rule = load_player(backend, settings, backend.locate(settings))
        (outcome,) = rule.play([("a caption", "the prompt")], [1])
        assert isinstance(outcome, Output)
        assert outcome.content == "the prompt"
        prints.add(rule.fingerprint)
    assert len(prints) == 1


def test_a_rule_that_is_handed_over_acts_in_its_rounds(tmp_path: Path) -> None:
    todo = load_study(
        {
            "rounds": 4,
            "prompts": ["harbour lighthouse lantern", "mountain glacier eagle"],
            "models": {
                "draw": {"backend": "planted", "role": "generator"},
                "look": {"backend": "planted", "role": "captioner"},
                "anchor": OWN,
            },
            "arms": [{"name": "own", "network": ["draw", "look", "anchor"]}],
        }
    )
    rule = Anchor(AnchorSettings(every=2))
    run = driftloop.run(todo, tmp_path / "run", players={"anchor": rule}, progress=False)
    acted = [row for row in run.steps().to_pylist() if row["slot"] == "anchor"]
    assert {row["round"] for row in acted} == {2, 4}
    run.close()
    other = Anchor(AnchorSettings(every=3))
    with pytest.raises(StudyError, match="'anchor' are not those it was played with"):
        driftloop.run(todo, tmp_path / "run", players={"anchor": other}, progress=False)
