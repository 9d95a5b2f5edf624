"""The command line: parses, calls, prints. Whatever it does is a function of the package."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from .chains import Imported
    from .runners import ModelCheck, Plan
    from .store import Run

app = typer.Typer(
    name="driftloop",
    help="Visual telephone with generative models: run the loop, measure where it drifts.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
# Without markup: brackets in names and paths are the user's, not ours.
out = Console(markup=False, highlight=False)
err = Console(markup=False, highlight=False, stderr=True)

StudyArgument = Annotated[
    str, typer.Argument(help="A study file (TOML), or the name of a study that ships.")
]
RunArgument = Annotated[Path, typer.Argument(help="A run folder.")]


def _version(wanted: bool) -> None:
    if wanted:
        from . import __version__

        out.print(f"driftloop {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say it and exit.")
    ] = False,
) -> None:
    pass


@app.command()
def run(
    study: StudyArgument = "quickstart",
    folder: Annotated[
        Path | None, typer.Option("--out", "-o", help="Run folder [default: runs/STUDY].")
    ] = None,
    report: Annotated[bool, typer.Option(help="Write the report afterwards.")] = True,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Play a study, then report. Run again to go on, to retry, or to extend.

    Exit codes: 0 all played, 1 some trajectories stopped by a failure, 2 an error to mend,
    130 stopped by Ctrl-C.
    """
    from . import runners

    folder = folder or runners.default_folder(study)
    try:
        played = runners.run(study, folder, progress=False if quiet else None)
    except KeyboardInterrupt:
        err.print(
            f"stopped; what was played is in {folder}. To go on: the same command again.",
        )
        raise typer.Exit(130) from None
    with played:
        failures = _print_outcome(played)
        if report:
            _write_report(played, None, quiet)
    # Everything that could be played was; a script still wants to know that not all could.
    raise typer.Exit(1 if failures else 0)


