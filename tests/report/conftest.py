"""Reports are written without the encoder that takes seconds to load, unless a test is about it."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def _without_minilm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("driftloop.encoders.minilm.is_installed", lambda: False)
