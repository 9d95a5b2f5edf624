"""One process at a time writes into a run folder."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import StoreError


def sole_player(folder: Path) -> FileLock:
    """A lock that the system lets go of when its holder dies, however it dies.

    Raises:
        StoreError: Another process holds it.
    """
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise StoreError(
            f"{folder}: another process is playing in it; wait for it, or stop it"
        ) from None
    return lock
