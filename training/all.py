"""Run every stage in order; a stage that has spent its budget does nothing."""

from __future__ import annotations

import argparse
import subprocess
import sys

STAGES = (
    ("pictograms", ()),
    ("train_autoencoder", ("--minutes", "24")),
    ("train_text", ("--minutes", "16")),
    ("train_captioner", ("--minutes", "40")),
    ("train_unet", ("--minutes", "84")),
    ("export", ()),
    ("evaluate", ()),
    ("contact_sheet", ()),
)


def main() -> None:
    """Run the stages, from one of them on if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="first", choices=[name for name, _ in STAGES])
    parser.add_argument("--scale", type=float, default=1.0, help="factor on all training times")
    args = parser.parse_args()
    names = [name for name, _ in STAGES]
    for name, options in STAGES[names.index(args.first) if args.first else 0 :]:
        command = [sys.executable, "-m", f"training.{name}", *options]
        if "--minutes" in options:
            command[-1] = str(float(command[-1]) * args.scale)
        print("+", " ".join(command), flush=True)
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
