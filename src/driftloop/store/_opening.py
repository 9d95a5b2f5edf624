"""Run folders: which are there, and how they are opened, to read or to play into alone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock

from ..errors import DriftloopError, StoreError
from ..files import alone, not_left_empty
from ..given import checked
from ._readonly import BESIDE
from ._run import Run
from ._schema import DATABASE, connect

LOCK = ".lock"


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
    lock = alone(path / LOCK)
    if lock is None:
        raise StoreError(f"{path}: another process is playing in it; wait for it, or stop it")
    return lock


@contextmanager
def sole_run(folder: str | os.PathLike[str]) -> Iterator[Run]:
    """A run that nobody else plays into, opened, or made where there is none.

    Where an error ends its use before a step or a failure is kept, what was made for it is taken
    away again: a refusal leaves no run.

    Raises:
        StoreError: Another process plays in the folder, or it cannot be made or written, or holds
            something else.
    """
    path = _named(folder)
    locked = (path / LOCK).exists()
    with not_left_empty(path), sole_player(path):
        # Only now: until it was locked another process may have made a run of it.
        held = {file.name for file in path.iterdir()} - (set() if locked else {LOCK})
        with _taken_away_if_refused(path, held) as run:
            yield run


@contextmanager
def _taken_away_if_refused(path: Path, held: set[str]) -> Iterator[Run]:
    """A run in a locked folder, of which an error leaves nothing if it holds nothing by then."""
    empty = True
    try:
        with create_run(path) as run:
            empty = False
            try:
                yield run
            except BaseException:
                empty = _is_empty(run)
                raise
    except BaseException:
        _take_away(path, held, whole=empty)
        raise


def _is_empty(run: Run) -> bool:
    try:
        return not (len(run) or run.failures())
    except StoreError:
        # What cannot be read now may be read later.
        return False


def _take_away(path: Path, held: set[str], *, whole: bool) -> None:
    """Delete what was made in a folder, but for what that held before.

    Args:
        path: The folder, which is locked.
        held: Names of what is not to be touched.
        whole: Whether the run that was made in it goes too.
    """
    if whole and DATABASE not in held:
        for name in {DATABASE, *(DATABASE + end for end in BESIDE)} - held:
            (path / name).unlink(missing_ok=True)
        if "images" not in held:
            shutil.rmtree(path / "images", ignore_errors=True)
    if LOCK not in held:
        # Before it is let go of, so that nobody else can have it by then.
        with suppress(OSError):
            (path / LOCK).unlink()


def is_played(folder: str | os.PathLike[str]) -> bool:
    """Whether another process plays into a folder, as far as can be known; True where it cannot."""
    path = _named(folder)
    if not (path / LOCK).exists():
        return False
    if not (os.access(path, os.W_OK | os.X_OK) and os.access(path / LOCK, os.W_OK)):
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
