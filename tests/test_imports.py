"""Every import of the package is there, those too that are made when a model is loaded.

``benchmarks/lowest.py`` runs this with the oldest versions that pyproject.toml allows.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import driftloop

ROOT = Path(driftloop.__file__).parent
LAZY = ("diffusers", "transformers", "sentence_transformers")
"""Libraries that import what they are asked for."""


def imported() -> Iterator[tuple[str, str]]:
    """Modules of other packages, and names out of them, wherever they are imported."""
    for file in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and not node.level and node.module:
                yield from ((node.module, alias.name) for alias in node.names)
            elif isinstance(node, ast.Import):
                yield from ((alias.name, "") for alias in node.names)
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                yield from ((lazy, node.attr) for lazy in LAZY if node.value.id == lazy)


OTHERS = sorted(
    {
        (module, name)
        for module, name in imported()
        if module.partition(".")[0] not in {*sys.stdlib_module_names, "driftloop"}
    }
)


def test_the_libraries_that_models_need_are_among_them() -> None:
    packages = {module.partition(".")[0] for module, _ in OTHERS}
    assert {"torch", "diffusers", "transformers", "PIL", "pyarrow", "sklearn"} <= packages


@pytest.mark.parametrize(("module", "name"), OTHERS)
def test_what_is_imported_is_there(module: str, name: str) -> None:
    package = module.partition(".")[0]
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    found = importlib.import_module(module)
    if name and not hasattr(found, name):
        importlib.import_module(f"{module}.{name}")
