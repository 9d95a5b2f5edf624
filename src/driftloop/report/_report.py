"""Measure a run, and write it as one HTML file."""

from __future__ import annotations

import base64
import hashlib
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from ..encoders import Encoder, find_encoders
from ..errors import StoreError
from ..files import exported
from ..measures import RESAMPLES
from ..store import Run, open_run
from ._answers import answer
from ._assess import Advance, Drift, measure_drift, measure_repeats, on_postcards
from ._atlas import atlas_pictures, make_atlases
from ._charts import drift_blocks, repeats_blocks, returns_rows
from ._choice import MOST_PICTURES, Choice, choose
from ._conditions import make_factorial
from ._ending_charts import ending_blocks
from ._factors import find_factors
from ._fidelity import measure_objects
from ._finals import final_blocks, final_pictures, measure_finals
from ._gather import Material, gather
from ._losses import count_losses, group_failures
from ._map import draw_maps
from ._meaning import prior_cells, say_fidelity, say_priors, seen_in
from ._phrases import count, say_estimate, say_share
from ._pictures import Album, make_album
from ._priors import SCENES
from ._prose import say_arms, say_findings, say_missing, say_what
from ._provenance import describe_players, describe_sessions, say_seconds, study_text
from ._pulls import pull_rows
from ._strips import make_groups, pictures_wanted
from .figures import NARROWEST, crowded


def write_report(
    run: Run | str | PathLike[str],
    path: str | PathLike[str] | None = None,
    *,
    encoders: Sequence[str] | None = None,
    pictures: int = MOST_PICTURES,
    progress: bool | None = None,
) -> Path:
    """Measure a run and write its report.

    Args:
        run: A run, or its folder.
        path: The file to write; by default ``report.html`` in the run's folder, from where it
            links to the full pictures.
        encoders: Names of what measures it, as :func:`driftloop.encoders.find_encoders` takes them;
            a model that has an encoder for captions and one for pictures measures both. By default
            those that ship.
        pictures: How many the strips hold together, for a smaller or a larger file; trajectories
            without a strip are measured all the same.
        progress: Show a progress bar on the error stream; by default only on a terminal.

    Returns:
        The file.

    Raises:
        StoreError: The run cannot be read, or the file cannot be written.
        ModelError: An encoder does not exist or cannot be used, or its library is not installed.
    """
    if not isinstance(run, Run):
        with open_run(run) as opened:
            return write_report(
                opened, path, encoders=encoders, pictures=pictures, progress=progress
            )
    chosen = None
    if encoders is not None:
        # All are found before the first one embeds; two spellings of one are one.
        found: dict[str, Encoder] = {}
        for encoder in (encoder for name in encoders for encoder in find_encoders(name)):
            found.setdefault(encoder.identity, encoder)
        chosen = list(found.values())
    target = Path(path) if path is not None else run.folder / "report.html"
    # Measuring may take an hour; that its result has no place is told before.
    if target.parent.is_dir() and not os.access(target.parent, os.W_OK | os.X_OK):
        raise StoreError(
            f"{target}: the report cannot be written there: that folder is not yours to write; "
            f"choose a file elsewhere with --out"
        )
    show = sys.stderr.isatty() if progress is None else progress
    with _bar(show) as advance:
        page = _render(run, target, advance, chosen, pictures)
    _write(target, page)
    return target


