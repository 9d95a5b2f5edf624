"""Text files of a source, in whatever encoding they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ..errors import ChainError


@contextmanager
def open_text(file: Path, encoding: str, *, newline: str | None = "") -> Iterator[IO[str]]:
    """Open a text file, and tell what cannot be read of it while it is.

    Args:
        file: The file.
        encoding: The user's choice.
        newline: As ``open`` has it.

    Raises:
        ChainError: It is in another encoding, there is no such encoding, or reading fails.
    """
    try:
        with file.open(encoding=encoding, newline=newline) as stream:
            yield stream
    except UnicodeDecodeError as error:
        raise ChainError(
            f"{file}: not {encoding} at byte {error.start}; say what it is, for example "
            f"--encoding latin-1"
        ) from None
    except LookupError:
        raise ChainError(f"--encoding {encoding}: there is no such encoding") from None
    except OSError as error:
        raise ChainError(f"{file}: cannot be read: {error}") from error
