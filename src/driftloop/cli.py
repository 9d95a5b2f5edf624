"""The command line: parses, calls, prints. Whatever it does is a function of the package."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.text import Text

from .ending import concerns, exit_code, exits
from .errors import Exits, ModelError, StudyError, lacking
from .options import (
    AsJson,
    Include,
    Quiet,
    RunArgument,
    StudyArgument,
    concerned,
    parse_pair,
    parse_settings,
)
from .printing import (
    err,
    out,
    print_check,
    print_encoder,
    print_imported,
    print_outcome,
    print_plan,
    print_search,
)

if TYPE_CHECKING:
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


@app.command(epilog=exits("some trajectories stopped by a failure, which the same command retries"))
def run(
    study: StudyArgument = "quickstart",
    folder: Annotated[
        Path | None, typer.Option("--out", "-o", help="Run folder.", show_default="runs/STUDY")
    ] = None,
    report: Annotated[bool, typer.Option(help="Write the report afterwards.")] = True,
    overlap: Annotated[
        Literal["off", "devices", "models", "turns"],
        typer.Option(
            help="Who plays at the same time: models on devices of their own, also models that "
            "share a device, or nobody; with turns only one model at a time is in the memory of a "
            "device. The results are the same.",
        ),
    ] = "devices",
    quiet: Quiet = False,
    files: Include = None,
) -> None:
    """Play a study, then report. Run again to go on, to retry, or to extend."""
    from . import runners

    folder = folder or runners.default_folder(study)
    concerns(folder)
    try:
        progress = False if quiet else None
        played = runners.run(study, folder, overlap=overlap, progress=progress)
    except KeyboardInterrupt:
        from .store import is_run

        held = f"what was played is in {folder}" if is_run(folder) else "nothing was played yet"
        err.print(f"stopped; {held}. To go on: the same command again.", soft_wrap=True)
        raise
    with played:
        failures = print_outcome(played)
        if report:
            _write_report(played, None, quiet)
    raise typer.Exit(Exits.IN_PART if failures else Exits.DONE)


@app.command(epilog=exits())
def plan(
    study: StudyArgument = "quickstart",
    folder: Annotated[
        Path | None, typer.Option("--out", "-o", help="Count the steps in this folder as done.")
    ] = None,
    as_json: AsJson = False,
    files: Include = None,
) -> None:
    """Say what a study would take: calls, time, disk, memory. Runs nothing."""
    from .runners import make_plan

    found = make_plan(study, folder)
    if as_json:
        derived = {
            "seconds": found.seconds,
            "elsewhere": [asdict(place) for place in found.elsewhere],
            "money": found.money,
            "memory_bytes": found.memory_bytes,
        }
        out.print_json(json.dumps({**asdict(found), **derived}), ensure_ascii=True)
    else:
        print_plan(found)


@app.command(epilog=exits())
def report(
    folder: RunArgument,
    path: Annotated[
        Path | None, typer.Option("--out", "-o", help="The file.", show_default="RUN/report.html")
    ] = None,
    encoder: Annotated[
        list[str] | None,
        typer.Option(
            "--encoder",
            "-e",
            metavar="NAME",
            help="What measures it: lexical, minilm, pixels or the path of a model, e.g. "
            "clip:openai/clip-vit-base-patch32 (of one side: with #text or #image behind). Repeat "
            "for more.",
            show_default="those that ship",
        ),
    ] = None,
    pictures: Annotated[
        int | None,
        typer.Option(min=1, help="How many the film strips hold together.", show_default="3000"),
    ] = None,
    quiet: Quiet = False,
    files: Include = None,
) -> None:
    """Measure a run and write report.html."""
    from .store import open_run

    # Typer gives an empty list where the option is not used.
    chosen = {"encoders": encoder or None, "pictures": pictures}
    with open_run(folder) as opened:
        _write_report(opened, path, quiet, **{k: v for k, v in chosen.items() if v is not None})


@app.command(epilog=exits())
def prompts(
    count: Annotated[int, typer.Option("--count", "-n", min=2, help="How many.")] = 100,
    words: Annotated[int, typer.Option(min=1, help="The most words of one.")] = 30,
    encoder: Annotated[str, typer.Option(help="Whose distances.")] = "minilm",
    candidates: Annotated[
        str | None,
        typer.Option(help="A set or file to choose from.", show_default="texts of a grammar"),
    ] = None,
    pool: Annotated[int, typer.Option(min=2, help="How many texts the grammar writes.")] = 5000,
    seed: Annotated[int, typer.Option(min=0, help="The same one finds the same prompts.")] = 0,
    file: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write a prompt set here (TOML).")
    ] = None,
) -> None:
    """Search for prompts that are as different from each other as can be."""
    from .files import exported
    from .runners import search_prompts

    with err.status(f"searching for {count} prompts that are far from each other"):
        found = search_prompts(
            count, words=words, encoder=encoder, candidates=candidates, pool=pool, seed=seed
        )
    if file is None:
        out.print(found.as_toml(), soft_wrap=True)
        return
    try:
        with exported(file) as stream:
            stream.write(found.as_toml().encode())
    except OSError as error:
        raise StudyError(f"{file}: cannot be written: {error}") from error
    print_search(found, file)


@app.command(epilog=exits())
def check(
    model: Annotated[str, typer.Argument(help="A folder, a hub name, or bundled:NAME.")],
    backend: Annotated[
        str | None, typer.Option(help="By default the one that recognises the files.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", metavar="KEY=VALUE", help="A setting, as a study has it."),
    ] = None,
    as_json: AsJson = False,
    files: Include = None,
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
            out.print_json(json.dumps({"role": "encoder", "encoders": rows}), ensure_ascii=True)
        else:
            for check in checks:
                print_encoder(check)
        return
    with err.status(f"loading and testing {model}"):
        found = check_model(model, backend=backend, **parse_settings(settings or []))
    if as_json:
        data = found._asdict() | {"invariance": found.invariance._asdict()}
        data["example"] = found.said
        out.print_json(json.dumps(data), ensure_ascii=True)
    else:
        print_check(found)


@app.command(epilog=exits("something is damaged"))
def doctor(
    folder: RunArgument,
    repair: Annotated[
        bool, typer.Option(help="Take out what is damaged, so that the next run plays it again.")
    ] = False,
) -> None:
    """Check a run folder: database, rows, texts, keys of calls, pictures, trajectories."""
    from .store import examine, open_run

    findings = examine(folder, repair=repair)
    for finding in findings:
        mark = ("mended", "green") if finding.mended else ("found", "yellow")
        out.print(Text.assemble(mark, f" {finding.kind}: {finding.what}"))
    broken = [f for f in findings if not f.mended and f.kind != "orphan"]
    mendable = sum(finding.mendable for finding in broken)
    if mendable:
        out.print(f"{mendable} to mend: driftloop doctor {folder} --repair")
    if not findings:
        with open_run(folder) as opened:
            out.print(f"sound: {len(opened):,} steps, {len(opened.failures())} open failures")
    raise typer.Exit(Exits.IN_PART if broken else Exits.DONE)


@app.command(
    name="import",
    epilog=exits("something was kept out (RUN/import-rejected.csv says what and why)"),
)
def import_(
    source: Annotated[Path, typer.Argument(help="A table, or a folder of chains.")],
    folder: Annotated[
        Path, typer.Option("--out", "-o", help="The run folder to make.", callback=concerned)
    ],
    columns: Annotated[
        list[str] | None,
        typer.Option("--column", "-c", metavar="MEANING=NAME", help="What a column is called."),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(help="Where paths of pictures start.", show_default="the source's"),
    ] = None,
    numbered: Annotated[
        str | None,
        typer.Option(
            help="What the round column counts: round, or step (half a round).",
            show_default="step where texts and pictures alternate",
        ),
    ] = None,
    first: Annotated[
        int | None,
        typer.Option(help="Number of the first of them.", show_default="1, or 0 if it must be"),
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(help="Of text files.", show_default="what they look like")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Read chains that others made into a run folder, which report and doctor then read."""
    from .chains import check_numbered, import_chains

    chosen = dict(parse_pair(pair, "--column", "round=gen") for pair in columns or [])
    found = import_chains(
        source,
        folder,
        columns=chosen,
        images=images,
        numbered=None if numbered is None else check_numbered(numbered),
        first=first,
        encoding=encoding,
        progress=False if quiet else None,
    )
    print_imported(found)
    raise typer.Exit(Exits.IN_PART if found.rejected else Exits.DONE)


