"""Where the bundled weights lie."""

from __future__ import annotations

from pathlib import Path

from ..errors import ModelError, nearest
from .world import WORLD, World

_WEIGHTS = Path(__file__).parent / "weights"


HOMES = {"postcard-turbo": "nocturne", "postcard-git": "nocturne"}
"""Skews of the worlds that models were trained on; the others know the world as it is."""


def home_world(name: str) -> World:
    """The world that a bundled model was trained on: what it refills from.

    >>> home_world("postcard-sdxl") is WORLD, home_world("postcard-git") is WORLD
    (True, False)
    """
    return WORLD.skewed(HOMES[name]) if name in HOMES else WORLD


def bundled_names() -> list[str]:
    """The names of the bundled models, sorted."""
    if not _WEIGHTS.is_dir():
        return []
    return sorted(entry.name for entry in _WEIGHTS.iterdir() if entry.is_dir())


def bundled_path(name: str) -> Path:
    """The folder of a bundled model.

    Args:
        name: Its name, for example ``"postcard-sdxl"``.

    Returns:
        A folder in the native format of its library.

    Raises:
        ModelError: No bundled model has this name; the message says which one is nearest.
    """
    names = bundled_names()
    if name not in names:
        raise ModelError(
            f"no bundled model '{name}'.{nearest(name, names)} "
            f"Bundled models: {', '.join(names) or 'none'}."
        )
    return _WEIGHTS / name
