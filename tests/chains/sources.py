"""Sources of chains for tests, and what an import made of them."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from driftloop.chains import REJECTED
from driftloop.store import open_run

Write = Callable[..., Path]


def paint(path: Path, colour: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), colour).save(path)
    return path


def told(out: Path) -> dict[str, str]:
    """Reasons by line (or file) of what was kept out."""
    with (out / REJECTED).open(encoding="utf-8", newline="") as stream:
        return {row["line"] or row["file"]: row["reason"] for row in csv.DictReader(stream)}


def states(out: Path) -> dict[tuple[str, str, int], dict[int, str]]:
    """Texts by round of every trajectory."""
    found: dict[tuple[str, str, int], dict[int, str]] = {}
    with open_run(out) as run:
        for row in run.steps().to_pylist():
            if row["text"] is not None:
                key = (row["arm"], row["prompt"], row["twin"])
                found.setdefault(key, {})[row["round"]] = row["text"]
    return found
