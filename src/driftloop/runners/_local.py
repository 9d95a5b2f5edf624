"""Play a study to its end on this machine."""

from __future__ import annotations

import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
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

from ..store import Run, open_run
from ..study import Study
from ._crew import Overlap, check_overlap, drive
from ._opening import open_session
from ._session import Session


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
    disk.

    Args:
        study: A study, the path of its file, or the name of one that ships.
        folder: The run folder; by default ``runs/`` and the name of the study's file.
        players: Players of your own, by the name of the model that each stands for in the study,
            where its backend is ``own``.
        overlap: Who plays at the same time: models that have a device of their own (``devices``),
            also those that share one (``models``, each with a stream of its own on a GPU), or one
            after the other, each on disk before the next begins (``off``). ``turns`` is for a
            device whose memory does not do for all models: one at a time is on it. The results
            are the same.
        progress: Show a progress bar on the error stream; by default only on a terminal.

    Returns:
        The run, open for reading.

    Raises:
        KeyboardInterrupt: It was stopped by Ctrl-C; everything up to then is on disk.
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
    stop = threading.Event()
    with session:
        with _stop_on_interrupt(stop), _bar(session, console, progress) as advance:
            drive(session, overlap=overlap, stop=stop.is_set, after_each=advance)
        stopped = stop.is_set() and not session.scheduler.done
        if progress and (busy := session.busy()):
            shares = ", ".join(f"{name} {share:.0%}" for name, share in busy.items())
            console.print(Text(f"share of the time spent playing: {shares}"))
    if stopped:
        raise KeyboardInterrupt
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


@contextmanager
def _stop_on_interrupt(stop: threading.Event) -> Iterator[None]:
    """Let Ctrl-C finish what is in play; a second one stops at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def on_signal(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        print("stopping after what is in play (Ctrl-C again: at once)", file=sys.stderr)

    before = {
        number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _nothing() -> Iterator[None]:
    yield None
