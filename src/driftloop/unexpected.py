"""Errors that nobody foresaw: a traceback in a file, without keys, and a line to tell it in."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import shlex
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from urllib.parse import quote

import platformdirs

from .errors import printable

LONGEST_LINE = 300
"""Characters of an error that are told in a line."""
LONGEST_FILE = 1_000_000
"""Characters of a traceback; of a longer one its beginning and its end are kept."""
_NAMED_SECRET = re.compile(
    r"(?i)key|token|secret|passw|credential|auth(?!or)|cookie|OPENAI_|GEMINI_"
)
_SHAPES = (
    (re.compile(r"(?i)\b(bearer|basic)(\s+)[^\s,;\"'\\)\]}]+"), r"\1\2***"),
    (re.compile(r"\b(?:sk|hf|gsk|xai|ghp|github_pat)[-_][\w-]{12,}|\bAIza[\w-]{20,}"), "***"),
    (re.compile(r"(\w+://)[^\s/@'\"]+@"), r"\1***@"),
    (
        re.compile(
            r"(?i)\b([\w-]*(?:(?:api|access)[_-]?key|token|secret|passw(?:or)?d|signature)"
            r"[\"']?\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|[^\s&,;)\]}]+)"
        ),
        r"\1***",
    ),
)
_LEAST_SECRET = 6
"""Characters; a shorter value stands in too many words."""


def write_traceback(error: BaseException, folder: Path | None = None) -> Path | None:
    """Keep an error's traceback in a file of its own, with what was called and on which versions.

    Args:
        error: The error.
        folder: Where to keep it if it can be written; else it is kept in the user's state folder,
            else in the system's folder for temporary files.

    Returns:
        The file; None where none of them can be written.
    """
    text = without_secrets("".join(_told(error)))
    if len(text) > LONGEST_FILE:
        half = LONGEST_FILE // 2
        text = f"{text[:half]}\n... {len(text) - 2 * half:,} characters ...\n{text[-half:]}"
    for place in _places(folder):
        with contextlib.suppress(OSError):
            return _write(place, text.encode("utf-8", "backslashreplace"))
    return None


def in_a_line(error: BaseException) -> str:
    """An error as its kind and its words, in a line that a terminal can show."""
    try:
        words = " ".join(str(error).split())
    except Exception:
        words = "(it has no words)"
    line = printable(without_secrets(f"{type(error).__name__}: {words}".removesuffix(": ")))
    return line if len(line) <= LONGEST_LINE else f"{line[: LONGEST_LINE - 3]}..."


def without_secrets(text: str) -> str:
    """A text without what is a key, or may be one, in this process's environment or by its shape.

    >>> without_secrets("GET https://me:hunter22@example.org with Authorization: Bearer abcdef")
    'GET https://***@example.org with Authorization: Bearer ***'
    """
    values = {
        value.strip()
        for name, value in os.environ.items()
        # A variable may name the file that has the key; its path is in every other one of it.
        if _NAMED_SECRET.search(name)
        and len(value.strip()) >= _LEAST_SECRET
        and not os.path.exists(value)
    }
    # The longest first: one may be a part of another.
    for value in sorted(values | _allowed_values(), key=len, reverse=True):
        for form in (value, repr(value)[1:-1], quote(value), quote(value, safe="")):
            text = text.replace(form, "***")
    for shape, rest in _SHAPES:
        text = shape.sub(rest, text)
    return text


def _allowed_values() -> set[str]:
    """Keys in variables of any name, which the user has allowed for some address."""
    try:
        from .models import variables_allowed

        values = [os.environ.get(name, "").strip() for name in variables_allowed()]
    except Exception:
        return set()
    return {value for value in values if len(value) >= _LEAST_SECRET}


def _told(error: BaseException) -> Iterator[str]:
    yield f"{time.strftime('%Y-%m-%d %H:%M:%S %z')}\n{shlex.join(sys.argv)}\n"
    yield f"Python {platform.python_version()} on {platform.platform()}\n"
    with contextlib.suppress(Exception):
        # A package's files may be what is broken.
        found = {f"{d.metadata['Name']} {d.version}" for d in distributions()}
        yield f"{', '.join(sorted(found, key=str.lower))}\n"
    yield "\n"
    yield from traceback.format_exception(error)


def _places(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        yield folder
    with contextlib.suppress(OSError, RuntimeError):
        state = Path(platformdirs.user_state_dir("driftloop"))
        state.mkdir(parents=True, exist_ok=True)
        yield state
    with contextlib.suppress(OSError):
        yield Path(tempfile.mkdtemp(prefix="driftloop-"))


def _write(folder: Path, data: bytes) -> Path:
    """Write a file that was not there before; a link under its name is not followed."""
    stamp = time.strftime("%Y-%m-%d-%H%M%S")
    for number in range(1, 1000):
        path = folder / f"error-{stamp}{f'-{number}' if number > 1 else ''}.txt"
        try:
            stream = path.open("xb")
        except FileExistsError:
            continue
        try:
            with stream:
                stream.write(data)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return path
    raise FileExistsError(folder)
