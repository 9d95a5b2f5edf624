"""What the tests share: the toy backend on the path, studies to play, a cache of their own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import hypothesis
import pytest

TOYS = Path(__file__).parent / "toys"
sys.path.insert(0, str(TOYS))

if "PYTEST_XDIST_WORKER" in os.environ:
    # Every core has a process of its own already; more threads would only wait for each other.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# How long an example takes tells how busy the machine is.
hypothesis.settings.register_profile("driftloop", deadline=None)
hypothesis.settings.load_profile("driftloop")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Random weights are the same ones in every process, whichever tests came before."""
    if torch := sys.modules.get("torch"):
        torch.manual_seed(67280421310721)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTLOOP_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def toy_environment() -> dict[str, str]:
    """For subprocesses: the toy backend can be imported there too."""
    paths = [str(TOYS), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
