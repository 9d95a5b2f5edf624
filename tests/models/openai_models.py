"""Models on the tests' server: what they draw and say, and studies that play them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from openai_server import Server
from PIL import Image

from driftloop.models import Player, get_backend
from driftloop.store import open_run
from driftloop.study import Study, load_study

KEY = "sk-very-secret-0123456789"
VOLATILE = ["started", "seconds", "shared", "fingerprint", "call"]
"""What differs between equal runs, or on another server: its address is part of what a model is."""
WORDS = "a red house tree ship cat moon on under with the old new small sea".split()
LONG = bool(os.environ.get("DRIFTLOOP_LONG"))


def digest(*parts: object) -> bytes:
    return hashlib.sha256(repr(parts).encode()).digest()


def draw(text: str, seed: int) -> Image.Image:
    return Image.frombytes("RGB", (4, 2), digest(text, seed)[:24])


def describe(picture: Image.Image, told: str, seed: int) -> str:
    numbers = digest(picture.tobytes(), told, seed)[:8]
    return " ".join(WORDS[number % len(WORDS)] for number in numbers) + "."


def settings(server: Server, role: str, **changes: Any) -> dict[str, Any]:
    return {
        "path": "painter" if role == "generator" else "watcher",
        "role": role,
        "base_url": server.url,
        "api_key_env": "SERVER_KEY",
        "backoff": 0.001,
        "seeded": True,
        **changes,
    }


def load(server: Server, role: str, **changes: Any) -> Player:
    backend = get_backend("openai")
    checked = backend.settings.model_validate(settings(server, role, **changes))
    return backend.load(checked, backend.locate(checked))


def study(server: Server, **changes: Any) -> Study:
    models = {
        role: {"backend": "openai", **settings(server, role, **changes)}
        for role in ("generator", "captioner")
    }
    return load_study(
        {
            "seed": 5,
            "rounds": 5,
            "twins": 2,
            "prompts": ["a ship at sea", "a red house", "nothing at all", "über die Brücke"],
            "models": models,
            "arms": [
                {"name": "plain", "network": ["generator", "captioner"]},
                {
                    "name": "told",
                    "network": ["generator", "captioner"],
                    "settings": {"captioner": {"instruction": "What is it?"}},
                },
            ],
        }
    )


def played(folder: Path) -> Any:
    with open_run(folder) as run:
        return run.steps().drop_columns(VOLATILE)
