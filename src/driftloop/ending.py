"""How a command ends: the one place where every error becomes a line and an exit code."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, cast

import typer
from rich.text import Text

from .errors import DriftloopError, Exits, SignalError, printable
from .printing import err
from .streams import end_streams, steady_streams
from .unexpected import in_a_line, write_traceback

SIGNALS = [
    number for name in ("SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None
]
"""What asks a process to end, beside Ctrl-C: a queue's or container's system, a closed terminal."""
_FULL = "make room, or choose another disk, and give the same command again"
_FIXES = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: "this disk, or a limit of the system (ulimit -f), lets no file be so large",
    errno.EROFS: "choose a place that can be written",
    errno.EACCES: "change its rights, or choose another place",
    errno.EPERM: "change its rights, or choose another place",
    errno.EMFILE: "let the process open more (ulimit -n), and give the same command again",
    errno.ENFILE: "close other programs, and give the same command again",
    errno.EIO: "the disk is damaged or gone",
}
"""What a user can do where a machine refuses something."""
_OURS = ("driftloop", "__main__")
_about: list[Path] = []


class Unforeseen:
    """Counts and tells errors that nobody foresaw, of a command and of its threads."""

    def __init__(self) -> None:
        self.count = 0

    def tell(self, error: BaseException, where: str = "") -> None:
        """Say it in a line, with the file that has the rest."""
        self.count += 1
        folder = _run_folder()
        file = write_traceback(error, folder)
        kept = "; what was played is kept" if folder else ""
        rest = f"; the traceback, to be reported, is in {file}" if file else ""
        _say(f"unexpected{where}: {in_a_line(error)}{kept}{rest}")


def concerns(folder: Path) -> None:
    """Say which run folder the command is about: an unexpected error leaves its traceback there."""
    _about[:] = [folder]


def exits(in_part: str = "") -> str:
    """The exit codes of a command, for its help.

    Args:
        in_part: When it exits with 1, where it can.
    """
    some = f"{Exits.IN_PART:d} {in_part}, " if in_part else ""
    return (
        f"Exit codes: {Exits.DONE:d} done, {some}{Exits.TO_MEND:d} an error to mend, "
        f"{Exits.UNEXPECTED:d} an unexpected error (its traceback is in a file), "
        f"{Exits.INTERRUPTED:d} stopped by Ctrl-C, 143 by the system (SIGTERM)."
    )


def exit_code(app: typer.Typer) -> int:
    """Run the command line, whatever comes of it and of what it prints.

    Returns:
        What the process exits with.
    """
    streams = steady_streams()
    unforeseen = Unforeseen()
    try:
        with _signals(), _threads(unforeseen):
            code = _run(app, unforeseen)
        lost = end_streams(streams)
    except KeyboardInterrupt as stop:
        return _stopped(stop)
    if unforeseen.count and code in (Exits.DONE, Exits.IN_PART):
        code = Exits.UNEXPECTED
    if lost is None:
        return code
    _say(f"the output is not written: {lost}")
    # A command that did what it should and could not say so has not done all.
    return code or Exits.TO_MEND


def _run(app: typer.Typer, unforeseen: Unforeseen) -> int:
    if "_DRIFTLOOP_COMPLETE" in os.environ:
        app()
    _about.clear()
    command = typer.main.get_command(app)
    try:
        with command.make_context("driftloop", sys.argv[1:]) as context:
            command.invoke(context)
    except typer.Exit as end:
        return end.exit_code
    except KeyboardInterrupt as stop:
        return _stopped(stop)
    except BaseException as error:
        try:
            return _told(error, unforeseen)
        except Exception as worse:
            _say(f"unexpected: {type(error).__name__}, and then {type(worse).__name__}")
            return Exits.UNEXPECTED
    return Exits.DONE


def _told(error: BaseException, unforeseen: Unforeseen) -> int:
    """Say what went wrong, and what to do; the code for it."""
    if isinstance(error, DriftloopError):
        for line in str(error).splitlines() or [type(error).__name__]:
            _say(line)
        return error.exit_code
    if hasattr(error, "format_message"):
        from typer.rich_utils import rich_format_error

        rich_format_error(cast(Any, error))
        return Exits.TO_MEND
    if refused := _of_the_machine(error):
        _say(refused)
        return Exits.TO_MEND
    if lacking := _of_memory(error) or _of_a_package(error):
        file = write_traceback(error, _run_folder())
        _say(f"{lacking}{f'; the traceback is in {file}' if file else ''}")
        return Exits.TO_MEND
    unforeseen.tell(error)
    return Exits.UNEXPECTED


def _of_the_machine(error: BaseException) -> str | None:
    """What the machine lacks or forbids, and the fix; None where it is something else."""
    for one in _with_causes(error):
        if getattr(one, "sqlite_errorname", "") == "SQLITE_FULL":
            return f"a database cannot be written: the disk is full; {_FULL}"
        full = isinstance(one, OSError) and one.errno in (errno.ENOSPC, errno.EDQUOT)
        if isinstance(one, OSError) and one.errno in _FIXES and (full or one is error):
            named = f"{os.fsdecode(one.filename)}: " if one.filename else ""
            words = one.strerror or str(one)
            return f"{named}{words[:1].lower()}{words[1:]}; {_FIXES[one.errno]}"
    return None


def _of_memory(error: BaseException) -> str | None:
    """That memory, of the machine or of a GPU, ran out; None where it is something else."""
    lacks = isinstance(error, MemoryError)
    # An error whose words cannot be had says nothing of memory.
    with contextlib.suppress(Exception):
        from .models import is_out_of_memory

        lacks = lacks or is_out_of_memory(error)
    words = in_a_line(error).partition(": ")[2]
    if not lacks:
        return None
    return (
        f"there is too little memory{f' ({words})' if words else ''}: close other programs, or "
        f"take a machine with more, and give the same command again"
    )


def _of_a_package(error: BaseException) -> str | None:
    """Which package of others cannot be imported; None where it is something else."""
    told: BaseException | None = error
    while told is not None:
        package = (_imported(told) or "driftloop").partition(".")[0]
        if package not in _OURS:
            return (
                f"the package {package} is missing, broken or does not fit the others: "
                f"{in_a_line(told)}; pip install --upgrade 'driftloop[all]'"
            )
        told = told.__cause__
    return None


def _imported(error: BaseException) -> str | None:
    """The module in whose import an error came up, if it did in one."""
    if isinstance(error, ImportError):
        return error.name
    ours, trace = False, error.__traceback__
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__", ""))
        ours = ours or module.partition(".")[0] in _OURS
        # A module's own lines are run once: while it is imported.
        imported = trace.tb_frame.f_code.co_name == "<module>"
        if ours and imported and module.partition(".")[0] not in _OURS:
            return module
        trace = trace.tb_next
    return None


def _with_causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        yield error
        error = error.__cause__ or error.__context__


def _stopped(stop: KeyboardInterrupt) -> int:
    return 128 + (stop.number if isinstance(stop, SignalError) else signal.SIGINT)


def _run_folder() -> Path | None:
    try:
        from .store import is_run

        return next((folder for folder in _about if is_run(folder)), None)
    except Exception:
        return None


def _say(line: str) -> None:
    """Print a line of an error, in whatever state the process is."""
    try:
        err.print(Text.assemble(("error", "red"), f" {printable(line)}"), soft_wrap=True)
    except Exception:
        with contextlib.suppress(OSError):
            os.write(2, f"error {line}\n".encode("ascii", "backslashreplace"))


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """Have signals that end a process unwind it, so that locks and half-written files are left."""

    def on_signal(number: int, frame: FrameType | None) -> None:
        raise SignalError(number)

    # What is ignored stays so: that is how nohup keeps a process alive.
    before = {number: signal.getsignal(number) for number in SIGNALS}
    taken = [number for number, handler in before.items() if handler is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, on_signal)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, before[number])


@contextlib.contextmanager
def _threads(unforeseen: Unforeseen) -> Iterator[None]:
    """Have errors that end a thread told as those that end the command."""

    def on_error(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
            named = f" in the thread '{args.thread.name}'" if args.thread else ""
            unforeseen.tell(args.exc_value, named)

    before = threading.excepthook
    threading.excepthook = on_error
    try:
        yield
    finally:
        threading.excepthook = before
