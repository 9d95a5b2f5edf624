"""Builders of tiny checkpoints and a server can be imported by tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from openai_models import KEY, describe, draw
from openai_server import Server, serve


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("SERVER_KEY", KEY)
    with serve(draw, describe, KEY) as found:
        monkeypatch.setenv("DRIFTLOOP_KEYS", f"SERVER_KEY={found.url}")
        yield found
