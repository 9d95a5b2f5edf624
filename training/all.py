"""Run every stage in order; a stage that has spent its budget does nothing.

The minutes are those of one CPU core, from nothing; ``--scale`` multiplies them.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

STAGES = (
    ("pictograms", None),
    ("wordnet", None),
    ("train_autoencoder --stretch whole", 24),
    ("train_autoencoder --stretch decoder", 6),
    ("train_text", 30),
    ("train_llava", 60),
    ("train_git", 75),
    ("train_clip", 60),
    ("train_unet --stretch objects", 170),
    ("train_unet --stretch prior", 25),
    ("train_unet --stretch nocturne", 12),
    ("train_turbo", 15),
    ("export", None),
    ("evaluate", None),
    ("contact_sheet", None),
)


def main() -> None:
    """Run the stages, from one of them on if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = [name for name, _ in STAGES]
    trained = [name for name, minutes in STAGES if minutes]
    parser.add_argument("--from", dest="first", choices=names, help="skip the stages before this")
    parser.add_argument("--until", choices=names, help="end with this stage")
    parser.add_argument("--scale", type=float, default=1.0, help="factor on all training times")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=0, help="processes that render ahead")
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
    first = names.index(args.first) if args.first else 0
    last = names.index(args.until) if args.until else len(names) - 1
    for name, minutes in STAGES[first : last + 1]:
        command = [sys.executable, "-m", f"training.{name.split()[0]}", *name.split()[1:]]
        if minutes is not None:
            budget = 0 if name in args.keep else minutes * args.scale
            command += ["--minutes", str(budget), "--threads", str(args.threads)]
            command += ["--workers", str(args.workers)]
            if args.compile and "train_unet" in name:
                command += ["--compile"]
            if args.start:
                command += ["--start", str(args.start)]
        print("+", " ".join(command), flush=True)
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
