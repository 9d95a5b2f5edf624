"""Play a study to its end on this machine."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from ..errors import SignalError
from ..store import Run, open_run
from ..study import Study
from ._crew import Overlap, check_overlap, drive
from ._opening import open_session
from ._session import Session

ONE_SIGNAL = 1.0
"""Seconds in which SIGTERM counts once: it comes to a process, and again to its group."""


def run(
    study: Study | str | PathLike[str] = "quickstart",
    folder: str | PathLike[str] | None = None,
    *,
    players: Mapping[str, object] | None = None,
    overlap: Overlap = "devices",
    progress: bool | None = None,
) -> Run:
    """Play a study, or what is left of it.

    Running the same study into the same folder again goes on where it stopped, retries what
    failed, and extends it when the study asks for more. Ctrl-C stops after what is in play is on
    disk, and so does SIGTERM, which queues such as Slurm's send.

    Args:
        study: A study, the path of its file, or the name of one that ships.
        folder: The run folder; by default ``runs/`` and the name of the study's file.
        players: Players of your own, by the name of the model that each stands for in the study,
            where its backend is ``own``.
        overlap: Who plays at the same time: models that have a device of their own (``devices``),
            also those that share one (``models``, each with a stream of its own on a GPU), or one
            after the other, each on disk before the next begins (``off``). ``turns`` is for a
            device with too little memory for all models: one at a time is on it. The results
            are the same.
        progress: Show a progress bar on the error stream; by default only on a terminal.

    Returns:
        The run, open for reading.

    Raises:
        KeyboardInterrupt: It was stopped by Ctrl-C, or by a signal (:class:`SignalError` has its
            number); everything up to then is on disk.
        DriftloopError: It cannot be played; the message says what to mend.
    """
    check_overlap(overlap)
    folder = default_folder(study) if folder is None else Path(folder)
    console = Console(stderr=True, quiet=progress is False)
    if progress is None:
        progress = console.is_terminal
    with console.status("reading the study") if progress else _nothing() as status:
        session = open_session(
            study,
            folder,
            players=players,
            turns=overlap == "turns",
            say=lambda line: status.update(line) if status else None,
        )
    with session:
        with _heard() as stop, _bar(session, console, progress) as advance:
            drive(session, overlap=overlap, stop=stop.is_set, after_each=advance)
        if stop.number is not None and not session.scheduler.done:
            raise SignalError(stop.number)
        if progress and (busy := session.busy()):
            shares = ", ".join(f"{name} {share:.0%}" for name, share in busy.items())
            console.print(Text(f"share of the time spent playing: {shares}"))
    return open_run(folder)


def default_folder(study: Study | str | PathLike[str]) -> Path:
    """The run folder of a study that was given none, always one inside ``runs``."""
    name = study.title if isinstance(study, Study) else Path(study).stem
    name = re.sub(r"[\\/:\0]+", "-", name).strip(". ") or "study"
    # A title may be longer than file systems let a name be.
    return Path("runs") / name.encode()[:200].decode("utf-8", "ignore")


class _RateColumn(TextColumn):
    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        """Rounds a second since this session began."""
        done = task.completed - task.fields["before"]
        if not task.elapsed or done <= 0:
            return Text("")
        rate = done / task.elapsed
        return Text(f"{rate:.1f} rounds/s" if rate >= 1 else f"{rate * 60:.1f} rounds/min")


@contextmanager
def _bar(session: Session, console: Console, shown: bool) -> Iterator[Callable[[], None]]:
    if not shown:
        yield lambda: None
        return
    scheduler = session.scheduler
    columns = (
        TextColumn("playing"), BarColumn(), MofNCompleteColumn(), TextColumn("rounds"),
        _RateColumn(), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
        TextColumn("{task.fields[failed]}"),
    )  # fmt: skip
    with Progress(*columns, console=console, speed_estimate_period=300) as bar:
        # Arms may have rounds of other lengths: a step is its share of all.
        share = scheduler.rounds_total / scheduler.steps_total
        before = int(scheduler.steps_done * share)
        task = bar.add_task(
            "", total=scheduler.rounds_total, completed=before, before=before, failed=""
        )

        def advance() -> None:
            failed = len(scheduler.failed)
            note = f"[red]{failed} stopped by failures" if failed else ""
            bar.update(task, completed=scheduler.steps_done * share, failed=note)

        yield advance


class _Stop:
    """Whether, and by which signal, a run has been asked to stop."""

    number: int | None = None
    since = 0.0

    def is_set(self) -> bool:
        """Whether it has."""
        return self.number is not None

    def hear(self, number: int, frame: FrameType | None) -> None:
        """Take a signal: the first lets what is in play finish, a second one stops at once."""
        now = time.monotonic()
        if self.number is None:
            self.number, self.since = number, now
            # Not through a stream, which may be in the middle of something in this very thread.
            with suppress(OSError):
                os.write(2, b"stopping after what is in play (Ctrl-C again: at once)\n")
        elif number == signal.SIGINT or now - self.since > ONE_SIGNAL:
            raise SignalError(number)


@contextmanager
def _heard() -> Iterator[_Stop]:
    """Let Ctrl-C, and signals that end a process, finish what is in play."""
    stop = _Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {}
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        # What nohup has ignored stays so.
        if number is not None and (name != "SIGHUP" or signal.getsignal(number) != signal.SIG_IGN):
            before[number] = signal.signal(number, stop.hear)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _nothing() -> Iterator[None]:
    yield None
