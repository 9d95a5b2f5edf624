"""The record of how weights were trained, which is kept beside them: `training.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

FILE = "training.toml"
"""Its suffix is none of those that make a model's fingerprint."""


class Stretch(NamedTuple):
    """One stretch of training, of all that went into some weights."""

    name: str
    steps: int
    batch: int
    minutes: float
    """Of the clock, over all sittings."""
    machine: str
    start: str
    """Where its weights came from."""


def history(state: Mapping[str, Any]) -> list[Stretch]:
    """All stretches that led to a checkpoint, the first one first."""
    last = Stretch(
        state["name"],
        state["step"],
        state["batch"],
        round(state["spent"] / 60, 1),
        state["machine"],
        state["start"],
    )
    return [Stretch(*stretch) for stretch in state["before"]] + ([last] if last.steps else [])


def write(folder: Path, parts: Mapping[str, Sequence[Stretch]]) -> None:
    """Write the record of a model's parts beside its weights."""
    lines = []
    for part, stretches in parts.items():
        for stretch in stretches:
            lines.append(f'[["{part}"]]')
            for key, value in stretch._asdict().items():
                lines.append(f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value}")
            lines.append("")
    (folder / FILE).write_text("\n".join(lines))


def read(folder: Path) -> dict[str, list[Stretch]]:
    """The record beside a model's weights; empty where there is none."""
    path = folder / FILE
    raw = tomllib.loads(path.read_text()) if path.exists() else {}
    return {part: [Stretch(**stretch) for stretch in found] for part, found in raw.items()}
