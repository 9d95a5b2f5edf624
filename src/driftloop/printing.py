"""What the command line prints: results as tables and lines on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult
from rich.table import Table
from rich.text import Text

from .errors import MOST_LISTED, printable

if TYPE_CHECKING:
    from pathlib import Path

    from .chains import Imported, Reject
    from .runners import EncoderCheck, ModelCheck, Plan, PromptSearch
    from .store import Run


class _Guard:
    """What is printed, with the control characters of others as escapes."""

    def __init__(self, shown: ConsoleRenderable) -> None:
        self.shown = shown

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self.shown, options):
            if segment.control:
                yield segment
            else:
                lines = map(printable, segment.text.split("\n"))
                yield segment._replace(text="\n".join(lines))


class _Guarded(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Guard(shown) for shown in renderables]


# Without markup: brackets in names and paths are the user's, not ours.
out = Console(markup=False, highlight=False)
err = Console(markup=False, highlight=False, stderr=True)
for console in (out, err):
    console.push_render_hook(_Guarded())


def print_outcome(played: Run) -> int:
    """What a run holds now, and its first failures; how many failures there are."""
    failures = played.failures()
    out.print(f"{len(played):,} steps in {played.folder}", soft_wrap=True)
    for failure in failures[:5]:
        err.print(
            Text.assemble(
                ("failed", "red"),
                f" {failure['arm']} / {failure['prompt']} / twin {failure['twin']}, "
                f"step {failure['step']}: {failure['reason']}",
            ),
            soft_wrap=True,
        )
    if failures:
        err.print(
            f"stopped by a failure: {len(failures)} of the trajectories; the same command retries",
            soft_wrap=True,
        )
    return len(failures)


def print_plan(found: Plan) -> None:
    """What a study would take."""
    table = Table("model", "role", "calls", "s/call", "weights", box=None, header_style="bold")
    for row in found.rows:
        seconds = "not measured" if row.seconds is None else f"{row.seconds:.3f}"
        table.add_row(row.seat, row.role, f"{row.calls:,}", seconds, _size(row.weights_bytes))
    out.print(table)
    out.print(
        f"{found.trajectories:,} trajectories × {found.rounds:,} rounds = {found.steps:,} steps, "
        f"{found.steps_done:,} of them done",
    )
    if found.unchecked:
        out.print(
            f"not checked, since the hub cannot be reached: {', '.join(found.unchecked)}",
            soft_wrap=True,
        )
    for server in found.servers:
        models = ", ".join(server.models)
        key = f"the key in {server.key}" if server.key else "no key"
        out.print(f"{models}: {server.address} gets {key}", soft_wrap=True)
        if server.trouble:
            err.print(
                Text.assemble(("cannot be asked", "red"), f" {models}: {server.trouble}"),
                soft_wrap=True,
            )
    if found.seconds is None:
        slow = dict.fromkeys(row.model for row in found.rows if row.seconds is None)
        out.print(
            f"time on this machine: not known; driftloop check measures a model "
            f"({', '.join(slow)})",
            soft_wrap=True,
        )
    else:
        on = dict.fromkeys(row.device for row in found.rows if row.device)
        where = f" ({', '.join(on)}, measured)" if on else ""
        out.print(
            f"time on this machine: {_duration(found.seconds)}, one player at a time{where}",
            soft_wrap=True,
        )
    for place in found.elsewhere:
        dark = ", ".join(place.unknown)
        rest = f"; not known, run driftloop check there: {dark}" if dark else ""
        out.print(
            f"time on {place.device}: {_duration(place.seconds)} for {', '.join(place.figures)}"
            f"{rest}",
            soft_wrap=True,
        )
        for model, one in place.figures.items():
            out.print(
                f"  {model}: {one.seconds:.3g} s a call ({one.how}), {one.source}", soft_wrap=True
            )
    out.print(
        f"disk: {_size(found.disk_bytes)} at most; weights in memory: {_size(found.memory_bytes)}"
    )
    if found.money is None:
        unknown = [row.seat for row in found.rows if row.price is None]
        out.print(
            f"money: not known; {', '.join(unknown)}: set price_call, or price_1k_input and "
            f"price_1k_output and play a little first"
        )
    elif found.money:
        out.print(f"money: {found.money:,.2f} at most, by the study's prices")


def print_search(found: PromptSearch, file: Path) -> None:
    """How far apart the prompts are that were found, and where they are."""
    table = Table("distance", "found", "by chance", box=None, header_style="bold")
    for name in ("smallest", "nearest", "mean"):
        one, other = getattr(found.found, name), getattr(found.by_chance, name)
        table.add_row(name, f"{one:.4f}", f"{other:.4f}")
    out.print(table)
    count = len(found.texts)
    out.print(
        f'{count} of {found.candidates:,} candidates, in {file}; in a study: prompts = "{file}"'
    )


def print_imported(found: Imported) -> None:
    """What an import brought, and what it kept out."""
    from .chains import REJECTED

    out.print(str(found), soft_wrap=True)
    out.print(str(found.counts), soft_wrap=True)
    for note in found.notes:
        out.print(Text.assemble(("note", "cyan"), f" {note}"), soft_wrap=True)
    # Thousands of rows with one fault are one fault. All are in the list; here is the first.
    alike: dict[tuple[str, str], list[Reject]] = {}
    for reject in found.rejected:
        alike.setdefault((reject.what, reject.reason.split(":")[0]), []).append(reject)
    ordered = sorted(alike.items(), key=lambda kind: -len(kind[1]))
    for (what, _), (first, *more) in ordered[:MOST_LISTED]:
        often = f" {1 + len(more):,} times, the first" if more else ""
        told = f"{often} {what}: {printable(str(first.place))}: {first.reason}"
        err.print(Text.assemble(("kept out", "red"), told), soft_wrap=True)
    if found.rejected:
        if len(ordered) > MOST_LISTED:
            err.print(f"kept out for {len(ordered) - MOST_LISTED:,} more reasons")
        err.print(
            f"kept out in all: {len(found.rejected):,}, listed in {found.folder / REJECTED}",
            soft_wrap=True,
        )


def print_check(found: ModelCheck) -> None:
    """What was found of a player."""
    table = Table(show_header=False, box=None)
    table.add_column(style="bold")
    table.add_column()
    table.add_row("model", f"{found.path} ({found.backend})")
    table.add_row("role", found.role)
    for name, value in found.limits.items():
        shown = f"{value:,}" if isinstance(value, int) else str(value)
        table.add_row(name, shown)
    if found.example is None:
        table.add_row("tests", f"none: it cannot be tested (micro-batch {found.batch_size})")
    else:
        _add_tests(table, found)
    if not found.answers_the_same:
        table.add_row("same answer twice", "not promised: a run holds the answer that it got")
    table.add_row("loading", f"{found.load_seconds:.1f} s, {_size(found.memory_bytes)} of memory")
    if found.said is not None:
        table.add_row("example", repr(found.said))
    out.print(table)


def _add_tests(table: Table, found: ModelCheck) -> None:
    verdict = found.invariance
    table.add_row(
        "batch invariance",
        f"{verdict.verdict}: {verdict.different} of {verdict.compared} answers differ in other "
        f"company (largest {verdict.largest:.3g}) at micro-batch {found.batch_size}",
    )
    unit = "of 255 levels on average" if found.role.writes == "image" else "(1: another caption)"
    table.add_row(
        "between batch sizes", f"1 and {found.batch_size}: {found.across_sizes:.3g} {unit}"
    )
    speed = ", ".join(f"{size}: {seconds:.3f}" for size, seconds in found.seconds.items())
    table.add_row("seconds a sample", f"by micro-batch {speed}")


def print_encoder(found: EncoderCheck) -> None:
    """What was found of an encoder."""
    table = Table(show_header=False, box=None)
    table.add_column(style="bold")
    table.add_column()
    table.add_row("model", found.name)
    table.add_row("role", f"encoder of {'texts' if found.kind == 'text' else 'pictures'}")
    table.add_row("dimensions", f"{found.dimensions:,}")
    if found.kind == "text":
        table.add_row("reads", "all" if found.limit is None else f"{found.limit:,} tokens")
    verdict = found.invariance
    table.add_row(
        "batch invariance",
        f"{verdict.verdict}: {verdict.different} of {verdict.compared} vectors differ in other "
        f"company (largest cosine distance {verdict.largest:.3g})",
    )
    table.add_row("seconds a content", f"{found.seconds:.4f}")
    table.add_row("first vector", f"after {found.load_seconds:.1f} s")
    table.add_row("identity", found.identity)
    out.print(table)


def _size(count: int | None) -> str:
    if count is None:
        return "not known"
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} TB"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:,.1f} h"
