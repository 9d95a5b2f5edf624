"""Pictures that others made, read with care: confined, bounded, in formats that run nothing."""

from __future__ import annotations

import stat
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple

from PIL import Image

from ..pictures import MAX_BYTES, PictureError, read_picture
from ..steps import image_digest
from ._rows import BadCellError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif")
TOGETHER = 32
"""Pictures that are written at the same time, if they are small."""
HELD_BYTES = 48_000_000

Keep = Callable[[Mapping[str, Image.Image]], None]


class Kept(NamedTuple):
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
        self._by_path: dict[Path, Kept] = {}

    def from_path(self, name: str) -> Kept:
        """Read the picture at a path as a source names it.

        Raises:
            BadCellError: It leads out of the folder, or is no picture that can be read.
        """
        path = self._confined(name)
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

    def from_bytes(self, data: bytes) -> Kept:
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
        return Kept(digest, notes)

    def flush(self) -> None:
        """Hand on what is held."""
        if self._held:
            self.keep(self._held)
            self._held = {}

    def _confined(self, name: str) -> Path:
        if "\0" in name or len(name) > 4096:
            raise BadCellError("the picture's path is none")
        if "://" in name:
            raise BadCellError(f"the picture is at an address, and nothing is fetched: {name}")
        windows, posix = PureWindowsPath(name), PurePosixPath(name)
        if posix.is_absolute() or windows.drive or windows.root:
            raise BadCellError(f"the picture's path is absolute: {name}")
        if ".." in posix.parts or ".." in windows.parts:
            raise BadCellError(f"the picture's path leads out of the source's folder: {name}")
        try:
            path = (self.base / name).resolve()
        except (OSError, RuntimeError) as error:
            raise BadCellError(f"the picture's path cannot be followed: {error}") from None
        if not path.is_relative_to(self.base):
            raise BadCellError(f"the picture's path leads out of the source's folder: {name}")
        return path
