"""What a person hands in: paths, and files of text in whatever form their program wrote them."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from .errors import DriftloopError

LONGEST_PART = 255
"""Bytes that file systems allow a name in a path."""


def expand(path: str | PathLike[str]) -> Path:
    """A path with its ``~`` expanded, that the system can be asked about.

    Raises:
        DriftloopError: No file can have it: a home that nobody has, a NUL, a name too long.

    >>> expand("postcards").as_posix()
    'postcards'
    """
    text = str(path)
    shown = repr(text if len(text) <= 60 else f"{text[:57]}...")
    if "\0" in text:
        raise DriftloopError(f"{shown}: a path cannot have a NUL in it; take it out")
    try:
        found = Path(path).expanduser()
    except RuntimeError as error:
        raise DriftloopError(
            f"{shown}: there is no user of that name on this machine; write the path in full, or "
            f"./ before a name that begins with ~"
        ) from error
    lengths = [len(part.encode("utf-8", "surrogatepass")) for part in found.parts]
    if max(lengths, default=0) > LONGEST_PART or sum(lengths) + len(lengths) > 4096:
        raise DriftloopError(f"{shown}: {len(text):,} characters are too long for a path")
    return found
