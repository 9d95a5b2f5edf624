"""What the package offers by its first name."""

from __future__ import annotations

import importlib
import pkgutil

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
