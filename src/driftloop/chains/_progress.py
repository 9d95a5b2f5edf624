"""How far a long import or export has come, on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Advance = Callable[[str, int, int | None], None]
"""Told what is being done, how much more of it is done, and how much there is, if known."""


@contextmanager
def progress_bar(show: bool | None) -> Iterator[Advance]:
    """Show a bar for each stage.

    Args:
        show: By default only where the error stream is a terminal.
    """
    if not (sys.stderr.isatty() if show is None else show):
        yield lambda stage, done, total: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskID,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"), TimeElapsedColumn(), TextColumn("left"),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as bar:
        tasks: dict[str, TaskID] = {}

        def advance(stage: str, done: int, total: int | None) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total, rate="")
            bar.advance(tasks[stage], done)
            task = bar.tasks[tasks[stage]]
            if task.elapsed:
                bar.update(tasks[stage], rate=f"{task.completed / task.elapsed:,.0f}/s")

        yield advance
