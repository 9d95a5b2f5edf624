"""Files: written whole or not at all, with the rights that the umask gives, and told apart."""

from __future__ import annotations

import glob
import os
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from filelock import FileLock, Timeout

LONGEST = 64
"""Characters of a file's name that its temporary one has."""


@contextmanager
def written_whole(path: Path, *, sync: bool = False) -> Iterator[IO[bytes]]:
    """A stream whose bytes stand under a path once all of them are written.

    Until then they are in a hidden file beside it, which an error takes away. A link that stands
    under the path is replaced, not followed.

    Args:
        path: The file, in a folder that is there.
        sync: Wait until the bytes would survive a power cut.
    """
    temporary, handle = _opened(path)
    # Has the lock, which lasts until the last copy of the handle is closed.
    guard = os.dup(handle)
    try:
        # By its own name, for libraries that open a file themselves.
        with open(temporary, "wb", opener=lambda *_: handle) as stream:
            yield stream
            if sync:
                stream.flush()
                os.fsync(stream.fileno())
        if sys.platform == "win32":
            os.close(guard)
            guard = -1
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        if guard >= 0:
            os.close(guard)


@contextmanager
def exported(path: Path) -> Iterator[IO[bytes]]:
    """As :func:`written_whole`, in a folder that is made for it where there is none.

    What a process that was killed left of the same file is taken away.

    Args:
        path: The file.
    """
    with not_left_empty(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        take_leftovers(path)
        with written_whole(path) as stream:
            yield stream


@contextmanager
def not_left_empty(folder: Path) -> Iterator[None]:
    """Use of a folder that may have to be made: an error takes away what was made and is empty.

    Args:
        folder: The folder; those above it that are not there are meant too.
    """
    made = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        yield
    except BaseException:
        for one in made:
            with suppress(OSError):
                one.rmdir()
        raise


def take_leftovers(path: Path) -> None:
    """Delete what killed processes left of a file, and nothing that another is writing.

    Args:
        path: The file that was to be written.
    """
    name = path.name[:LONGEST]
    for leftover in path.parent.glob(f".{glob.escape(name)}.*.part"):
        if re.fullmatch(rf"\.{re.escape(name)}\.[0-9a-f]{{12}}\.part", leftover.name):
            with suppress(OSError):
                handle = os.open(leftover, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
                try:
                    if _lock(handle, wait=False):
                        leftover.unlink()
                finally:
                    os.close(handle)


def _opened(path: Path) -> tuple[Path, int]:
    """A hidden file beside another that is new, and locked: so it is no leftover."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    while True:
        temporary = path.with_name(f".{path.name[:LONGEST]}.{secrets.token_hex(6)}.part")
        handle = os.open(temporary, flags, 0o666)
        try:
            _lock(handle, wait=True)
            if os.fstat(handle).st_nlink:
                return temporary, handle
        except BaseException:
            os.close(handle)
            temporary.unlink(missing_ok=True)
            raise
        # Taken for a leftover before it was locked.
        os.close(handle)


if sys.platform == "win32":

    def _lock(handle: int, *, wait: bool) -> bool:
        # What is open cannot be deleted there.
        return True

else:
    import fcntl

    def _lock(handle: int, *, wait: bool) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError:
            # In use; or a file system without locks, where nothing is taken for a leftover.
            return False
        return True


def alone(path: Path) -> FileLock | None:
    """Hold a lock that lasts until it is released, or its holder dies, however it dies.

    Args:
        path: The lock's file, in a folder that is there.

    Returns:
        The lock; None where another process holds it.
    """
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        return None
    return lock


def identity(path: Path) -> tuple[int, int] | None:
    """What tells a file or folder from another under its name; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
