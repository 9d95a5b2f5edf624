"""A run that may be read and not written: a disk of others, an archive, a mount without writing.

SQLite writes beside its file even to read it: what is open is noted there, and rows that were
committed last may still wait there. So a copy is opened, which lasts as long as the connection:
all of the run is in it, and what a reader would keep in the run (vectors, above all) is kept in the
copy and gone with it.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

BESIDE = ("-wal", "-shm")
"""What SQLite has beside its file while that is open, or when it was never closed."""


def is_writable(path: Path) -> bool:
    """Whether SQLite could open a file as it does: writing it, and beside it."""
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK | os.X_OK)


def copy_of(path: Path) -> sqlite3.Connection:
    """Open a copy of an SQLite file that cannot be written; the system deletes it when it closes.

    Raises:
        OSError: It cannot be read.
        sqlite3.Error: It is damaged.
    """
    copy = sqlite3.connect("", isolation_level=None)
    try:
        _fill(copy, path)
    except BaseException:
        copy.close()
        raise
    return copy


def _fill(copy: sqlite3.Connection, path: Path) -> None:
    uri = path.resolve().as_uri()
    log = Path(f"{path}-wal")
    if log.exists() and log.stat().st_size:
        try:
            # Where another process has it open, its notes can be read; that gives one moment.
            with closing(sqlite3.connect(f"{uri}?mode=ro", uri=True)) as source:
                source.backup(copy)
            return
        except sqlite3.OperationalError:
            # It was never closed, and what was committed last is in the log alone.
            with tempfile.TemporaryDirectory(prefix="driftloop-") as folder:
                whole = Path(folder, path.name)
                for end in ("", *BESIDE):
                    if Path(f"{path}{end}").exists():
                        shutil.copyfile(f"{path}{end}", f"{whole}{end}")
                with closing(sqlite3.connect(whole)) as source:
                    source.backup(copy)
            return
    with closing(sqlite3.connect(f"{uri}?immutable=1", uri=True)) as source:
        source.backup(copy)
