"""Pictures by their content: ``images/ab/abcdef....png``."""

from __future__ import annotations

import os
import re
import stat
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from ..errors import StoreError
from ..files import identity, written_whole
from ..pictures import MAX_PIXELS, PictureError, open_picture
from ..steps import image_digest

CACHED_BYTES = 512_000_000
"""Pixels of pictures that are kept in memory; the last one is, however large."""
WRITERS = 8
"""Pictures that are written at the same time."""
STORED_BYTES = 4 * MAX_PIXELS
"""Of a picture's file: pixels that cannot be compressed take three bytes each."""

_NAME = re.compile(r"[0-9a-f]{64}")
_OPENING = (
    os.O_RDONLY
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
)
"""No link is followed, and no pipe waited for."""


def is_name(digest: object) -> bool:
    """Whether it can be the name of a picture: what is no hash could name any file."""
    return isinstance(digest, str) and _NAME.fullmatch(digest) is not None


class ImageFiles:
    """A folder of lossless pictures, named by the hash of their pixels.

    Any thread may read while another writes. A picture's file is read only where it is a regular
    file in this folder, and its pixels are compared with its name whenever it is read. The folder
    itself may be a link, to a larger disk; a file or folder in it may not.

    Args:
        folder: Where they are; made when the first picture comes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._recent: OrderedDict[str, Image.Image] = OrderedDict()
        self._size = 0
        self._held: dict[str, Image.Image] = {}
        self._lock = threading.Lock()
        self._known: set[str] = set()
        self._place: tuple[int, int] | None = None

    def path(self, digest: str) -> Path:
        """Where a picture's file is, or would be.

        Raises:
            StoreError: It is no name of a picture.
        """
        if not is_name(digest):
            raise StoreError(
                f"{self.folder}: {str(digest)[:80]!r} is no name of a picture, which has 64 "
                f"hexadecimal digits; see driftloop doctor {self.folder.parent}"
            )
        return self.folder / digest[:2] / f"{digest}.png"

    def hold(self, images: Mapping[str, Image.Image]) -> None:
        """Have pictures to be read before they are written, by digest; :meth:`put` follows."""
        with self._lock:
            self._held.update(images)

    def put(self, images: Mapping[str, Image.Image]) -> None:
        """Write pictures, by digest, so that each file is either complete or not there.

        Raises:
            OSError: The disk is full or the folder cannot be written.
            StoreError: The folder was deleted or replaced since pictures were written into it.
        """
        if images:
            self._check_place(self.folder, self._place)
        self.hold(images)
        fresh = {self.path(d): image for d, image in images.items() if not self.has(d)}
        folders = {path.parent for path in fresh}
        for folder in folders:
            self._make_folder(folder)
        self._place = identity(self.folder)
        # Waiting for the disk is most of it, and that can be done for all of them at once.
        if len(fresh) == 1:
            self._write(*next(iter(fresh.items())))
        elif fresh:
            with ThreadPoolExecutor(WRITERS) as pool:
                list(pool.map(self._write, fresh, fresh.values()))
        for folder in folders:
            _sync_folder(folder)
        for digest, image in images.items():
            self._remember(digest, image)

    def _write(self, path: Path, image: Image.Image) -> None:
        with written_whole(path, sync=True) as stream:
            image.save(stream, format="PNG", compress_level=3)

    def get(self, digest: str) -> Image.Image:
        """Read a picture.

        Raises:
            StoreError: Its file is missing or damaged, or holds another picture.
        """
        with self._lock:
            if digest in self._held:
                return self._held[digest]
            if digest in self._recent:
                self._recent.move_to_end(digest)
                return self._recent[digest]
        image, _ = self._read(digest)
        self._remember(digest, image)
        return image

    def file(self, digest: str) -> bytes:
        """A picture's file, for an export.

        Raises:
            StoreError: It is missing or damaged, or holds another picture.
        """
        return self._read(digest)[1]

    def has(self, digest: str) -> bool:
        """Whether there is a file of a picture, whatever it holds."""
        if not is_name(digest):
            return False
        path = self.path(digest)
        try:
            return not path.parent.is_symlink() and stat.S_ISREG(path.lstat().st_mode)
        except OSError:
            return False

    def remove(self, digest: str) -> None:
        """Delete a picture's file, or what stands in its place; never another file."""
        if is_name(digest) and not self.path(digest).parent.is_symlink():
            self.path(digest).unlink(missing_ok=True)

    def _read(self, digest: str) -> tuple[Image.Image, bytes]:
        """A picture and its file, compared with its name."""
        path = self.path(digest)
        see = f"see driftloop doctor {self.folder.parent}"
        try:
            data = _bytes_of(path)
            with open_picture(data, ("PNG",)) as file:
                file.load()
                image = file.copy()
        except FileNotFoundError:
            raise StoreError(f"{path}: the picture is missing; {see}") from None
        except MemoryError:
            raise
        except Exception as error:
            raise StoreError(f"{path}: the picture is damaged ({error}); {see}") from error
        if image_digest(image) != digest:
            raise StoreError(
                f"{path}: the file holds another picture than its name says, so it is not used; "
                f"put the right one back, or {see}"
            )
        return image, data

    def digests(self) -> Iterator[str]:
        """Every picture that has a file."""
        for path in self.folder.glob("??/*.png"):
            yield path.stem

    def leftovers(self) -> Iterator[Path]:
        """Half-written files that a killed run left behind."""
        for path in self.folder.glob("??/.*.part"):
            if not path.parent.is_symlink():
                yield path

    def intact(self, digest: str) -> bool:
        """Whether a picture's file holds the pixels that its name says."""
        try:
            self._read(digest)
        except StoreError:
            return False
        return True

    def _remember(self, digest: str, image: Image.Image) -> None:
        with self._lock:
            self._held.pop(digest, None)
            if digest not in self._recent:
                self._recent[digest] = image
                self._size += _size(image)
            self._recent.move_to_end(digest)
            while self._size > CACHED_BYTES and len(self._recent) > 1:
                self._size -= _size(self._recent.popitem(last=False)[1])

    def _check_place(self, folder: Path, before: tuple[int, int] | None) -> None:
        """Refuse to make a folder anew that pictures of this run were written into."""
        if before is not None and identity(folder) != before:
            raise StoreError(
                f"{folder}: the folder was deleted or replaced while the run was played, and the "
                f"pictures in it with it; put it back, or stop the run and let "
                f"driftloop doctor {self.folder.parent} --repair take out what is lost"
            )

    def _make_folder(self, folder: Path) -> None:
        if folder.name in self._known:
            self._check_place(folder, None if folder.is_dir() else (0, 0))
            return
        if folder.is_symlink():
            raise NotADirectoryError(f"{folder} is a link, and a run writes into no other folder")
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            _sync_folder(folder.parent)
        self._known.add(folder.name)


def _bytes_of(path: Path) -> bytes:
    if path.parent.is_symlink():
        raise PictureError("its folder is a link")
    with os.fdopen(os.open(path, _OPENING), "rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise PictureError("it is no file")
        data = stream.read(STORED_BYTES + 1)
    if len(data) > STORED_BYTES:
        raise PictureError(f"its file has more than {STORED_BYTES:,} bytes")
    return data


def _size(image: Image.Image) -> int:
    return image.width * image.height * len(image.getbands())


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut; not every system can."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)
