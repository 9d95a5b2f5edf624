"""Backends by name."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

from ..errors import ModelError, nearest
from ._files import find_folder
from ._protocols import Backend, Located

GROUP = "driftloop.backends"


@cache
def _entries() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def backend_names() -> list[str]:
    """Names of the installed backends."""
    return sorted(_entries())


def get_backend(name: str) -> Backend:
    """Return a backend.

    Raises:
        ModelError: There is none of that name, or its package cannot be imported.
    """
    entry = _entries().get(name)
    if entry is None:
        raise ModelError(
            f"no backend '{name}'.{nearest(name, _entries())} "
            f"Installed backends: {', '.join(backend_names())}."
        )
    try:
        return cast(Backend, entry.load())
    except ImportError as error:
        raise ModelError(f"backend '{name}' ({entry.value}) cannot be imported: {error}") from error


def fetch(backend: Backend, settings: Any, located: Located) -> Located:
    """Bring a model to this machine that was located elsewhere; nothing is loaded.

    Raises:
        ModelError: It cannot be fetched, or is not what its settings need.
    """
    bring = getattr(backend, "fetch", None)
    return located if bring is None else cast(Located, bring(settings, located))


def guess_backend(path: str) -> str:
    """Name the backend that a model on this machine is for.

    Raises:
        ModelError: No backend recognises it, or its files are not here.
    """
    folder = find_folder(path)
    for name in backend_names():
        if folder is not None and get_backend(name).recognises(str(folder)):
            return name
    raise ModelError(
        f"{path}: cannot tell which backend runs it; say --backend, one of "
        f"{', '.join(backend_names())}."
    )
