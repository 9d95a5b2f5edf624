"""The one way to read a picture that comes from outside: as a viewer shows it, and within limits.

A server's answer, a picture of an import and a prompt are all read here. What had to be done to
get 8 bits of red, green and blue is told beside the picture, in the words of :data:`NOTES`.
"""

from __future__ import annotations

import io
import stat
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageCms, ImageFile

MAX_PIXELS = 64_000_000
MAX_BYTES = 100_000_000
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "PPM", "JPEG2000")
"""Formats of pixels, whose decoders run no program and open no other file."""
NOTES = {
    "turned": "the picture was turned or mirrored, as its file says (EXIF orientation)",
    "laid on white": "transparent parts of the picture were laid on white",
    "scaled to 8 bits": "the picture had more than 8 bits a channel and was scaled to 8",
    "colours converted": "the colours were converted to sRGB (CMYK, LAB or a colour profile)",
    "profile ignored": "the picture's colour profile cannot be used and was left out",
    "first frame": "the file holds several pictures, and the first was taken",
}
"""What was done to a picture when it was read, by the short words that are kept with it."""

_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_PHOTOMETRIC = 262
_UNSEEN = 2
"""Levels of 255: a profile that changes no colour by more is sRGB under another name."""
_SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}


class PictureError(ValueError):
    """A picture that cannot be used; the message is the reason."""


class Picture(NamedTuple):
    """A picture that was read."""

    image: Image.Image
    """8 bits of red, green and blue."""
    notes: tuple[str, ...] = ()
    """What was done to get there: words of :data:`NOTES`."""


def read_picture(source: bytes | Path) -> Picture:
    """Read a picture as a viewer shows it.

    A plain picture of 8 bits a channel keeps its bits.

    Args:
        source: The bytes of its file, or where that is.

    Raises:
        PictureError: It is no picture, in no format of :data:`FORMATS`, damaged, or larger than
            :data:`MAX_PIXELS` or :data:`MAX_BYTES`, which is told before anything is decoded.
        OSError: The file cannot be read.
    """
    data = source if isinstance(source, bytes) else _bytes_of(source)
    if len(data) > MAX_BYTES:
        raise PictureError(f"the picture's file has more than {MAX_BYTES:,} bytes")
    if not data:
        raise PictureError("the picture's file is empty")
    try:
        with open_picture(data) as file:
            return _decode(file)
    except (PictureError, MemoryError):
        raise
    except Exception as error:
        # Decoders raise almost anything over bytes that nobody has checked.
        raise PictureError(f"the picture is damaged: {error}") from error


def _bytes_of(path: Path) -> bytes:
    # A pipe or a device would be waited for, or never end.
    if not stat.S_ISREG(path.stat().st_mode):
        raise PictureError("the picture is no file")
    with path.open("rb") as stream:
        return stream.read(MAX_BYTES + 1)


def open_picture(data: bytes, formats: Sequence[str] = FORMATS) -> ImageFile.ImageFile:
    """Open a picture by its first bytes and check its size, before any of it is decoded.

    ``Image.open`` would warn of a large picture before its size could be asked for.

    Raises:
        PictureError: It has none of the formats, no pixels, or too many of them.
        Exception: Its header is damaged.
    """
    file = _open(data, formats)
    # The size stands in the header: a bomb is told before it is unpacked.
    if file.width < 1 or file.height < 1:
        raise PictureError("the picture has no pixels")
    if file.width * file.height > MAX_PIXELS:
        raise PictureError(
            f"the picture is too large: {file.width} by {file.height} pixels, and at most "
            f"{MAX_PIXELS:,} are read"
        )
    return file


def _open(data: bytes, formats: Sequence[str]) -> ImageFile.ImageFile:
    Image.init()
    reason: Exception | None = None
    for name in formats:
        if name not in Image.OPEN:
            continue
        factory, accept = Image.OPEN[name]
        try:
            # What is accepted with a text is known, and cannot be read by this build of Pillow.
            if accept is None or accept(data[:16]) is True:
                return factory(io.BytesIO(data), "")
        except (SyntaxError, IndexError, TypeError, struct.error) as error:
            reason = error
    if reason is not None:
        raise reason
    raise PictureError(f"the picture is none of {', '.join(formats)}")


def _decode(file: ImageFile.ImageFile) -> Picture:
    packed, turn = _packed(file), _orientation(file)  # PNG is loaded to look for it.
    file.load()
    left = _orientation(file)  # Pillow has turned a TIFF by now, and nothing else.
    image = file.copy()
    colours, alpha = _split(image, packed)
    deep = ";16" in packed or colours.mode[0] in "IF"
    if colours.mode[0] in "IF":
        colours = _shallow(colours, file, packed)
    plain, done = _to_srgb(colours, image.info.get("icc_profile"))
    clear = alpha is not None and alpha.getextrema()[0] != 255
    if clear:
        sheet = Image.new("RGB", plain.size, "white")
        sheet.paste(plain, mask=alpha)
        plain = sheet
    if left in _TURNS:
        plain = plain.transpose(_TURNS[left])
    plain.info = {}
    found = {
        "turned": turn in _TURNS,
        "laid on white": clear,
        "scaled to 8 bits": deep,
        "first frame": _has_more(file),
    }
    return Picture(plain, tuple(note for note in NOTES if found.get(note) or note == done))


