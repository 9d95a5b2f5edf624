"""What the package offers by its first name."""

from __future__ import annotations

import importlib
import pkgutil
import tomllib
from pathlib import Path

import pytest

import driftloop


@pytest.mark.parametrize("name", driftloop.__all__)
def test_everything_offered_is_there(name: str) -> None:
    assert callable(getattr(driftloop, name))


def test_no_name_is_hidden_by_a_module() -> None:
    # Importing a submodule sets an attribute of the package, over whatever had that name.
    modules = {module.name for module in pkgutil.iter_modules(driftloop.__path__)}
    assert modules & set(driftloop.__all__) == set()
    importlib.import_module("driftloop.runners")
    assert callable(driftloop.run)


def test_an_unknown_name_is_told() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        driftloop.nothing  # noqa: B018


def test_development_takes_all_but_video() -> None:
    """So that a test environment can be set up where there is no torchvision for its torch."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))
    extras = project["project"]["optional-dependencies"]
    everything = [wanted.replace(",video,", ",") for wanted in extras["all"]]
    assert everything != extras["all"]
    assert set(everything) <= set(extras["dev"])
    assert not any("video" in wanted for wanted in extras["dev"])


def test_notices_ship() -> None:
    root = Path(__file__).parents[1]
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    # A pattern that matches nothing is no error for what builds the wheel.
    for pattern in project["license-files"]:
        assert list(root.glob(pattern)), pattern
    notice = (root / "NOTICE").read_text("utf-8")
    assert "NOTICE" in project["license-files"]
    for line in ("Copyright (c) Microsoft Corporation.", "2006 by Princeton University"):
        assert line in notice
    assert f"version: {project['version']}\n" in (root / "CITATION.cff").read_text("utf-8")
