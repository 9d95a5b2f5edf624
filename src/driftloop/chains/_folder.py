"""What lies in a source's folder: its regular files, and what of it is never opened."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ..errors import ChainError

MAX_FILES = 2_000_000
SYSTEM = ("thumbs.db", "desktop.ini", "__macosx", "$recycle.bin")
"""What systems leave in folders, in lower case; what begins with a dot is theirs too."""
SHOWN = 6
"""Kinds of file that a note names."""


class Folder(NamedTuple):
    """The files of a source, sorted by their paths."""

    root: Path
    files: list[Path]
    others: Counter[str]
    """What is never opened, by what it is."""

    def parts(self, file: Path) -> tuple[str, ...]:
        """A file's path in the folder."""
        return file.relative_to(self.root).parts

    def name(self, file: Path) -> str:
        """A file's path in the folder, as reports of it show it."""
        return file.relative_to(self.root).as_posix()

    def note_unread(self, read: Iterable[Path]) -> list[str]:
        """Notes that count what no reader used.

        Args:
            read: The files that were used, resolved.
        """
        used = {*read}
        # No link was followed, so that one of them at most is in the way.
        root = self.root.resolve()
        unread = Counter(
            file.suffix.lower() or "without an ending"
            for file in self.files
            if root.joinpath(*self.parts(file)) not in used
        )
        notes = []
        if unread:
            notes.append(f"files of the folder that were not read: {_count(unread)}")
        if self.others:
            notes.append(f"not opened: {_count(self.others)}")
        return notes


def look_through(source: Path) -> Folder:
    """List a folder's files, its folders' too; links are not followed.

    Args:
        source: A folder, or a single file.

    Raises:
        ChainError: It cannot be listed, or has too many files.
    """
    if not source.is_dir():
        return Folder(source.parent, [source], Counter())
    files: list[Path] = []
    others: Counter[str] = Counter()
    waiting = [source]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                inside = list(entries)
        except OSError as error:
            raise ChainError(f"{folder}: cannot be listed: {error.strerror}") from error
        for entry in inside:
            what = _other(entry)
            if what is not None:
                others[what] += 1
            elif entry.is_dir(follow_symlinks=False):
                waiting.append(Path(entry.path))
            else:
                files.append(Path(entry.path))
        if len(files) > MAX_FILES:
            raise ChainError(f"{source}: more than {MAX_FILES:,} files; import a part of it")
    return Folder(source, sorted(files), others)


def _other(entry: os.DirEntry[str]) -> str | None:
    """What a folder's entry is, where it is neither a file to read nor a folder to go into."""
    if entry.name.startswith(".") or entry.name.lower() in SYSTEM:
        return "files of the system (such as .DS_Store, ._*, Thumbs.db)"
    mode = entry.stat(follow_symlinks=False).st_mode
    if stat.S_ISLNK(mode):
        return "links"
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        return "pipes, sockets and devices"
    return None


def _count(kinds: Counter[str]) -> str:
    shown = [f"{count:,} {kind}" for kind, count in kinds.most_common(SHOWN)]
    rest = kinds.total() - sum(count for _, count in kinds.most_common(SHOWN))
    return ", ".join([*shown, *([f"{rest:,} of other kinds"] if rest else [])])
