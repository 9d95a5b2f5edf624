"""Run folders: which are there, and how they are opened, to read or to play into alone."""

from __future__ import annotations

import os
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import DriftloopError, StoreError
from ..given import checked
from ._run import Run
from ._schema import DATABASE, connect


def is_run(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder holds a run, or something by the name of one."""
    return (_named(folder) / DATABASE).exists()


def open_run(folder: str | os.PathLike[str]) -> Run:
    """Open a run folder.

    Raises:
        StoreError: There is no run, or its file is foreign, damaged or too new.
    """
    path = _named(folder)
    return Run(path, connect(path / DATABASE))


def create_run(folder: str | os.PathLike[str]) -> Run:
    """Open a run folder, making it where there is none.

    Raises:
        StoreError: The folder cannot be made or written, or holds something else.
    """
    path = _make(folder)
    return Run(path, connect(path / DATABASE, create=True))


def sole_player(folder: str | os.PathLike[str]) -> FileLock:
    """Keep all others from playing into a folder, which is made where there is none.

    What a run holds is read after this, since until then another process may add to it.

    Returns:
        A lock that is held, and that the system lets go of when its holder dies, however it dies.

    Raises:
        StoreError: Another process holds it, or the folder cannot be made or written.
    """
    path = _make(folder)
    lock = FileLock(path / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise StoreError(
            f"{path}: another process is playing in it; wait for it, or stop it"
        ) from None
    return lock


def is_played(folder: str | os.PathLike[str]) -> bool:
    """Whether another process plays into a folder, as far as can be known; True where it cannot."""
    path = _named(folder)
    if not (path / ".lock").exists():
        return False
    if not (os.access(path, os.W_OK | os.X_OK) and os.access(path / ".lock", os.W_OK)):
        return True
    try:
        sole_player(path).release()
    except StoreError:
        return True
    return False


def _named(folder: str | os.PathLike[str]) -> Path:
    try:
        return checked(folder)
    except DriftloopError as error:
        raise StoreError(str(error)) from error


def _make(folder: str | os.PathLike[str]) -> Path:
    path = _named(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{path}: cannot be made a run folder: {error.strerror}") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise StoreError(f"{path}: the folder cannot be written; choose another with --out")
    return path
