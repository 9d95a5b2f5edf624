"""Pictures that others made, read with care: confined, bounded, in formats that run nothing."""

from __future__ import annotations

import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from ..pictures import MAX_BYTES, PictureError, read_picture
from ..steps import image_digest
from ._inline import inside, sole
from ._references import SUFFIXES, Finder
from ._rows import BadCellError

__all__ = ["SUFFIXES", "Pictures", "ReadPicture"]

TOGETHER = 32
"""Pictures that are written at the same time, if they are small."""
HELD_BYTES = 48_000_000

Keep = Callable[[Mapping[str, Image.Image]], None]


class ReadPicture(NamedTuple):
    """A picture that was read."""

    digest: str
    notes: tuple[str, ...]
    """What was done to it, see :data:`driftloop.pictures.NOTES`."""


class Pictures:
    """Reads pictures of one source and hands them on by digest.

    Args:
        base: The folder that paths start from and may not leave.

    Attributes:
        keep: Told of pictures, some at a time; by default they are read and let go.
    """

    def __init__(self, base: Path) -> None:
        self.base = base.resolve()
        self.keep: Keep = lambda pictures: None
        self._held: dict[str, Image.Image] = {}
        self._by_path: dict[Path, ReadPicture] = {}
        self._finder = Finder(self.base)

    @property
    def read(self) -> set[Path]:
        """The files that were read, resolved."""
        return {*self._by_path}

    def notes(self) -> list[str]:
        """How paths were understood, where that is not as they stand."""
        return self._finder.notes()

    def from_cell(self, cell: Any) -> ReadPicture:
        """Read the picture that a cell of a table holds or names.

        Args:
            cell: A path, the bytes of a file (also as base64 or a ``data:`` address),
                ``{bytes, path}`` as the ``datasets`` library has it, or a list of one of these.

        Raises:
            BadCellError: It holds none, or several, or none that can be read.
        """
        cell = sole(cell)
        data = inside(cell)
        return self.from_path(cell.strip()) if data is None else self.from_bytes(data)

    def from_path(self, name: str) -> ReadPicture:
        """Read the picture at a path as a source names it.

        Raises:
            BadCellError: It leads out of the folder, or is no picture that can be read.
        """
        return self._read(self._finder.find(name), name)

    def from_file(self, file: Path) -> ReadPicture:
        """Read a picture that lies in the source's folder itself, and is no link.

        Raises:
            BadCellError: It is no picture that can be read.
        """
        return self._read(file.resolve(), file.name)

    def _read(self, path: Path, name: str) -> ReadPicture:
        if path not in self._by_path:
            try:
                if not stat.S_ISREG(path.stat().st_mode):
                    raise BadCellError(f"the picture is no file: {name}")
                if path.stat().st_size > MAX_BYTES:
                    raise BadCellError(
                        f"the picture's file has more than {MAX_BYTES:,} bytes: {name}"
                    )
                self._by_path[path] = self.from_bytes(path.read_bytes())
            except FileNotFoundError:
                raise BadCellError(f"the picture is not there: {name}") from None
            except OSError as error:
                raise BadCellError(f"the picture cannot be read: {error}") from None
        return self._by_path[path]

    def from_bytes(self, data: bytes) -> ReadPicture:
        """Read a picture's file from memory.

        Raises:
            BadCellError: It is no picture that can be read.
        """
        try:
            image, notes = read_picture(data)
        except PictureError as error:
            raise BadCellError(str(error)) from None
        digest = image_digest(image)
        self._held[digest] = image
        size = sum(held.width * held.height * 3 for held in self._held.values())
        if len(self._held) >= TOGETHER or size > HELD_BYTES:
            self.flush()
        return ReadPicture(digest, notes)

    def flush(self) -> None:
        """Hand on what is held."""
        if self._held:
            self.keep(self._held)
            self._held = {}