def _render(
    run: Run, target: Path, advance: Advance, encoders: Sequence[Encoder] | None, pictures: int
) -> str:
    material = gather(run)
    choice = choose(material.tracks, most_pictures=pictures)
    factors = find_factors(material)
    drifts = measure_drift(run, material, choice, factors, advance, encoders)
    repeats = measure_repeats(material)
    atlases = make_atlases(material, drifts)
    shared_ends = final_blocks(measure_finals(material))
    shown = [
        *pictures_wanted(material, choice),
        *atlas_pictures(atlases),
        *final_pictures(shared_ends),
    ]
    wanted = list(dict.fromkeys(shown))
    album = make_album(run, wanted, advance=lambda n: advance("pictures", n, len(wanted)))
    arms, seen = say_arms(material, drifts, repeats)
    style, script = _template("report.css"), _template("report.js")
    return _environment().get_template("report.html.j2").render(
        material=material,
        what=say_what(material),
        missing=say_missing(material),
        arms=arms,
        seen=seen,
        findings=say_findings(material, arms[0], seen) if len(arms) == 1 else [],
        played=len(material.steps),
        choice=choice,
        album=album,
        groups=make_groups(material, choice, album, _links(run, target, wanted)),
        drifts=drift_blocks(material, drifts),
        encoders=drifts,
        answers=answer(material, drifts),
        endings=ending_blocks(material, drifts),
        atlases=atlases,
        finals=shared_ends,
        factorial=make_factorial(
            material,
            factors,
            [(d.family, seen_in(material, d), d.cells) for d in drifts],
            prior_cells(material, drifts),
        ),
        parts=[(seen_in(material, d), d.parts) for d in drifts if d.parts],
        fidelity=say_fidelity(material, drifts),
        objects=[(arm, measure_objects(material, arm)) for arm in material.arms]
        if on_postcards(material)
        else [],
        priors=say_priors(material, drifts),
        pulls=pull_rows(material, on_postcards(material)),
        scenes=SCENES,
        maps=draw_maps(material, [(d.kind, d.title, d.places) for d in drifts]),
        repeats=repeats_blocks(material, repeats),
        returns=returns_rows(material, drifts),
        losses=count_losses(material, drifts),
        stops=group_failures(material),
        players=describe_players(material),
        sessions=describe_sessions(material),
        study=study_text(material),
        notes=_notes(material, choice, album, drifts if encoders is None else []),
        resamples=RESAMPLES,
        version=version("driftloop"),
        style=Markup(style),
        pictures=Markup(album.css),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )  # fmt: skip


def _notes(
    material: Material, choice: Choice, album: Album, defaults: list[Drift]
) -> dict[str, str]:
    """What the reader should know about what is shown, by section.

    Args:
        material: The run.
        choice: What of it is shown.
        album: The pictures that are shown.
        defaults: Drift by the default encoders, where nobody chose others.
    """
    notes = {}
    strips = []
    if choice.left_out:
        strips.append(
            f"{count(choice.left_out, 'trajectory')} of {len(material.tracks):,} had no room "
            "here; those shown are spread evenly over arms and prompts, and all are measured"
        )
    if len(choice.rounds) < material.rounds:
        strips.append(
            f"{len(choice.rounds)} of {material.rounds:,} rounds are shown, dense at first and "
            "then ever wider apart"
        )
    if not album.exact and album.classes:
        strips.append(
            f"pictures are previews of at most {album.side} pixels; the run's own are lossless"
        )
    if strips:
        text = "; ".join(strips)
        notes["strips"] = f"{text[0].upper()}{text[1:]}."
    if album.missing:
        text = f"{count(len(album.missing), 'picture')} could not be read from the run."
        notes["missing"] = f"{text[0].upper()}{text[1:]}"
    if crowded(material.rounds):
        notes["charts"] = (
            f"{material.rounds:,} rounds have less room than a pixel each. Of those that share "
            "one, a chart draws the lowest and the highest value, and tells the first that has any "
            "where it is pointed at."
        )
    if crowded(material.rounds, NARROWEST):
        notes["cells"] = "A cell is of several rounds here, and shows every kind among them."
    if defaults and not any(drift.encoder == "minilm" for drift in defaults):
        notes["encoders"] = (
            "Meaning was not measured: the encoder minilm is not installed "
            "(pip install 'driftloop[minilm]')."
        )
    return notes


def _links(run: Run, target: Path, digests: list[str]) -> dict[str, str]:
    """Addresses of full pictures, where the page lies in the run's folder and moves with it."""
    if target.resolve().parent != run.folder.resolve():
        return {}
    # As the page names them: images/ may be a link to a larger disk.
    return {
        digest: run.images.path(digest).relative_to(run.folder).as_posix()
        for digest in digests
        if run.images.has(digest)
    }


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("driftloop.report", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["seconds"] = say_seconds
    environment.filters["svg"] = Markup
    environment.filters["estimate"] = say_estimate
    environment.filters["share"] = say_share
    environment.globals["count"] = count
    return environment


def _template(name: str) -> str:
    return resources.files(__package__).joinpath("templates", name).read_text("utf-8")


def _write(target: Path, page: str) -> None:
    try:
        with exported(target) as stream:
            stream.write(page.encode())
    except OSError as error:
        raise StoreError(f"{target}: the report cannot be written there: {error}") from error


@contextmanager
def _bar(show: bool) -> Iterator[Advance]:
    if not show:
        yield lambda stage, done, total: None
        return
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    columns: list[Any] = [*Progress.get_default_columns()[:2], MofNCompleteColumn()]
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        tasks: dict[str, Any] = {}

        def advance(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total)
            bar.advance(tasks[stage], done)

        yield advance
