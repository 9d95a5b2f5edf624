"""Collections of texts that players draw on: prompt sets that ship, or files of prompts."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ..errors import DriftloopError, ModelError
from ..prompts import load_prompts, shipped
from ._files import user_path


def locate_texts(path: str, what: str = "captions") -> str:
    """A name for a collection that changes with its content.

    Args:
        path: A prompt set that ships, or a file.
        what: What its texts are called in an error.

    Raises:
        ModelError: There is none.
    """
    file = user_path(path)
    if file.is_file():
        with file.open("rb") as stream:
            name = hashlib.file_digest(stream, "sha256").hexdigest()
        return f"{what}:{name[:32]}"
    if path in shipped():
        return f"prompts:{path}"
    raise ModelError(
        f"no {what} at '{path}': it is neither a file nor a prompt set that ships "
        f"({', '.join(shipped())})"
    )


def load_texts(path: str, what: str = "captions") -> list[str]:
    """The texts of a collection.

    Raises:
        ModelError: It cannot be read, or has no text.
    """
    try:
        texts = [prompt.text for prompt in load_prompts(path, Path()) if prompt.text]
    except DriftloopError as error:
        raise ModelError(f"{what}: {error}") from error
    if not texts:
        raise ModelError(f"{path}: no {what} in it; write one a line")
    return texts