@app.command(epilog=exits())
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
    steps: Annotated[
        bool, typer.Option("--steps", help="One row a step, not a round: .parquet or .csv.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Write a run as a table with its pictures, or as a film of one trajectory or of all."""
    from .chains import export_run, select
    from .store import export_steps, open_run

    if steps:
        with open_run(folder) as opened:
            chosen = select(opened, trajectories or ())
            files = [export_steps(opened, target, trajectories=chosen)]
    else:
        files = export_run(
            folder, target, trajectories=trajectories or (), rate=rate,
            progress=False if quiet else None,
        )  # fmt: skip
    for file in files:
        out.print(f"written: {file}", soft_wrap=True)


@app.command(epilog=exits())
def schema() -> None:
    """Print the JSON Schema of a study file, for editors that complete and check TOML."""
    from .runners import study_schema

    print(json.dumps(study_schema(), indent=2))


def _write_report(opened: Run, path: Path | None, quiet: bool, **chosen: Any) -> None:
    try:
        from .report import write_report
    except ImportError as error:
        raise ModelError(lacking("the report", "report", error)) from error
    written = write_report(opened, path, progress=False if quiet else None, **chosen)
    out.print(f"report: {written}", soft_wrap=True)


def main() -> None:
    """Run the command line; ``ending`` says what it exits with."""
    sys.exit(exit_code(app))


if __name__ == "__main__":
    main()