def _orientation(file: Image.Image) -> int | None:
    try:
        value = file.getexif().get(_ORIENTATION)
    except Exception:
        return None  # Data about a picture may be damaged where its pixels are not.
    return value if isinstance(value, int) else None


def _has_more(file: ImageFile.ImageFile) -> bool:
    # Behind a JPEG there may be its preview or its depth, which no viewer shows.
    if file.format == "MPO":
        return False
    try:
        return bool(getattr(file, "is_animated", False))
    except Exception:
        return True  # The next one is there, and damaged.


def _packed(file: ImageFile.ImageFile) -> str:
    """How a file's pixels lie in it, in Pillow's words: ``RGB;16B``."""
    for tile in file.tile:
        args: Any = tile[3]
        found = args[0] if isinstance(args, tuple) and args else args
        return found if isinstance(found, str) else ""
    return ""


def _split(image: Image.Image, packed: str) -> tuple[Image.Image, Image.Image | None]:
    """A picture without its transparency, and that."""
    if image.mode in {"La", "RGBa"}:
        image = image.convert(image.mode.upper())
    if image.mode == "LA":
        return image.getchannel("L"), image.getchannel("A")
    if image.mode in {"P", "PA", "RGBA"}:
        if not image.has_transparency_data:
            return image.convert("RGB"), None
        whole = image.convert("RGBA")
        return whole.convert("RGB"), whole.getchannel("A")
    key = image.info.get("transparency")
    if image.mode == "1":
        image = image.convert("L")
    if key is None or image.mode not in {"L", "I;16", "I", "RGB"}:
        return image, None
    # One colour is clear. It is told in the bits of the file: of 2 and 4 to a level, of 16 to a
    # channel, of which Pillow keeps the upper half.
    wanted = np.asarray(key, np.int64)
    if packed in {"L;2", "L;4"}:
        wanted = wanted * (255 // (2 ** int(packed[-1]) - 1))
    elif packed.startswith("RGB;16"):
        wanted = wanted >> 8
    same = np.asarray(image) == wanted
    same = same.all(axis=2) if same.ndim == 3 else same
    return image, Image.fromarray(np.where(same, 0, 255).astype(np.uint8))


def _shallow(image: Image.Image, file: ImageFile.ImageFile, packed: str) -> Image.Image:
    """Scale levels to 8 bits.

    Those of 16 bits have a range. Of integers of 32 bits and of floats nobody knows it, and the
    smallest of the usual ones is taken that holds all of them.
    """
    levels = np.asarray(image).astype(np.float32)
    if not np.isfinite(levels).all():
        raise PictureError("the picture holds levels that are no numbers (NaN or infinite)")
    least, most = float(levels.min()), float(levels.max())
    if image.mode.startswith("I;16") or (file.format in {"PNG", "PPM", "JPEG2000"} and most > 1):
        top = 4095.0 if packed == "I;12" else 65535.0
    else:
        usual = (*((1.0,) if image.mode == "F" else ()), 255.0, 65535.0, 2.0**32 - 1)
        top = next((top for top in usual if most <= top), 0.0)
    if least < 0 or not top:
        raise PictureError(
            f"the picture's levels from {least:g} to {most:g} have no known range: write it with "
            f"8 bits a channel"
        )
    levels = levels * (255 / top)
    if _is_negative(file):
        levels = 255 - levels
    return Image.fromarray(np.floor(levels + 0.5).astype(np.uint8))


def _is_negative(file: ImageFile.ImageFile) -> bool:
    """Whether 0 is white, which Pillow heeds of 8 bits and not of more."""
    tags: Any = getattr(file, "tag_v2", {})
    return bool(tags.get(_PHOTOMETRIC) == 0)


def _to_srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, str | None]:
    """A picture in RGB, and the note on how, where that is more than another way to write it."""
    if image.mode == "LAB":
        return _transform(ImageCms.createProfile("LAB"), image), "colours converted"
    plain, usual = image.convert("RGB"), "colours converted" if image.mode == "CMYK" else None
    if not profile or image.mode not in _SPACES:
        return plain, usual
    try:
        known = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if known.profile.xcolor_space.strip() != _SPACES[image.mode]:
            return plain, "profile ignored"
        sample = _sample(image.mode)
        change = np.asarray(_transform(known, sample), int) - np.asarray(sample.convert("RGB"), int)
        if np.abs(change).max() <= _UNSEEN:
            return plain, usual
        return _transform(known, image), "colours converted"
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return plain, "profile ignored"


def _transform(profile: Any, image: Image.Image) -> Image.Image:
    srgb = ImageCms.createProfile("sRGB")
    found = ImageCms.profileToProfile(image, profile, srgb, outputMode="RGB")
    assert found is not None
    return found


def _sample(mode: str) -> Image.Image:
    """Colours of a mode, evenly spread."""
    channels = len(Image.new(mode, (1, 1)).getbands())
    steps = np.linspace(0, 255, {1: 256, 3: 17, 4: 7}[channels]).round().astype(np.uint8)
    grid = np.stack(np.meshgrid(*[steps] * channels, indexing="ij"), axis=-1)
    data = np.ascontiguousarray(grid).tobytes()
    return Image.frombytes(mode, (grid.size // channels, 1), data)
