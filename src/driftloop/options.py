"""Arguments and options that several commands have, and how their values are read."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from .ending import concerns
from .errors import StudyError

# Written out, since asking the package would import all of a study for every --help.
StudyArgument = Annotated[
    str,
    typer.Argument(
        help="A study file (TOML), or the name of a study that ships: quickstart, "
        "why-they-disagree, without-captioner, elevator-music-postcard, long-postcard, "
        "model-swap-postcard on bundled models; elevator-music, long, model-swap on large ones."
    ),
]


def concerned(folder: Path | None) -> Path | None:
    """Let an unexpected error leave its traceback in the run folder of a command."""
    if folder is not None:
        concerns(folder)
    return folder


def _include(files: list[Path] | None) -> list[Path] | None:
    if files:
        from .runners import include

        for file in files:
            include(file)
    return files


RunArgument = Annotated[Path, typer.Argument(help="A run folder.", callback=concerned)]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")]
AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]
Include = Annotated[
    list[Path] | None,
    typer.Option(
        "--include",
        metavar="FILE",
        callback=_include,
        help="Run a Python file of your own first: its players, rules and encoders can then be "
        "named. Repeat for more.",
    ),
]


def parse_settings(pairs: list[str]) -> dict[str, Any]:
    """Settings of a model, as TOML has values; a text needs no quotes.

    Raises:
        StudyError: One is not written as ``KEY=VALUE``, or has an option of its own.

    >>> parse_settings(["temperature=0.7", "dtype=float16", "devices=['cpu']"])
    {'temperature': 0.7, 'dtype': 'float16', 'devices': ['cpu']}
    """
    settings: dict[str, Any] = {}
    for pair in pairs:
        key, value = parse_pair(pair, "--set", "temperature=0.7")
        if key in {"path", "backend"}:
            said = "the argument is" if key == "path" else "--backend says"
            raise StudyError(f"--set {pair}: {said} the {key}; leave it out here")
        try:
            settings[key] = tomllib.loads(f"x = {value}")["x"]
        except ValueError:
            settings[key] = value
    return settings


def parse_pair(pair: str, option: str, example: str) -> tuple[str, str]:
    """The two sides of ``KEY=VALUE``.

    Raises:
        StudyError: It is not written so.
    """
    key, equals, value = pair.partition("=")
    if not equals:
        raise StudyError(f"{option} {pair}: write it as KEY=VALUE, e.g. {option} {example}")
    return key.strip(), value
