"""What a player and a backend have by default, and how others' are let in."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from driftloop_toys import ToyBackend, ToyReader, ToyWeights
from driftloop_toys.studies import toy_data
from PIL import Image

import driftloop
from driftloop.errors import ModelError, StudyError
from driftloop.models import Fitted, Player, Refusing, _registry, as_player, get_backend
from driftloop.models._overlong import Around
from driftloop.network import Rounds
from driftloop.runners import check_model
from driftloop.runners._turns import InTurn, Turns
from driftloop.steps import Needs, Output, Role

Wrap = Callable[[Player], Around]
WRAPS: dict[str, Wrap] = {
    "Fitted": lambda player: Fitted(player, ToyReader(8)),
    "Refusing": lambda player: Refusing(player, ToyReader(8)),
    "InTurn": lambda player: InTurn(player, Turns()),
}


class Bare(Player):
    """Nothing but what has to be there."""

    role = Role.CAPTIONER

    def __init__(self, batch_size: int = 2) -> None:
        self.batch_size = batch_size

    @property
    def fingerprint(self) -> str:
        return f"{type(self).__name__} {self.batch_size}"

    def play(self, inputs: Sequence[Any], seeds: Sequence[int]) -> Any:
        return [Output("A cat.") for _ in inputs]

    def resized(self, batch_size: int) -> Player:
        return type(self)(batch_size)


class Full(Bare):
    """Something else than the default everywhere."""

    needs = Needs(start=True)
    is_rule = True
    rounds = Rounds(every=2)
    device = "gpu:7"
    weights = ToyWeights("full", "gpu:7", 1)
    reader = ToyReader(5)
    test_size = 1
    test_seeds = (4, 5)
    can_be_tested = False
    answers_the_same = False
    stopped = False

    def within(self, words: int) -> Player:
        return Full(self.batch_size + words)

    def limits(self) -> dict[str, Any]:
        return {"words": 9}

    def samples(self, count: int) -> list[Any]:
        return [Image.new("RGB", (8, 8), "red")] * count

    def facts(self) -> dict[str, Any]:
        return {"tokens_in": 3}

    def stop(self) -> None:
        self.stopped = True


@pytest.mark.parametrize("wrap", WRAPS.values(), ids=WRAPS)
def test_a_wrapper_passes_on_all_that_a_player_has(wrap: Wrap) -> None:
    inner = Full()
    outer = wrap(inner)
    inside = outer.player
    for name in Player.__annotations__:
        assert vars(outer)[name] == getattr(inside, name), name
        assert not hasattr(Player, name) or getattr(inside, name) != getattr(Player, name), name
    methods = {name for name in vars(Player) if not name.startswith("_")}
    assert methods - set(Player.__annotations__) - {"play"} <= set(vars(Around))
    assert outer.limits().items() >= inside.limits().items()
    assert (outer.samples(2), outer.facts()) == (inside.samples(2), inside.facts())
    outer.stop()
    assert isinstance(inside, Full)
    assert inside.stopped


@pytest.mark.parametrize("wrap", WRAPS.values(), ids=WRAPS)
def test_a_wrapper_stays_around_what_is_made_of_its_player(wrap: Wrap) -> None:
    outer = wrap(Full())
    size = outer.batch_size
    for made in (outer.resized(5), outer.within(3)):
        assert type(made) is type(outer)
        assert made.batch_size != size
        assert made.fingerprint != outer.fingerprint


def test_a_player_that_says_little_has_defaults_that_hold() -> None:
    bare = Bare()
    assert bare.within(5) is bare
    assert (bare.limits(), bare.facts(), list(bare.test_seeds)) == ({}, {}, [])
    assert all(isinstance(picture, Image.Image) for picture in bare.samples(3))
    assert len({picture.tobytes() for picture in bare.samples(3)}) == 3
    assert not any((bare.device, bare.weights, bare.reader, bare.test_size))
    bare.stop()
    assert [outcome.content for outcome in bare.play(bare.samples(2), [1, 2])] == ["A cat."] * 2


class Structural:
    """As a player was written before there was a class to inherit from."""

    role, batch_size, fingerprint = Role.CAPTIONER, 1, "mine"
    play, resized = Bare.play, Bare.resized


class Roleless(Player):
    """One that forgot a part that no abstract method asks for."""

    fingerprint, play, resized = Bare.fingerprint, Bare.play, Bare.resized


def with_(**attributes: Any) -> Any:
    return type("Mine", (Bare,), {"__init__": lambda self: None, "batch_size": 1} | attributes)()


REFUSED = {
    "no player": (Structural(), r"test_player.Structural is no player.*class Structural\(Player\)"),
    "a class": (Bare, "test_player.Bare is a class, and an instance of it is"),
    "nothing": (None, "NoneType is no player"),
    "no role": (Roleless(), "Roleless: .*no attribute 'role'; a player sets its role"),
    "a role in words": (with_(role="captioner"), "its role is 'captioner'; set it to one of"),
    "no inputs": (with_(batch_size=0), "its batch_size is 0; set it to a number from 1"),
    "half an input": (with_(batch_size=1.5), "its batch_size is 1.5"),
}


@pytest.mark.parametrize(("found", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_player_is_refused_with_its_class_and_the_fix(found: Any, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        as_player(found)
    assert as_player(mine := Bare()) is mine


def test_a_backend_that_loads_no_player_is_refused_wherever_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ToyBackend, "load", lambda *_: Structural())
    with pytest.raises(ModelError, match="Structural is no player"):
        driftloop.run(driftloop.load_study(toy_data()), tmp_path / "run", progress=False)
    with pytest.raises(ModelError, match="Structural is no player"):
        check_model("toy", backend="toy")


DESIGN = (Path(__file__).parents[2] / "docs" / "design.md").read_text("utf-8")


def block(language: str, part: str) -> str:
    """The one code block of docs/design.md that has a part in it."""
    found = re.findall(rf"```{language}\n(.*?)```", DESIGN, flags=re.DOTALL)
    (text,) = (text for text in found if part in text)
    return str(text)


@pytest.fixture
def installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str, str], None]]:
    """Installs a package that adds a backend, as the documentation says."""
    points = tomllib.loads(block("toml", "driftloop.backends"))["project"]["entry-points"]
    ((name, place),) = points[_registry.GROUP].items()

    def install(code: str, package: str) -> None:
        info = tmp_path / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Name: {package}\nVersion: 1.0\n")
        point = place.replace("my_package", package)
        (info / "entry_points.txt").write_text(f"[{_registry.GROUP}]\n{name} = {point}\n")
        (tmp_path / f"{package}.py").write_text(code, "utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        _registry._entries.cache_clear()

    yield install
    monkeypatch.undo()
    _registry._entries.cache_clear()


def test_the_documented_backend_plays(installed: Any, tmp_path: Path) -> None:
    installed(block("python", "class ShadeBackend"), "shade_package")
    found = check_model("shade", backend="mine", threshold=100)
    assert found.invariance.verdict == "bit-exact"
    study = toy_data(rounds=2)
    study["models"]["look"] = {"backend": "mine"}
    with driftloop.run(driftloop.load_study(study), tmp_path / "run", progress=False) as run:
        told = set(run.steps()["text"].drop_null().to_pylist()[-8:])
        assert told <= {"A bright picture.", "A dark picture."}
        assert len(run) == 4 * 2 * 4


BACKENDS = {
    "structural": ("class Mine: ...\nbackend = Mine()", "is a Mine that does not inherit from .*"),
    "a class": (
        "from driftloop.models.planted import PlantedBackend as backend", "is a class: .*instance",
    ),
    "unfinished": (
        "from driftloop.models import Backend\nclass Mine(Backend): ...\nbackend = Mine()",
        "cannot be imported: TypeError: .*abstract",
    ),
    "misnamed": ("backends = 1", "cannot be imported: AttributeError"),
    "broken": ("import no_such_library", "cannot be imported: ModuleNotFoundError"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BACKENDS)
def test_what_is_no_backend_is_refused_with_the_key(installed: Any, kind: str) -> None:
    code, said = BACKENDS[kind]
    installed(code, f"other_{kind.replace(' ', '_')}")
    with pytest.raises(ModelError, match=rf"backend 'mine' \(other_\w+:backend\) {said}"):
        get_backend("mine")
    study = toy_data()
    study["models"]["look"] = {"backend": "mine"}
    with pytest.raises(StudyError, match=r"models.look.backend: backend 'mine'"):
        driftloop.plan(driftloop.load_study(study))
