"""A refusal leaves nothing that was not there before, and nothing else than it was."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from driftloop_toys.studies import toy_data, toy_study
from PIL import Image

import driftloop
from driftloop import Session, open_session
from driftloop.cli import main
from driftloop.errors import DriftloopError, StoreError
from driftloop.steps import Failure
from driftloop.store import Run, open_run, sole_run
from driftloop.study import load_study


def there(folder: Path) -> dict[str, bytes | None]:
    """Everything in a folder, but for the cache of this test."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if "cache" not in path.parts
    }


def dead_server() -> str:
    """An address where nothing listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{one.getsockname()[1]}/v1"


def served(address: str) -> dict[str, Any]:
    data = toy_data()
    data["models"]["look"] = {
        "backend": "openai", "role": "captioner", "path": "m", "base_url": address
    }  # fmt: skip
    return data


def with_a_picture(folder: Path, **changes: Any) -> dict[str, Any]:
    """A study whose prompt is a picture, which a run keeps, and whose second player is broken."""
    Image.new("RGB", (5, 5), "red").save(folder / "red.png")
    data = toy_data(
        prompts=[{"id": "red", "image": str(folder / "red.png")}],
        arms=[{"name": "a", "network": ["look", "draw"]}],
    )
    data["models"]["draw"].update(changes)
    return data


def broken_test(tmp_path: Path) -> dict[str, Any]:
    return with_a_picture(tmp_path, memory=0, batch_size=1)


REFUSED: dict[str, Callable[[Path], dict[str, Any]]] = {
    "a dead server": lambda _: served(dead_server()),
    "a model that cannot be played": broken_test,
    "a model that is nowhere": lambda _: toy_data(
        models={**toy_data()["models"], "draw": {"backend": "diffusers", "path": "./nowhere"}}
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_run_leaves_nothing(name: str, tmp_path: Path) -> None:
    data = REFUSED[name](tmp_path)
    before = there(tmp_path)
    with pytest.raises(DriftloopError):
        driftloop.run(load_study(data), tmp_path / "runs" / "mine", progress=False)
    assert there(tmp_path) == before
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    (tmp_path / "runs" / "mine" / "notes.txt").write_text("mine")
    before = there(tmp_path)
    with pytest.raises(DriftloopError):
        driftloop.run(load_study(data), tmp_path / "runs" / "mine", progress=False)
    assert there(tmp_path) == before


@pytest.mark.parametrize("change", ["a dead server", "a model that cannot be played", "a seed"])
def test_a_refused_study_leaves_a_run_as_it_was(change: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    driftloop.run(toy_study(), folder, progress=False).close()
    data = toy_data(rounds=5)
    if change == "a dead server":
        data["models"]["new"] = served(dead_server())["models"]["look"]
        data["arms"].append({"name": "more", "network": ["draw", "new"]})
    elif change == "a model that cannot be played":
        data["models"]["new"] = {**data["models"]["look"], "memory": 0, "batch_size": 1}
        data["arms"].append({"name": "more", "network": ["draw", "new"]})
    else:
        data["seed"] = 4
    (folder / ".lock").unlink()
    before = there(folder)
    with pytest.raises(DriftloopError):
        driftloop.run(load_study(data), folder, progress=False)
    assert there(folder) == before


def test_a_refused_import_leaves_nothing(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("chain,round,text\n")
    before = there(tmp_path)
    with pytest.raises(DriftloopError):
        driftloop.import_chains(table, tmp_path / "new" / "run")
    assert there(tmp_path) == before
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "mine.txt").write_text("mine")
    before = there(tmp_path)
    with pytest.raises(DriftloopError):
        driftloop.import_chains(table, tmp_path / "new")
    assert there(tmp_path) == before


def test_a_refused_command_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    driftloop.run(toy_study(), tmp_path / "run", progress=False).close()
    monkeypatch.chdir(tmp_path)
    before = there(tmp_path)
    address = dead_server()
    for words in (
        f"check m --backend openai --set role=captioner --set base_url={address}",
        "check ./nowhere",
        "export run --to new/x.avi",
        "export run --to new/x.gif -t nobody",
        "export run --to new/x.gif --rate 900",
        "export run --to new/x.txt --steps",
        "export nowhere --to new/x",
        "report nowhere",
        "report run --encoder nothing-such",
        "doctor nowhere --repair",
        "plan nowhere --out new/run",
        "prompts --count 3 --candidates nothing-such --out new/p.toml",
    ):
        monkeypatch.setattr(sys, "argv", ["driftloop", *words.split()])
        with pytest.raises(SystemExit) as stopped:
            main()
        assert stopped.value.code == 2, words
        assert capsys.readouterr().err.startswith("error "), words
        assert there(tmp_path) == before, words


def told(session: Session, outcomes: list[Failure] | None = None) -> None:
    """Have a session play a micro-batch, or fail at it."""
    batch = session.ask()
    assert batch is not None
    session.tell(batch, outcomes * len(batch.calls) if outcomes else session.play(batch))


def used(opened: AbstractContextManager[Any], *acts: Callable[[Any], object]) -> None:
    """Use something that is opened, until an act raises."""
    with opened as it:
        for act in acts:
            act(it)


def raising(error: BaseException) -> Callable[[object], None]:
    def act(_: object) -> None:
        raise error

    return act


@pytest.mark.parametrize("error", [KeyboardInterrupt(), StoreError("no"), TypeError()])
def test_a_run_that_ends_before_its_first_step_leaves_nothing(
    error: BaseException, tmp_path: Path
) -> None:
    with pytest.raises(type(error)):
        used(open_session(toy_study(), tmp_path / "run"), raising(error))
    assert not (tmp_path / "run").exists()
    with pytest.raises(type(error)):
        used(open_session(toy_study(), tmp_path / "run"), told, raising(error))
    with open_run(tmp_path / "run") as run:
        assert len(run)


def test_failures_are_kept(tmp_path: Path) -> None:
    failed = partial(told, outcomes=[Failure("no luck")])
    with pytest.raises(TypeError):
        used(open_session(toy_study(), tmp_path / "run"), failed, raising(TypeError()))
    with open_run(tmp_path / "run") as run:
        assert run.failures()


def test_what_another_has_in_the_folder_is_never_deleted(tmp_path: Path) -> None:
    """A link to a larger disk among it, and a run that cannot be read at the moment."""
    disk, folder = tmp_path / "disk", tmp_path / "run"
    disk.mkdir()
    folder.mkdir()
    (disk / "theirs.png").write_text("x")
    (folder / "images").symlink_to(disk)
    (folder / "mine.txt").write_text("x")
    with pytest.raises(TypeError):
        used(sole_run(folder), raising(TypeError()))
    assert sorted(path.name for path in folder.iterdir()) == ["images", "mine.txt"]
    assert (disk / "theirs.png").exists()
    with pytest.raises(TypeError):
        used(sole_run(folder), Run.close, raising(TypeError()))
    assert (folder / "driftloop.sqlite").exists()
