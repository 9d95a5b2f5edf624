"""Speeds that others published, for plans of what was never measured here."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from ..models import Settings


@dataclass(frozen=True)
class Published:
    """What a call takes on a named device, and who says so."""

    device: str
    seconds: float
    """A call, at the study's number of denoising steps."""
    pixels: int
    """Of a picture, in all."""
    how: str
    """What it was measured at."""
    source: str


@cache
def _figures() -> list[dict[str, Any]]:
    text = resources.files(__package__).joinpath("published.toml").read_text("utf-8")
    return list(tomllib.loads(text)["figure"])


def published_for(settings: Settings) -> tuple[Published, ...]:
    """What is published of a model at a study's settings, one figure a device.

    Nearly all of a picture's time is its denoising steps, so a figure is scaled by their number. It
    tells nothing of pictures of another size or made of other pictures, without guidance where it
    was measured with it, or with weights in other parts of the machine.
    """
    chosen = settings.model_dump()
    if chosen.get("task") == "image-to-image":
        return ()
    if chosen.get("offload", "none") != "none" or chosen.get("dtype") == "float32":
        return ()
    if chosen.get("guidance") is not None and chosen["guidance"] <= 1:
        return ()
    found = []
    for figure in _figures():
        if settings.path not in figure["model"]:
            continue
        if any(chosen.get(side) not in {None, figure["pixels"]} for side in ("width", "height")):
            continue
        steps = chosen.get("steps") or figure["steps"]
        how = f"{figure['how']}, {figure['steps']} steps"
        seconds = figure["seconds"] * steps / figure["steps"]
        pixels = figure["pixels"] ** 2
        found.append(Published(figure["device"], seconds, pixels, how, figure["source"]))
    return tuple(found)
