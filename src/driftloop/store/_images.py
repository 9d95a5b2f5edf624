"""Pictures by their content: ``images/ab/abcdef....png``."""

from __future__ import annotations

import os
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from ..errors import StoreError
from ..steps import image_digest

CACHED_IMAGES = 512
WRITERS = 8
"""Pictures that are written at the same time."""


class ImageFiles:
    """A folder of lossless pictures, named by the hash of their pixels.

    Any thread may read while another writes.

    Args:
        folder: Where they are; made when the first picture comes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._recent: OrderedDict[str, Image.Image] = OrderedDict()
        self._held: dict[str, Image.Image] = {}
        self._lock = threading.Lock()
        self._known: set[str] = set()

    def path(self, digest: str) -> Path:
        """Where a picture's file is, or would be."""
        return self.folder / digest[:2] / f"{digest}.png"

    def hold(self, images: Mapping[str, Image.Image]) -> None:
        """Have pictures to be read before they are written, by digest; :meth:`put` follows."""
        with self._lock:
            self._held.update(images)

    def put(self, images: Mapping[str, Image.Image]) -> None:
        """Write pictures, by digest, so that each file is either complete or not there.

        Raises:
            OSError: The disk is full or the folder cannot be written.
        """
        self.hold(images)
        fresh = {self.path(d): image for d, image in images.items() if not self.path(d).exists()}
        folders = {path.parent for path in fresh}
        for folder in folders:
            self._make_folder(folder)
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
        handle, temporary = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                image.save(stream, format="PNG", compress_level=3)
                stream.flush()
                os.fsync(stream.fileno())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def get(self, digest: str) -> Image.Image:
        """Read a picture.

        Raises:
            StoreError: Its file is missing or damaged.
        """
        with self._lock:
            if digest in self._held:
                return self._held[digest]
            if digest in self._recent:
                self._recent.move_to_end(digest)
                return self._recent[digest]
        path = self.path(digest)
        try:
            with Image.open(path) as file:
                file.load()
                image = file.copy()
        except FileNotFoundError:
            raise StoreError(
                f"{path}: the picture is missing; driftloop doctor can tell more"
            ) from None
        except (OSError, UnidentifiedImageError, ValueError, SyntaxError) as error:
            raise StoreError(
                f"{path}: the picture is damaged ({error}); see driftloop doctor"
            ) from error
        self._remember(digest, image)
        return image

    def digests(self) -> Iterator[str]:
        """Every picture that has a file."""
        for path in self.folder.glob("??/*.png"):
            yield path.stem

    def leftovers(self) -> Iterator[Path]:
        """Half-written files that a killed run left behind."""
        yield from self.folder.glob("??/.*.part")

    def intact(self, digest: str) -> bool:
        """Whether a picture's file holds the pixels that its name says."""
        try:
            with Image.open(self.path(digest)) as file:
                file.load()
                return image_digest(file) == digest
        except (OSError, UnidentifiedImageError, ValueError, SyntaxError):
            return False

    def _remember(self, digest: str, image: Image.Image) -> None:
        with self._lock:
            self._held.pop(digest, None)
            self._recent[digest] = image
            if len(self._recent) > CACHED_IMAGES:
                self._recent.popitem(last=False)

    def _make_folder(self, folder: Path) -> None:
        if folder.name in self._known:
            return
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            _sync_folder(folder.parent)
        self._known.add(folder.name)


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
