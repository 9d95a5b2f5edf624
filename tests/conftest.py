"""What the tests share: the toy backend on the path, studies to play, a cache of their own."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

TOYS = Path(__file__).parent / "toys"
sys.path.insert(0, str(TOYS))

from driftloop.study import Study, load_study  # noqa: E402  (the toys must be on the path first)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTLOOP_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def toy_environment() -> dict[str, str]:
    """For subprocesses: the toy backend can be imported there too."""
    paths = [str(TOYS), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def toy_data(**changes: Any) -> dict[str, Any]:
    """A small study of toys, as a TOML file would have it."""
    data: dict[str, Any] = {
        "seed": 3,
        "rounds": 4,
        "twins": 2,
        "prompts": ["a ship at sea", "a red house", "nothing at all", "über die Brücke"],
        "models": {
            "draw": {"backend": "toy", "role": "generator", "batch_size": 3},
            "look": {"backend": "toy", "role": "captioner", "batch_size": 5},
        },
        "arms": [{"name": "autonomous", "network": ["draw", "look"]}],
    }
    return {**data, **changes}


def toy_study(**changes: Any) -> Study:
    """A small study of toys."""
    return load_study(toy_data(**changes))
