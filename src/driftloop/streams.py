"""Printing ends no run: a console may lack the letters, be closed, full, or left by its reader."""

from __future__ import annotations

import io
import os
import select
import sys
from typing import Any, TextIO


class _Outlet(io.FileIO):
    """A stream's file that takes everything, and remembers why it could not be written."""

    lost: OSError | None = None

    def write(self, data: Any, /) -> int:
        """Write all of it, or drop it."""
        left = memoryview(data).cast("B")
        while left and self.lost is None:
            try:
                # Nothing was written where a pipe is full that its reader made not to wait.
                done = super().write(left)
                if done is None:
                    select.select([], [self.fileno()], [])
                left = left[done or 0 :]
            except OSError as error:
                self.lost = error
        return len(data)


def steady_streams() -> list[_Outlet]:
    """Give the process a standard output and an error stream whose writing never fails.

    What an encoding cannot say is written as its number.

    Returns:
        Their files, which tell afterwards whether something was lost.
    """
    outlets = []
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            # Else the next file that is opened would be the standard output.
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        stream: TextIO | None = getattr(sys, name)
        if stream is None:
            nowhere = io.BufferedWriter(_Outlet(os.devnull, "w"))
            setattr(sys, name, io.TextIOWrapper(nowhere, encoding="utf-8"))
            continue
        # Without a buffer (PYTHONUNBUFFERED) it is the file itself.
        buffer = getattr(stream, "buffer", None)
        raw = getattr(buffer, "raw", buffer)
        if type(raw) is not io.FileIO:
            continue
        stream.flush()
        outlet = _Outlet(raw.fileno(), "w", closefd=False)
        outlets.append(outlet)
        steady = io.TextIOWrapper(
            io.BufferedWriter(outlet),
            encoding=stream.encoding,
            errors="backslashreplace",
            line_buffering=name == "stderr" or stream.isatty(),
            write_through=raw is buffer,
        )
        setattr(sys, name, steady)
    return outlets


def end_streams(outlets: list[_Outlet]) -> str | None:
    """Write what is left.

    Returns:
        Why the standard output could not be written; None where it was, or nobody wanted to read
        it any more.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    lost = outlets[0].lost if outlets else None
    return None if lost is None or isinstance(lost, BrokenPipeError) else lost.strerror
