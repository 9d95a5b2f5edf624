"""Backends by name."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from ..errors import ModelError, nearest
from ._backend import Backend
from ._files import find_folder
from ._player import Player, as_player
from ._protocols import Located

GROUP = "driftloop.backends"


_added: dict[str, Backend] = {}
"""Those of a user's own file, by name."""


@cache
def _entries() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def backend_names() -> list[str]:
    """Names of the installed backends."""
    return sorted({*_entries(), *_added})


def add_backend(name: str, backend: Backend) -> None:
    """Make a backend known in this process.

    Raises:
        ModelError: Another one of that name is installed.
    """
    if name in _entries():
        raise ModelError(f"a backend '{name}' is installed already; give yours another name")
    _added[name] = backend


def get_backend(name: str) -> Backend:
    """Return a backend.

    Raises:
        ModelError: There is none of that name, its package cannot be imported, or what that names
            is no backend.
    """
    if name in _added:
        return _added[name]
    entry = _entries().get(name)
    if entry is None:
        raise ModelError(
            f"no backend '{name}'.{nearest(name, backend_names())} "
            f"Installed backends: {', '.join(backend_names())}. A class in a file of your own is "
            f"one after --include FILE, or driftloop.include(FILE)."
        )
    named = f"backend '{name}' ({entry.value})"
    try:
        backend = entry.load()
    except Exception as error:
        raise ModelError(f"{named} cannot be imported: {type(error).__name__}: {error}") from error
    if isinstance(backend, Backend):
        return backend
    if isinstance(backend, type):
        raise ModelError(f"{named} is a class: let the package name an instance of it")
    raise ModelError(
        f"{named} is a {type(backend).__name__} that does not inherit from "
        f"driftloop.models.Backend: write class {type(backend).__name__}(Backend)"
    )


def load_player(backend: Backend, settings: Any, located: Located) -> Player:
    """Load a model of any backend, a third party's too.

    Args:
        backend: Its backend.
        settings: Those of one replica, see :meth:`Settings.replicas`.
        located: What :meth:`Backend.fetch` gave.

    Raises:
        ModelError: It cannot be loaded, or what the backend gave is no player.
    """
    return as_player(backend.load(settings, located))


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
