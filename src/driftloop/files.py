"""Files: written whole or not at all, with the rights that the umask gives, and told apart."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def written_whole(path: Path, *, sync: bool = False) -> Iterator[IO[bytes]]:
    """A stream whose bytes stand under a path once all of them are written.

    Until then they are in a hidden file beside it, which an error takes away. A link that stands
    under the path is replaced, not followed.

    Args:
        path: The file, in a folder that is there.
        sync: Wait until the bytes would survive a power cut.
    """
    temporary = path.with_name(f".{path.name[:64]}.{secrets.token_hex(6)}.part")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        with os.fdopen(os.open(temporary, flags, 0o666), "wb") as stream:
            yield stream
            if sync:
                stream.flush()
                os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def identity(path: Path) -> tuple[int, int] | None:
    """What tells a file or folder from another under its name; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
