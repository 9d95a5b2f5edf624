"""Pictures that stand in a cell themselves: bytes, base64, ``data:`` addresses, lists of one."""

from __future__ import annotations

import ast
import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from ._rows import BadCellError

BASE64 = re.compile(r"[A-Za-z0-9+/_\-\s]+={0,2}\s*")
LEAST = 64
"""Characters of base64 that can be a picture; a shorter text is a path."""
HEADS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"BM", b"II*\0", b"MM\0*", b"\0\0\0")
"""How the files of pictures begin."""


def sole(cell: Any) -> Any:
    """What a cell holds, taken out of lists of one and of ``{bytes, path}``.

    Raises:
        BadCellError: It holds several pictures, or what is no picture.
    """
    if isinstance(cell, Mapping):
        known = [cell.get(key) for key in ("bytes", "path", "url", "src", "image")]
        held = next((value for value in known if value is not None and value != b""), None)
        if held is None:
            raise BadCellError(f"the picture's cell has neither bytes nor a path: {list(cell)[:5]}")
        return sole(held)
    if isinstance(cell, list | tuple):
        if len(cell) > LEAST and all(type(one) is int and 0 <= one < 256 for one in cell):
            return bytes(cell)
        if len(cell) == 1:
            return sole(cell[0])
        if any(isinstance(one, int | float | list) for one in cell):
            raise BadCellError("the picture is an array of numbers, not the bytes of a file")
        raise BadCellError(
            f"the cell holds {len(cell)} pictures, and a step has one; give each a row of its own"
        )
    if isinstance(cell, bytearray | memoryview):
        return bytes(cell)
    if not isinstance(cell, str | bytes) or not cell.strip():
        raise BadCellError("the picture is neither a path nor the bytes of a file")
    if isinstance(cell, str) and cell.lstrip()[:2] in ("b'", 'b"', "{'", "['", '["', '{"', "[{"):
        # Tables that pandas wrote as CSV hold what Python shows of bytes, lists and dictionaries.
        try:
            return sole(ast.literal_eval(cell.strip()))
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            raise BadCellError("the picture is what Python shows of an object, cut off") from None
    return cell


def inside(cell: str | bytes) -> bytes | None:
    """The bytes of the picture that a cell is, or None where it names a file.

    Raises:
        BadCellError: It is base64 or a ``data:`` address, but damaged.
    """
    if isinstance(cell, bytes):
        return cell
    text = cell.strip()
    if text[:5].lower() == "data:":
        head, comma, rest = text.partition(",")
        if not comma:
            raise BadCellError("the picture is a data: address without data")
        if head.lower().endswith(";base64"):
            return _decoded(unquote_to_bytes(rest).decode("latin-1"))
        return unquote_to_bytes(rest)
    if text.startswith("<") and text.endswith(">"):
        raise BadCellError(f"the picture is what Python shows of an object, not a file: {text}")
    if len(text) < LEAST or not BASE64.fullmatch(text):
        return None
    try:
        picture = _decoded(text[:LEAST]).startswith(HEADS)
    except BadCellError:
        return None
    return _decoded(text) if picture else None


def _decoded(text: str) -> bytes:
    """Base64 of either alphabet, with or without its padding."""
    plain = "".join(text.split()).translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadCellError(f"the picture's base64 is damaged: {error}") from None
