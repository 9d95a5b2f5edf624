"""Run every stage, each once what it needs is there; one that has spent its budget does nothing.

The minutes are those of one CPU core or of a GPU with some fifteen cores beside it, from nothing;
``--scale`` multiplies them.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from training.common import here


class Stage(NamedTuple):
    """A script of this package with its options, and what has to be done before it."""

    command: str
    needs: tuple[str, ...] = ()
    minutes: tuple[float, float] | None = None
    """Of one CPU core, and of a GPU; None where it ends by itself."""


WHOLE, DECODER = "train_autoencoder --stretch whole", "train_autoencoder --stretch decoder"
OBJECTS, PRIOR, NOCTURNE = (
    f"train_unet --stretch {stretch}" for stretch in ("objects", "prior", "nocturne")
)
STAGES = (
    Stage("pictograms"),
    Stage("wordnet", ("pictograms",)),
    Stage("train_text", ("wordnet",), (30, 1.5)),
    Stage(WHOLE, ("wordnet",), (24, 1.0)),
    Stage(DECODER, (WHOLE,), (6, 0.4)),
    # The longest first, where some have to wait.
    Stage(OBJECTS, (WHOLE, "train_text"), (170, 6.9)),
    Stage("train_llava", (DECODER,), (60, 3.2)),
    Stage("train_git", ("train_llava",), (75, 3.6)),
    Stage("train_clip", (DECODER, "train_text"), (60, 5.0)),
    Stage(PRIOR, (OBJECTS,), (25, 1.2)),
    Stage(NOCTURNE, (PRIOR,), (12, 0.5)),
    Stage("train_turbo", (NOCTURNE,), (15, 0.8)),
    Stage("export", ("train_turbo", "train_git", "train_clip")),
    Stage("evaluate", ("export",)),
    Stage("contact_sheet", ("evaluate",)),
)


def main() -> None:
    """Run the stages, from one of them on if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = [stage.command for stage in STAGES]
    trained = [stage.command for stage in STAGES if stage.minutes]
    parser.add_argument("--from", dest="first", choices=names, help="skip what this needs")
    parser.add_argument("--until", choices=names, help="skip what needs this")
    parser.add_argument("--scale", type=float, default=1.0, help="factor on all training times")
    parser.add_argument("--jobs", type=positive, default=1, help="stages that run at the same time")
    parser.add_argument("--threads", type=int, default=2, help="of each stage")
    parser.add_argument(
        "--workers", type=int, default=0, help="processes that make batches, of each stage"
    )
    parser.add_argument("--compile", action="store_true", help="of the UNet; see its --help")
    parser.add_argument(
        "--start", type=Path, help="begin with the models in this folder instead of nothing"
    )
    parser.add_argument(
        "--keep",
        nargs="+",
        default=[],
        choices=trained,
        help="stages that spend no time: what they start from is kept as it is",
    )
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    run(between(args.first, args.until), lambda stage: _command(stage, args), args.jobs)


def positive(text: str) -> int:
    """A number from 1 on, for argparse."""
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 on")
    return value


def between(first: str | None, last: str | None) -> list[Stage]:
    """The stages, without those that the first one needs and those that need the last one."""
    done = _needed_by(first) if first else set()
    kept = [stage for stage in STAGES if stage.command not in done]
    return [stage for stage in kept if last not in _needed_by(stage.command)]


def _needed_by(name: str) -> set[str]:
    """All stages that have to be done before one."""
    direct = set(next(stage.needs for stage in STAGES if stage.command == name))
    return direct.union(*map(_needed_by, direct))


def _command(stage: Stage, args: argparse.Namespace) -> list[str]:
    command = [sys.executable, "-m", *f"training.{stage.command}".split()]
    if stage.minutes is not None:
        budget = 0 if stage.command in args.keep else here(stage.minutes) * args.scale
        command += ["--minutes", str(budget), "--threads", str(args.threads)]
        command += ["--workers", str(args.workers)]
        if args.compile and "train_unet" in stage.command:
            command += ["--compile"]
        if args.start:
            command += ["--start", str(args.start)]
    return command


def run(stages: Sequence[Stage], told: Callable[[Stage], list[str]], jobs: int) -> None:
    """Run stages, each as soon as those that it needs are done and there is room.

    Args:
        stages: The stages, in the order in which they are begun where there is a choice. Of what
            they need, stages that are not among them are taken as done.
        told: Says how a stage is started.
        jobs: How many run at the same time.

    Raises:
        SystemExit: A stage failed; those beside it were asked to save and end.
    """
    waiting = list(stages)
    running: dict[str, subprocess.Popen[bytes]] = {}
    try:
        while waiting or running:
            undone = {stage.command for stage in waiting} | set(running)
            ready = [stage for stage in waiting if not undone & set(stage.needs)]
            for stage in ready[: jobs - len(running)]:
                command = told(stage)
                print("+", " ".join(command), flush=True)
                running[stage.command] = subprocess.Popen(command)
                waiting.remove(stage)
            time.sleep(0.1)
            for name, process in list(running.items()):
                if process.poll() is not None:
                    del running[name]
                    if process.returncode:
                        sys.exit(f"{name} failed (exit code {process.returncode}); see above")
    finally:
        for process in running.values():
            process.terminate()
        for process in running.values():
            process.wait()


if __name__ == "__main__":
    main()
