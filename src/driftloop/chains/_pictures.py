"""Pictures that others made, read with care: confined, bounded, in formats that run nothing."""

from __future__ import annotations

import io
import stat
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath

from PIL import Image, UnidentifiedImageError

from ..steps import image_digest
from ._rows import BadCellError

MAX_PIXELS = 64_000_000
MAX_BYTES = 100_000_000
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif")
TOGETHER = 32
"""Pictures that are written at the same time, if they are small."""
HELD_PIXELS = 16_000_000

Keep = Callable[[Mapping[str, Image.Image]], None]


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
        self._by_path: dict[Path, str] = {}

    def from_path(self, name: str) -> str:
        """Read the picture at a path as a source names it; its digest.

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

    def from_bytes(self, data: bytes) -> str:
        """Read a picture's file from memory; its digest.

        Raises:
            BadCellError: It is no picture that can be read.
        """
        if len(data) > MAX_BYTES:
            raise BadCellError(f"the picture's file has more than {MAX_BYTES:,} bytes")
        Image.init()
        allowed = [name for name in FORMATS if name in Image.OPEN]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with Image.open(io.BytesIO(data), formats=allowed) as file:
                    # The size stands in the header: a bomb is told before it is unpacked.
                    if file.width * file.height > MAX_PIXELS:
                        raise BadCellError(
                            f"the picture is too large: {file.width} by {file.height} pixels"
                        )
                    image = file.convert("RGB")
        except BadCellError:
            raise
        except UnidentifiedImageError:
            raise BadCellError(f"the picture is none of {', '.join(FORMATS)}") from None
        except Image.DecompressionBombError as error:
            raise BadCellError(f"the picture is too large: {error}") from None
        except (OSError, ValueError, SyntaxError, EOFError) as error:
            raise BadCellError(f"the picture is damaged: {error}") from None
        digest = image_digest(image)
        self._held[digest] = image
        pixels = sum(held.width * held.height for held in self._held.values())
        if len(self._held) >= TOGETHER or pixels > HELD_PIXELS:
            self.flush()
        return digest

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