@app.command()
def plan(
    study: StudyArgument = "quickstart",
    folder: Annotated[
        Path | None, typer.Option("--out", "-o", help="Count the steps in this folder as done.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Say what a study would take: calls, time, disk, memory. Runs nothing."""
    from .runners import make_plan

    found = make_plan(study, folder)
    if as_json:
        rows = [row.__dict__ for row in found.rows]
        out.print_json(
            json.dumps(
                {
                    **{name: getattr(found, name) for name in found.__dataclass_fields__},
                    "rows": rows,
                    "seconds": found.seconds,
                    "memory_bytes": found.memory_bytes,
                }
            )
        )
    else:
        _print_plan(found)


@app.command()
def report(
    folder: RunArgument,
    path: Annotated[
        Path | None, typer.Option("--out", "-o", help="The file [default: RUN/report.html].")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Measure a run and write report.html."""
    from .store import open_run

    with open_run(folder) as opened:
        _write_report(opened, path, quiet)


@app.command()
def check(
    model: Annotated[str, typer.Argument(help="A folder, a hub name, or bundled:NAME.")],
    backend: Annotated[
        str | None, typer.Option(help="By default the one that recognises the files.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", metavar="KEY=VALUE", help="A setting, as a study has it."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Load a model and test it: role, limits, batch invariance, speed, memory."""
    from .runners import check_model

    with err.status(f"loading and testing {model}"):
        found = check_model(model, backend=backend, **_parse_settings(settings or []))
    if as_json:
        data = found._asdict() | {"invariance": found.invariance._asdict()}
        data["example"] = found.example.content if isinstance(found.example.content, str) else None
        out.print_json(json.dumps(data))
    else:
        _print_check(found)


@app.command()
def doctor(
    folder: RunArgument,
    repair: Annotated[
        bool, typer.Option(help="Take out what is damaged, so that the next run plays it again.")
    ] = False,
) -> None:
    """Check a run folder: database, pictures, trajectories."""
    from .store import examine, open_run

    findings = examine(folder, repair=repair)
    for finding in findings:
        mark = ("mended", "green") if finding.mended else ("found", "yellow")
        out.print(Text.assemble(mark, f" {finding.kind}: {finding.what}"))
    with open_run(folder) as opened:
        steps, failures = len(opened), len(opened.failures())
    broken = [f for f in findings if not f.mended and f.kind != "orphan"]
    if broken and not repair:
        out.print(f"{len(broken)} to mend: driftloop doctor {folder} --repair")
    if not findings:
        out.print(f"sound: {steps:,} steps, {failures} open failures")
    raise typer.Exit(1 if broken else 0)


@app.command(name="import")
def import_(
    source: Annotated[Path, typer.Argument(help="A table, a folder of gen-N, or JSON chains.")],
    folder: Annotated[Path, typer.Option("--out", "-o", help="The run folder to make.")],
    columns: Annotated[
        list[str] | None,
        typer.Option("--column", "-c", metavar="MEANING=NAME", help="What a column is called."),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Where paths of pictures start [default: the source's].")
    ] = None,
    numbered: Annotated[
        str, typer.Option(help="What the round column counts: round, or step (half a round).")
    ] = "round",
    first: Annotated[
        int | None, typer.Option(help="Number of the first round [default: 1, or 0 if it must be].")
    ] = None,
    encoding: Annotated[str, typer.Option(help="Of CSV and JSON lines.")] = "utf-8",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Read chains that others made into a run folder, which report and doctor then read.

    Exit codes: 0 all of it is in, 1 something was kept out (RUN/import-rejected.csv says what and
    why), 2 an error to mend.
    """
    from .chains import check_numbered, import_chains

    chosen = dict(_parse_pair(pair, "--column", "round=gen") for pair in columns or [])
    found = import_chains(
        source, folder, columns=chosen, images=images, numbered=check_numbered(numbered),
        first=first, encoding=encoding, progress=False if quiet else None,
    )  # fmt: skip
    _print_imported(found)
    raise typer.Exit(1 if found.rejected else 0)


@app.command()
def export(
    folder: RunArgument,
    target: Annotated[
        Path, typer.Option("--to", help="A .parquet, .gif or .mp4 file, or a folder for shards.")
    ],
    trajectories: Annotated[
        list[str] | None,
        typer.Option(
            "--trajectory", "-t", metavar="ARM/PROMPT/TWIN", help="Only this, or a part of it."
        ),
    ] = None,
    rate: Annotated[float, typer.Option(help="Rounds a second of a film.")] = 3.0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Write a run as a table with its pictures, or as a film of one trajectory or of all."""
    from .chains import export_run

    files = export_run(
        folder, target, trajectories=trajectories or (), rate=rate,
        progress=False if quiet else None,
    )  # fmt: skip
    for file in files:
        out.print(f"written: {file}", soft_wrap=True)


@app.command()
def schema() -> None:
    """Print the JSON Schema of a study file, for editors that complete and check TOML."""
    from .runners import study_schema

    print(json.dumps(study_schema(), indent=2, ensure_ascii=False))


def _parse_settings(pairs: list[str]) -> dict[str, Any]:
    import tomllib

    settings: dict[str, Any] = {}
    for pair in pairs:
        key, value = _parse_pair(pair, "--set", "temperature=0.7")
        try:
            settings[key] = tomllib.loads(f"x = {value}")["x"]
        except tomllib.TOMLDecodeError:
            settings[key] = value
    return settings


def _parse_pair(pair: str, option: str, example: str) -> tuple[str, str]:
    from .errors import StudyError

    key, equals, value = pair.partition("=")
    if not equals:
        raise StudyError(f"{option} {pair}: write it as KEY=VALUE, e.g. {option} {example}")
    return key.strip(), value


def _print_imported(found: Imported) -> None:
    from .chains import REJECTED

    out.print(str(found), soft_wrap=True)
    for note in found.notes:
        out.print(Text.assemble(("note", "cyan"), f" {note}"), soft_wrap=True)
    for place, what, reason, _ in found.rejected[:5]:
        err.print(Text.assemble(("kept out", "red"), f" {what}: {place}: {reason}"), soft_wrap=True)
    if found.rejected:
        err.print(
            f"kept out in all: {len(found.rejected):,}, listed in {found.folder / REJECTED}",
            soft_wrap=True,
        )


def _write_report(opened: Run, path: Path | None, quiet: bool) -> None:
    from .errors import ModelError

    try:
        from .report import write_report
    except ImportError as error:
        raise ModelError(f"the report needs pip install 'driftloop[report]': {error}") from error
    written = write_report(opened, path, progress=False if quiet else None)
    out.print(f"report: {written}", soft_wrap=True)


def _print_outcome(played: Run) -> int:
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


def _print_plan(found: Plan) -> None:
    table = Table("model", "role", "calls", "s/call", "weights", box=None, header_style="bold")
    for row in found.rows:
        seconds = "not measured" if row.seconds is None else f"{row.seconds:.3f}"
        table.add_row(row.seat, row.role, f"{row.calls:,}", seconds, _size(row.weights_bytes))
    out.print(table)
    out.print(
        f"{found.trajectories:,} trajectories × {found.rounds:,} rounds = {found.steps:,} steps, "
        f"{found.steps_done:,} of them done",
    )
    if found.seconds is None:
        unknown = [row.seat for row in found.rows if row.seconds is None]
        names = ", ".join(unknown)
        out.print(f"time: not known; driftloop check measures a model ({names})")
    else:
        out.print(f"time: {_duration(found.seconds)} on this machine, one player at a time")
    out.print(
        f"disk: {_size(found.disk_bytes)} at most; weights in memory: {_size(found.memory_bytes)}"
    )


def _print_check(found: ModelCheck) -> None:
    table = Table(show_header=False, box=None)
    table.add_column(style="bold")
    table.add_column()
    table.add_row("model", f"{found.path} ({found.backend})")
    table.add_row("role", found.role)
    for name, value in found.limits.items():
        shown = f"{value:,}" if isinstance(value, int) else str(value)
        table.add_row(name, shown)
    verdict = found.invariance
    table.add_row(
        "batch invariance",
        f"{verdict.verdict}: {verdict.different} of {verdict.compared} answers differ in other "
        f"company (largest {verdict.largest:.3g}) at micro-batch {found.batch_size}",
    )
    unit = "of 255 levels on average" if found.role == "generator" else "(1: another caption)"
    table.add_row(
        "between batch sizes", f"1 and {found.batch_size}: {found.across_sizes:.3g} {unit}"
    )
    speed = ", ".join(f"{size}: {seconds:.3f}" for size, seconds in found.seconds.items())
    table.add_row("seconds a sample", f"by micro-batch {speed}")
    table.add_row("loading", f"{found.load_seconds:.1f} s, {_size(found.memory_bytes)} of memory")
    if isinstance(found.example.content, str):
        table.add_row("example", repr(found.example.content))
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


def main() -> None:
    """Run the command line; errors that a user can mend are one message and exit code 2."""
    from .errors import DriftloopError

    try:
        app()
    except DriftloopError as error:
        for line in str(error).splitlines():
            err.print(Text.assemble(("error", "red"), f" {line}"), soft_wrap=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
