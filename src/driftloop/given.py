"""What a person hands in: paths, and files of text in whatever form their program wrote them."""

from __future__ import annotations

import codecs
import re
import stat
import tomllib
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from .errors import DriftloopError

if TYPE_CHECKING:
    from pydantic import BaseModel

LONGEST_PART = 255
"""Bytes that file systems allow a name in a path."""
MOST_BYTES = 64 * 2**20
"""Of a file of text: larger ones are something else, given by mistake."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
_WESTERN = re.compile(r"[ -~\s À-ÖØ-öø-ÿŒœŠšŽžŸ€‚„…‘’“”•–—«»°§£©®´¡¿²³½·]*")


def checked(path: str | PathLike[str]) -> Path:
    """A path that the system can be asked about.

    Raises:
        DriftloopError: No file can have it (a NUL, a name too long), or it may not be looked at.

    >>> checked("postcards").as_posix()
    'postcards'
    """
    text = str(path)
    shown = repr(text if len(text) <= 60 else f"{text[:57]}...")
    if "\0" in text:
        raise DriftloopError(f"{shown}: a path cannot have a NUL in it; take it out")
    found = Path(path)
    lengths = [len(part.encode("utf-8", "surrogatepass")) for part in found.parts]
    if max(lengths, default=0) > LONGEST_PART or sum(lengths) + len(lengths) > 4096:
        raise DriftloopError(f"{shown}: {len(text):,} characters are too long for a path")
    try:
        there = found.exists()
    except OSError as error:
        raise DriftloopError(f"{shown}: cannot be looked at: {error.strerror}") from error
    if any(ord(character) < 32 for character in text) and not there:
        raise DriftloopError(
            f'{shown}: a path with a tab or a line break in it, as "C:\\temp" has in double '
            f"quotes; write it in single ones: 'C:\\temp'"
        )
    return found


def expand(path: str | PathLike[str]) -> Path:
    """A path with its ``~`` expanded, that the system can be asked about.

    Raises:
        DriftloopError: No file can have it, or there is no such home.
    """
    found = checked(path)
    try:
        return found.expanduser()
    except RuntimeError as error:
        raise DriftloopError(
            f"{str(path)!r}: there is no user of that name on this machine; write the path in "
            f"full, or ./ before a name that begins with ~"
        ) from error


def is_there(path: str | PathLike[str]) -> bool:
    """Whether a text is the path of something, also where it could be none."""
    try:
        return expand(path).exists()
    except DriftloopError:
        return False


def no_truths(model: type[BaseModel], data: Any) -> Any:
    """Data for a model as it came, where no number in it is written as true or false.

    Raises:
        ValueError: One is: it would be played as 1 or 0.
    """
    if isinstance(data, dict):
        for name, field in model.model_fields.items():
            if isinstance(data.get(name), bool):
                kinds = _kinds(field.annotation)
                if kinds & {int, float} and bool not in kinds:
                    said = str(data[name]).lower()
                    raise ValueError(f"{name}: a number is wanted, and it is {said}")
    return data


def _kinds(annotation: Any) -> set[Any]:
    """The types that an annotation is made of."""
    inside = get_args(annotation)
    return set().union(*(_kinds(one) for one in inside)) if inside else {annotation}


def read_text(path: Path, *, western: bool = False) -> str:
    """Read a file of text: UTF-8, or whatever encoding a mark at its beginning names.

    Args:
        path: The file.
        western: Also take the encoding that Windows has in the west of Europe (cp1252), where a
            file that names none is plainly such a text: mostly ASCII, and letters else.

    Raises:
        DriftloopError: It cannot be read, or not as text; the message names the line and the fix.
        FileNotFoundError: It does not exist.
    """
    try:
        status = path.stat()
        waits = stat.S_ISFIFO(status.st_mode) or stat.S_ISSOCK(status.st_mode)
        # What a shell gives as <(command) is a pipe, and somebody writes to it.
        if waits and not path.is_relative_to("/dev") and not path.is_relative_to("/proc"):
            raise DriftloopError(f"{path}: a pipe, not a file")
        if status.st_size > MOST_BYTES:
            raise DriftloopError(f"{path}: {status.st_size:,} bytes are no file of text")
        data = path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise DriftloopError(f"{path}: cannot be read: {error.strerror or error}") from error
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        if western and encoding == "utf-8":
            guessed = data.decode("cp1252", "replace")
            strange = sum(not character.isascii() for character in guessed)
            if _WESTERN.fullmatch(guessed) and strange * 4 <= len(guessed):
                return guessed
        line = data.count(b"\n", 0, error.start) + 1
        raise DriftloopError(
            f"{path}: line {line} is not {encoding.removesuffix('-sig').upper()} text: save the "
            f"file as UTF-8 (in an editor: Save with encoding, UTF-8)"
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DriftloopError(f"{path}: line {line} holds a NUL: save the file as UTF-8 text")
    return text


def read_toml(text: str, where: str) -> dict[str, Any]:
    """Read TOML.

    Args:
        text: The content of a file.
        where: What to call the file in errors.

    Raises:
        DriftloopError: It is not TOML; with the line, its number and the likeliest fix.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DriftloopError(f"{where}: not valid TOML: {_pointed(str(error), text)}") from error
    except ValueError as error:
        reason = str(error).partition(";")[0]
        raise DriftloopError(f"{where}: not valid TOML: a number is too long: {reason}") from error
    except RecursionError as error:
        raise DriftloopError(
            f"{where}: not valid TOML: lists or tables are nested too deep"
        ) from error


def _pointed(reason: str, text: str) -> str:
    """A reason with the line that it is about, and a fix."""
    found = re.search(r"\(at line (\d+), column (\d+)\)", reason)
    if found is None:
        return f"{reason}: a quote or a bracket that is opened somewhere is not closed"
    number, column = int(found[1]), int(found[2])
    line = text.replace("\r\n", "\n").split("\n")[number - 1]
    first = max(0, column - 60)
    fix = _fix(line, reason)
    return f"{reason}: {line[first : first + 90].strip()}" + (f" ({fix})" if fix else "")


def _fix(line: str, reason: str) -> str:
    quoted = re.search(r'"[^"]*\\[^"]*"?', line)
    if quoted and ("\\" in reason or "hex value" in reason or "Unescaped" in reason):
        inside = quoted[0].strip('"')
        return f"a backslash stands for itself in single quotes: '{inside}'"
    if re.search("[“”„‟‘’‚‛«»″′]", line):
        return "quotes as a word processor or a web page has them: write \" or ' in their place"
    if re.search("[\u00a0\u2000-\u200b\u202f\u3000\ufeff]", line):
        return "a blank of a web page, which is none to a program: type the blanks again"
    if re.match(r"\s*[\w.-]+\s*:", line):
        return "a key is followed by = and not by a colon"
    if re.search(r"=\s*(True|False|None|null|nil|yes|no)\b", line):
        return "write true or false; leave out a key that has no value"
    if re.match(r"\s*[{]\s*$|\s*[{]\s*\"", line):
        return "this looks like JSON; a study is TOML: key = value, a line each"
    return ""
