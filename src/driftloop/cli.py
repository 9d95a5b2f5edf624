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
    from .runners import EncoderCheck, ModelCheck, Plan
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
                    "money": found.money,
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
    encoder: Annotated[
        list[str] | None,
        typer.Option(
            "--encoder",
            "-e",
            metavar="NAME",
            help="What measures it: lexical, minilm, pixels or the path of a model, e.g. "
            "clip:openai/clip-vit-base-patch32 (of one side: with #text or #image behind). Repeat "
            "for more [default: those that ship].",
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Measure a run and write report.html."""
    from .store import open_run

    with open_run(folder) as opened:
        _write_report(opened, path, quiet, encoder)


@app.command()
def prompts(
    count: Annotated[int, typer.Option("--count", "-n", min=2, help="How many.")] = 100,
    words: Annotated[int, typer.Option(min=1, help="The most words of one.")] = 30,
    encoder: Annotated[str, typer.Option(help="Whose distances.")] = "minilm",
    candidates: Annotated[
        str | None,
        typer.Option(help="A set or file to choose from [default: texts of a grammar]."),
    ] = None,
    pool: Annotated[int, typer.Option(min=2, help="How many texts the grammar writes.")] = 5000,
    seed: Annotated[int, typer.Option(min=0, help="The same one finds the same prompts.")] = 0,
    file: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write a prompt set here (TOML).")
    ] = None,
) -> None:
    """Search for prompts that are as different from each other as can be."""
    from .errors import StudyError
    from .runners import search_prompts

    with err.status(f"searching for {count} prompts that are far from each other"):
        found = search_prompts(
            count, words=words, encoder=encoder, candidates=candidates, pool=pool, seed=seed
        )
    if file is None:
        out.print(found.as_toml(), soft_wrap=True)
        return
    try:
        file.write_text(found.as_toml(), "utf-8")
    except OSError as error:
        raise StudyError(f"{file}: cannot be written: {error}") from error
    table = Table("distance", "found", "by chance", box=None, header_style="bold")
    for name in ("smallest", "nearest", "mean"):
        one, other = getattr(found.found, name), getattr(found.by_chance, name)
        table.add_row(name, f"{one:.4f}", f"{other:.4f}")
    out.print(table)
    out.print(
        f'{count} of {found.candidates:,} candidates, in {file}; in a study: prompts = "{file}"'
    )


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
    from .encoders import is_encoder
    from .runners import check_encoders, check_model

    if backend is None and is_encoder(model):
        if settings:
            raise typer.BadParameter("an encoder has no settings", param_hint="--set")
        with err.status(f"loading and testing {model}"):
            checks = check_encoders(model)
        if as_json:
            rows = [one._asdict() | {"invariance": one.invariance._asdict()} for one in checks]
            out.print_json(json.dumps({"role": "encoder", "encoders": rows}))
        else:
            for check in checks:
                _print_encoder(check)
        return
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


@app.command()
def export(
    folder: RunArgument,
    path: Annotated[Path, typer.Argument(help="The file to write: .parquet or .csv.")],
    pictures: Annotated[bool, typer.Option(help="Put the pictures into a Parquet file.")] = True,
) -> None:
    """Write every step of a run as one table; Parquet with its pictures."""
    from .store import export_steps, open_run

    with open_run(folder) as opened:
        export_steps(opened, path, pictures=pictures)
    out.print(f"table: {path}", soft_wrap=True)


@app.command()
def schema() -> None:
    """Print the JSON Schema of a study file, for editors that complete and check TOML."""
    from .runners import study_schema

    print(json.dumps(study_schema(), indent=2, ensure_ascii=False))


def _parse_settings(pairs: list[str]) -> dict[str, Any]:
    import tomllib

    from .errors import StudyError

    settings: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise StudyError(f"--set {pair}: write it as KEY=VALUE, e.g. --set temperature=0.7")
        try:
            settings[key.strip()] = tomllib.loads(f"x = {value}")["x"]
        except tomllib.TOMLDecodeError:
            settings[key.strip()] = value
    return settings


def _write_report(
    opened: Run, path: Path | None, quiet: bool, encoders: list[str] | None = None
) -> None:
    from .errors import ModelError

    try:
        from .report import write_report
    except ImportError as error:
        raise ModelError(f"the report needs pip install 'driftloop[report]': {error}") from error
    # Typer gives an empty list where the option is not used.
    written = write_report(
        opened, path, encoders=encoders or None, progress=False if quiet else None
    )
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
    if found.unchecked:
        out.print(
            f"not checked, since the hub cannot be reached: {', '.join(found.unchecked)}",
            soft_wrap=True,
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
    if found.money is None:
        unknown = [row.seat for row in found.rows if row.price is None]
        out.print(
            f"money: not known; {', '.join(unknown)}: set price_call, or price_1k_input and "
            f"price_1k_output and play a little first"
        )
    elif found.money:
        out.print(f"money: {found.money:,.2f} at most, by the study's prices")


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


def _print_encoder(found: EncoderCheck) -> None:
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
