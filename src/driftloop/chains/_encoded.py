"""Files of a source: that they are files, what bytes they hold, and how these are text."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from ..errors import ChainError

BLOCK = 1 << 20
SAMPLE = 1 << 16
BOMS = (
    (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"), (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)  # fmt: skip
"""Marks at the beginning of a file; those of UTF-32 begin as those of UTF-16 do."""
BINARY = {
    b"PK\x03\x04": "a spreadsheet (.xlsx, .ods) or another zip file; save the sheet as CSV, or "
    "unpack it",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet (.xls); save the sheet as CSV",
    b"\x1f\x8b": "packed with gzip; unpack it first (gunzip)",
    b"BZh": "packed with bzip2; unpack it first (bunzip2)",
    b"\xfd7zXZ": "packed with xz; unpack it first (unxz)",
    b"\x28\xb5\x2f\xfd": "packed with zstandard; unpack it first (unzstd)",
    b"7z\xbc\xaf": "a 7z archive; unpack it first",
    b"SQLite format 3": "an SQLite database; write its table as CSV",
    b"\x89HDF": "an HDF5 file; write its table as CSV or Parquet",
    b"ARROW1": "an Arrow (Feather) file; write it as Parquet",
    b"%PDF": "a PDF; write its table as CSV",
    b"\x89PNG": "a picture, not a table",
    b"\xff\xd8\xff": "a picture, not a table",
    b"GIF8": "a picture, not a table",
}
"""How files begin that hold no text, and what to do with them."""
MOST_CONTROLS = 0.05
"""Share of a text's bytes that are control characters."""
LEGACY = "cp1252"
"""What spreadsheets of Western Europe write; Latin-1 is part of it."""


class Encoding(NamedTuple):
    """How the bytes of a file are read as text."""

    name: str
    errors: str = "strict"
    note: str = ""
    """For the user, where it is not plain UTF-8."""


def check_file(file: Path) -> bytes:
    """Check that a file is one that can be read as a table; its first bytes.

    Raises:
        ChainError: It is a pipe, a device, a folder, or of a kind that has to be converted first.
    """
    try:
        # A pipe or a device would be waited for, perhaps for ever.
        if not file.is_file():
            raise ChainError(
                f"{file}: a pipe, a device or a folder, not a file; save what it gives in a file "
                f"first"
            )
        with file.open("rb") as stream:
            start = stream.read(SAMPLE)
    except OSError as error:
        raise ChainError(f"{file}: cannot be read: {error}") from error
    for magic, what in BINARY.items():
        if start.startswith(magic):
            raise ChainError(f"{file}: {what}")
    return start


def detect_encoding(file: Path, chosen: str | None = None) -> Encoding:
    """Find out how a file is encoded.

    Args:
        file: A text file.
        chosen: What the user said.

    Raises:
        ChainError: There is no such encoding, or the file is no text that is known.
    """
    if chosen is not None:
        return Encoding(chosen)
    start = check_file(file)
    for mark, name in BOMS:
        if start.startswith(mark):
            return Encoding(name, note="" if name == "utf-8" else f"as {name.upper()}")
    zeros = [start[at::2].count(0) / max(1, len(start) // 2) for at in (0, 1)]
    # A delimiter and every letter of a Latin script have a zero beside them.
    for at, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        if zeros[at] > 0.02 and zeros[1 - at] < zeros[at] / 10 and _decodes(start, name):
            return Encoding(name, note=f"as {name.upper()}")
    # Tabs, line ends, and the escapes of a terminal are in texts; others hardly.
    controls = sum(map(start.count, map(bytes, zip({*range(32)} - {9, 10, 12, 13, 27}))))
    if controls > MOST_CONTROLS * len(start):
        raise ChainError(f"{file}: binary, not text; write its table as CSV, JSON lines or Parquet")
    return _eight_bits(file)


def _decodes(start: bytes, name: str) -> bool:
    try:
        codecs.getincrementaldecoder(name)().decode(start)
    except UnicodeDecodeError:
        return False
    return True


def _eight_bits(file: Path) -> Encoding:
    """UTF-8, UTF-8 with a few damaged bytes, or what came before it."""
    wide = broken = 0
    sample = ""
    rest = b""
    try:
        with file.open("rb") as stream:
            while block := rest + stream.read(BLOCK):
                # A character that the end of the block cuts is read with the next.
                last = len(block) < BLOCK
                text, used = codecs.utf_8_decode(block, "surrogateescape", last)
                if used == 0:
                    break
                rest = block[used:]
                if text.isascii():
                    continue
                wide += len(re.findall("[\x80-\ud7ff\ue000-\U0010ffff]", text))
                found = re.findall("[\udc80-\udcff]", text)
                if found and not sample:
                    bad = re.search("[^\n]{0,20}[\udc80-\udcff][^\n]{0,20}", text)
                    sample = bad[0] if bad else ""
                broken += len(found)
    except OSError as error:
        raise ChainError(f"{file}: cannot be read: {error}") from error
    if not broken:
        return Encoding("utf-8")
    if wide >= broken:
        return Encoding(
            "utf-8", "surrogateescape", "as UTF-8, with bytes in them that are not UTF-8"
        )
    try:
        shown = sample.encode("utf-8", "surrogateescape").decode(LEGACY).strip()
        with file.open(encoding=LEGACY) as text_stream:
            while text_stream.read(BLOCK):
                pass
    except UnicodeDecodeError as error:
        raise ChainError(
            f"{file}: neither UTF-8 nor {LEGACY} at byte {error.start}; say what it is, for "
            f"example --encoding latin-1 or --encoding shift_jis"
        ) from None
    return Encoding(
        LEGACY,
        note=f"as {LEGACY} (Western European; --encoding says another), for example {shown!r}",
    )


@contextmanager
def open_text(
    file: Path, encoding: Encoding | str | None, *, newline: str | None = ""
) -> Iterator[IO[str]]:
    """Open a text file past its byte order mark, and tell what cannot be read of it.

    Args:
        file: The file.
        encoding: As it was detected, or the user's choice; None to detect it.
        newline: As ``open`` has it.

    Raises:
        ChainError: It is in another encoding, there is no such encoding, or reading fails.
    """
    if not isinstance(encoding, Encoding):
        encoding = detect_encoding(file, encoding)
    try:
        with file.open(encoding=encoding.name, errors=encoding.errors, newline=newline) as stream:
            if stream.read(1) != "\ufeff":
                stream.seek(0)
            yield stream
    except UnicodeDecodeError as error:
        raise ChainError(
            f"{file}: not {encoding.name} at byte {error.start}; leave --encoding out, or say "
            f"what it is, for example --encoding latin-1"
        ) from None
    except UnicodeError as error:
        raise ChainError(f"{file}: not {encoding.name}: {error}") from None
    except LookupError:
        raise ChainError(f"--encoding {encoding.name}: there is no such encoding") from None
    except OSError as error:
        raise ChainError(f"{file}: cannot be read: {error}") from error
