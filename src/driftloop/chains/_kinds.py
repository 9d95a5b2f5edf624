"""Which of a row's cells is a text and which a picture, where one column holds both."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ._pictures import SUFFIXES

TEXTS = frozenset(
    {"text", "txt", "caption", "captions", "description", "string", "str", "prompt", "story", "t"}
)
PICTURES = frozenset(
    {
        "image", "images", "img", "picture", "photo", "png", "jpg", "jpeg", "webp", "image_path",
        "image_url", "path", "drawing", "i",
    }
)  # fmt: skip
MAX_PATH = 1_000
_ENCODED = re.compile(
    r"(?:data:image/|iVBORw0KGgo|/9j/|R0lGOD|UklGR|Qk0)[\w+/=:;,.\-\s]*", re.ASCII
)


def kind_of(cell: Any) -> str | None:
    """What a column of kinds says: ``text``, ``image``, or neither.

    >>> kind_of("image/png"), kind_of("Text"), kind_of("train")
    ('image', 'text', None)
    """
    if not isinstance(cell, str):
        return None
    word = cell.strip().casefold()
    first = word.split("/")[0]
    if word in TEXTS or first == "text":
        return "text"
    return "image" if word in PICTURES or first == "image" else None


def holds_picture(cell: Any) -> bool:
    """Whether a cell is a picture by itself: its file, its file's name, or its file as text.

    >>> holds_picture("out/step 1.png"), holds_picture("A door, and a sign: see map.png")
    (True, False)
    """
    if isinstance(cell, bytes):
        # No picture's file is a text by chance.
        return any(byte > 127 for byte in cell[:64]) and not _is_text(cell)
    if isinstance(cell, Mapping):
        return "bytes" in cell or "path" in cell
    if not isinstance(cell, str):
        return False
    text = cell.strip()
    if _ENCODED.match(text) and " " not in text[:200] and len(text) > 60:
        return _ENCODED.fullmatch(text[:2_000]) is not None
    if len(text) > MAX_PATH or "\n" in text or not text.casefold().endswith(SUFFIXES):
        return False
    # A sentence may end in a file's name: it has words, and no folders.
    return " " not in text or "/" in text.split(" ")[0] or "\\" in text.split(" ")[0]


def sort_contents(
    text: Any, image: Any, said: str | None, *, apart: bool = False
) -> tuple[Any, Any]:
    """A row's text and picture, put right where one stands in the column of the other.

    Args:
        text: The cell of the column of texts; None where it is missing.
        image: The cell of the column of pictures; None where it is missing.
        said: What the row says that it holds: ``text``, ``image``, or nothing.
        apart: Whether texts and pictures have a column each; then a picture that is missing is no
            reason to take the text for one, nor a name of a file for a text.
    """
    if image is None and said != "text" and holds_picture(text):
        return None, text
    if apart:
        return text, image
    if said == "image" and image is None:
        return None, text
    if said == "text" and text is None and isinstance(image, str):
        return image, None
    return text, image


def _is_text(cell: bytes) -> bool:
    try:
        cell.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
