"""What this machine has learnt about a model: its micro-batch, its speed.

Kept in the user's cache folder, so that a second run of a study takes the same micro-batch (and so
gives the same bits) and ``driftloop plan`` knows what a call costs.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import platformdirs

from ..files import written_whole
from ..seeds import digest


def _file() -> Path:
    folder = os.environ.get("DRIFTLOOP_CACHE") or platformdirs.user_cache_dir("driftloop")
    return Path(folder) / "players.json"


def _key(identity: str, settings: dict[str, Any]) -> str:
    return digest("memory", identity, *sorted(settings.items())).hex()


def _read() -> dict[str, dict[str, Any]]:
    try:
        data = json.loads(_file().read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _may_be(name: str, value: object) -> bool:
    """Whether a number can be what it says: a clock that was set back has given negative times."""
    least = {"seconds": 0.0, "batch_size": 1, "pixels": 1}.get(name)
    if least is None or value is None:
        return True
    kinds = (int, float) if name == "seconds" else (int,)
    return type(value) in kinds and least <= float(str(value)) < 1e9


def recall(identity: str, settings: dict[str, Any]) -> dict[str, Any]:
    """What is known of a model with these settings: ``batch_size``, ``seconds`` a sample, ..."""
    facts = _read().get(_key(identity, settings))
    if not isinstance(facts, dict):
        return {}
    return {name: value for name, value in facts.items() if _may_be(name, value)}


def remember(identity: str, settings: dict[str, Any], **facts: Any) -> None:
    """Note facts about a model with these settings; a folder that cannot be written is no error."""
    everything = _read()
    everything[_key(identity, settings)] = {**recall(identity, settings), **facts}
    path = _file()
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as stream:
            stream.write(json.dumps(everything).encode())
