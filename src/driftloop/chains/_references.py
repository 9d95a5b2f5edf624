"""How sources name their pictures, and which file of the folder is meant.

A path is tried as it stands. Where no file has it, it is taken apart (Windows and POSIX paths,
``file:`` addresses, percent escapes) and compared with the files of the folder: in any case and
normal form of its letters, from its end where it began on another machine, and without an ending
where it has none. A file is taken only where exactly one fits.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from ._folder import look_through
from ._rows import BadCellError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif")
MAX_PATH = 4096
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+://")
FILE_ADDRESS = re.compile(r"file:(//(localhost)?(?=/))?", re.IGNORECASE)
PLAIN = "a path"
"""The form that needs no word."""
DRIVE = re.compile(r"/*[A-Za-z]:")


class Reference(NamedTuple):
    """A path as a source names it, taken apart."""

    parts: tuple[str, ...]
    form: str
    """What kind of path it is, in words."""
    outside: bool
    """Whether it begins, or leads, outside of the folder."""


class Finder:
    """Finds the files that a source's paths mean, inside one folder.

    Args:
        base: The folder, resolved.

    Attributes:
        forms: How many paths were found otherwise than as they stand, by how.
    """

    def __init__(self, base: Path) -> None:
        self.base = base
        self.forms: Counter[str] = Counter()
        self._found: dict[str, Path] = {}
        self._meant: dict[Path, tuple[str, ...]] = {}

    def find(self, name: str) -> Path:
        """The file that is meant.

        Raises:
            BadCellError: There is none in the folder, or more than one.
        """
        if name not in self._found:
            self._found[name] = self._as_it_stands(name) or self._alike(name)
        return self._found[name]

    def notes(self) -> list[str]:
        """How paths were understood that are no path of a file as they stand."""
        if not self.forms:
            return []
        told = ", ".join(f"{count:,} {form}" for form, count in self.forms.most_common())
        return [f"paths of pictures that were found in another form: {told}"]

    def _as_it_stands(self, name: str) -> Path | None:
        if "\0" in name or len(name) > MAX_PATH:
            raise BadCellError("the picture's path is none")
        if ADDRESS.match(name) and not FILE_ADDRESS.match(name):
            raise BadCellError(f"the picture is at an address, and nothing is fetched: {name}")
        path = Path(os.path.normpath(self.base / name))
        if not path.is_relative_to(self.base):
            # Not even looked at: it may be anything, and anywhere.
            return None
        try:
            if not path.exists():
                return None
            path = path.resolve()
        except (OSError, RuntimeError) as error:
            raise BadCellError(f"the picture's path cannot be followed: {error}") from None
        if path.is_relative_to(self.base):
            return path
        raise BadCellError(f"the picture's path leads out of the source's folder: {name}")

    def _alike(self, name: str) -> Path:
        reference = take_apart(name)
        if not reference.parts:
            raise BadCellError(f"the picture's path names no file: {name}")
        files, how = self._fitting(reference)
        if not files:
            if reference == (reference.parts, PLAIN, False):
                raise BadCellError(f"the picture is not there: {name}")
            where = " (leads out of the source's folder)" if reference.outside else ""
            raise BadCellError(
                f"the picture is not there, by {reference.form}{where}; --images says in which "
                f"folder paths start: {name}"
            )
        if len(files) > 1:
            some = " and ".join(sorted(f.relative_to(self.base).as_posix() for f in files)[:2])
            raise BadCellError(
                f"the picture's path fits more than one file of the folder, such as {some}: {name}"
            )
        (file,) = files
        meant = tuple(map(fold, reference.parts))
        other = self._meant.setdefault(file, meant)
        if other != meant:
            at = file.relative_to(self.base).as_posix()
            raise BadCellError(
                f"two paths would mean one file, {at}: this one, and {'/'.join(other)}: {name}"
            )
        self.forms[", ".join(filter(None, [reference.form, how]))] += 1
        return file

    def _fitting(self, reference: Reference) -> tuple[list[Path], str]:
        """Files whose path ends as the reference does, or the other way round."""
        wanted = tuple(map(fold, reference.parts))
        for whole in (True, False):
            last = wanted[-1]
            if not whole and last.endswith(SUFFIXES):
                break
            index = self._by_name if whole else self._by_stem
            ending = "" if whole else "without its ending"
            best = 0
            fitting: list[tuple[Path, tuple[str, ...]]] = []
            for file in index.get(last, ()):
                parts = file.relative_to(self.base).parts
                folded = tuple(map(fold, parts))
                own = folded if whole else (*folded[:-1], last)
                shared = _shared(own, wanted)
                # One of them must be the end of the other, all of it: run_7/1.png is not
                # run_8/1.png.
                if shared < min(len(own), len(wanted)) or shared < best:
                    continue
                fitting = [(file, own)] if shared > best else [*fitting, (file, own)]
                best = shared
            if fitting:
                exact = [pair for pair in fitting if pair[0].name == reference.parts[-1]]
                fitting = exact if whole and len(exact) == 1 else fitting
                file = fitting[0][0]
                parts = file.relative_to(self.base).parts
                named = parts if whole else (*parts[:-1], file.stem)
                told = filter(None, [ending, _how(named, reference.parts)])
                return [file for file, _ in fitting], ", ".join(told)
        return [], ""

    @cached_property
    def _files(self) -> list[Path]:
        return look_through(self.base).files

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = {}
        for file in self._files:
            found.setdefault(fold(file.name), []).append(file)
        return found

    @cached_property
    def _by_stem(self) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = {}
        for file in self._files:
            if file.suffix.lower() in SUFFIXES:
                found.setdefault(fold(file.stem), []).append(file)
        return found


def take_apart(name: str) -> Reference:
    r"""Split a path of any system, or a ``file:`` address.

    >>> take_apart(r"C:\data\run 7\1.png")
    Reference(parts=('data', 'run 7', '1.png'), form='an absolute Windows path', outside=True)
    >>> take_apart("file:///data/run%207/1.png").parts
    ('data', 'run 7', '1.png')
    """
    form = ""
    address = FILE_ADDRESS.match(name)
    rest = name
    if address:
        rest, form = unquote(name[address.end() :]), "a file address"
    windows = "\\" in rest or DRIVE.match(rest) is not None
    if windows:
        rest = rest.replace("\\", "/")
    absolute = rest.startswith("/") or DRIVE.match(rest) is not None
    rest = DRIVE.sub("", rest, count=1) if DRIVE.match(rest) else rest
    if not address and re.search(r"%[0-9A-Fa-f]{2}", rest):
        rest, form = unquote(rest), "a path with percent escapes"
    parts: list[str] = []
    outside = absolute
    for part in rest.split("/"):
        if part == "..":
            outside = outside or not parts
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    kind = f"{'an absolute' if absolute else 'a'}{' Windows' if windows else ''} path"
    return Reference(tuple(parts), form or kind, outside)


def fold(part: str) -> str:
    """A name without the case and the normal form of its letters."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", part).casefold())


def _shared(own: tuple[str, ...], wanted: tuple[str, ...]) -> int:
    """How many parts from the end on are the same."""
    count = 0
    for mine, theirs in zip(reversed(own), reversed(wanted), strict=False):
        if mine != theirs:
            break
        count += 1
    return count


def _how(parts: tuple[str, ...], asked: tuple[str, ...]) -> str:
    """How a file's path differs from the one that was asked for, in words."""
    told = ["by the end of the path"] if len(parts) != len(asked) else []
    count = min(len(parts), len(asked))
    mine, theirs = parts[-count:], asked[-count:]
    composed = [[unicodedata.normalize("NFC", part) for part in path] for path in (mine, theirs)]
    if composed[0] != composed[1]:
        told.append("in another case")
    elif mine != theirs:
        told.append("in another normal form of its letters")
    return ", ".join(told)
