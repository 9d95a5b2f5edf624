"""Where the bundled weights lie."""

from __future__ import annotations

import difflib
from pathlib import Path

_WEIGHTS = Path(__file__).parent / "weights"


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
        KeyError: No bundled model has this name; the message says which one is nearest.
    """
    names = bundled_names()
    if name in names:
        return _WEIGHTS / name
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}?" if near else "bundled are: " + (", ".join(names) or "none")
    raise KeyError(f"no bundled model {name!r}; {hint}")
