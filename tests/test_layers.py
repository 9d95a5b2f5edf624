"""Imports go down only: five floors and no circle."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import driftloop

ROOT = Path(driftloop.__file__).parent
FLOORS = [
    {
        "errors",
        "seeds",
        "steps",
        "network",
        "files",
        "cells",
        "given",
        "scripts",
        "drawing",
        "pictures",
        "measures",
    },
    {"prompts", "postcards"},
    {"study", "models", "store"},
    {"scheduler", "encoders", "chains"},
    {"interventions"},
    {"runners", "report", "explorer"},
    {"printing", "streams", "unexpected"},
    {"ending"},
    {"options"},
    {"cli"},
    {"__main__"},
]
WITHIN_A_FLOOR = {
    ("steps", "seeds"),
    ("network", "steps"),
    ("given", "errors"),
    ("measures", "scripts"),
}


def _floor(part: str) -> int:
    return next(number for number, parts in enumerate(FLOORS) if part in parts)


def _imports(file: Path) -> set[str]:
    """Parts of the package that a file imports, at its top or inside functions."""
    inside = file.relative_to(ROOT).parts
    found = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            above = inside[: len(inside) - node.level]
            target = [*above, *(node.module or "").split(".")]
            names = [target[0]] if target[0] else [alias.name for alias in node.names]
            found.update(names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("driftloop."):
            found.add(str(node.module).split(".")[1])
    return found


def test_imports_go_down() -> None:
    wrong = []
    for file in ROOT.rglob("*.py"):
        part = file.relative_to(ROOT).parts[0].removesuffix(".py")
        if part == "__init__":
            continue
        for other in _imports(file) - {part}:
            if other not in set().union(*FLOORS):
                continue
            if _floor(other) >= _floor(part) and (part, other) not in WITHIN_A_FLOOR:
                wrong.append(f"{file.relative_to(ROOT)} imports {other}")
    assert not wrong


def test_every_part_has_its_floor() -> None:
    parts = {path.stem for path in ROOT.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert (
        parts - set().union(*FLOORS) - {"__init__", "__pycache__", "studies", "typefaces"} == set()
    )


def test_the_package_and_its_command_line_import_nothing_heavy() -> None:
    code = (
        "import sys, driftloop, driftloop.cli\n"
        "heavy = {'torch', 'transformers', 'diffusers', 'numpy', 'pyarrow', 'pandas', 'PIL',"
        " 'pydantic', 'sklearn', 'plotly'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_checking_a_study_imports_no_torch() -> None:
    code = (
        "import sys\nfrom driftloop.runners import cast_study\nfrom driftloop import load_study\n"
        "cast_study(load_study('quickstart'))\nprint('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
