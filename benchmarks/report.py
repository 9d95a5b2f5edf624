"""How long does a report take, how much memory, and how large is its page, as a run grows?

    python benchmarks/report.py --folder runs-of-all-shapes --against ../before/src

The runs are played by the planted network, a long one, a wide one and one in between, and one of
larger pictures is made by hand; a folder keeps them for the next time. Vectors are made first,
in a process of their own. Each report is then made in a process of its own, so that its largest
memory is its own. Seconds are of computing, so that a machine that is busy with other work gives
the same. With --against, the source tree there makes the same reports of the same runs.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from driftloop.models.planted import SLOTS, WORDS, tell
from driftloop.runners import run
from driftloop.steps import Content, Recorded, Role, Trajectory, image_digest
from driftloop.store import create_run
from driftloop.study import Study

HERE = Path(__file__).parent.parent / "src"
SHAPES = {
    "2 × 20,000": (2, 1, 20_000),
    "200 × 100": (100, 2, 100),
    "20,000 × 5": (10_000, 2, 5),
}
"""Prompts, twins, rounds."""
PICTURES = "48 × 20, pictures of 128²"
REPORT = """
import json, resource, sys
from driftloop.encoders import embed, get_encoder
from driftloop.report import write_report
from driftloop.store import open_run
folder, page, *encoders = sys.argv[1:]
if page:
    size = write_report(folder, page, encoders=encoders, progress=False).stat().st_size
else:
    with open_run(folder) as run:
        steps, size = run.steps(), 0
        for encoder in map(get_encoder, encoders):
            column = "image" if encoder.kind == "image" else "text"
            embed(run, encoder, steps[column].drop_null().unique().to_pylist())
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps([used.ru_utime + used.ru_stime, used.ru_maxrss / 2**20, size / 1e6]))
"""


def study(prompts: int, twins: int, rounds: int) -> Study:
    dice = random.Random(0)
    texts: dict[str, None] = {}
    while len(texts) < prompts:
        texts[tell(tuple(dice.choices(range(len(WORDS)), k=SLOTS)))] = None
    world = {"backend": "planted", "attractors": 6, "batch_size": 512}
    return Study.model_validate(
        {
            "title": f"{prompts * twins} x {rounds}", "seed": 1, "rounds": rounds, "twins": twins,
            "prompts": [{"id": f"p{n:05}", "text": text} for n, text in enumerate(texts)],
            "models": {
                "draw": {**world, "role": "generator"}, "look": {**world, "role": "captioner"},
            },
            "arms": [{"name": "planted", "network": ["draw", "look"]}],
        }
    )  # fmt: skip


def make_pictures(folder: Path, prompts: int = 24, twins: int = 2, rounds: int = 20) -> None:
    """Coloured noise of a few pixels, drawn large and smooth."""
    dice = random.Random(0)
    with create_run(folder) as made:
        starts = [(f"p{n}", Content("text", f"picture {n}"), "") for n in range(prompts)]
        made.begin(study="{}", digest="d", prompts=starts, environment={})
        made.add_player("f", "draw", "generator", None, {})
        for id, start, _ in starts:
            for twin in range(twins):
                steps = []
                for round in range(1, rounds + 1):
                    small = Image.frombytes("RGB", (6, 6), dice.randbytes(108))
                    image = small.resize((128, 128), Image.Resampling.BICUBIC)
                    made.put_image(image, image_digest(image))
                    shown = Content("image", image_digest(image))
                    steps.append(Recorded(round, Role.GENERATOR, "draw", "f", start, shown))
                made.record(Trajectory("one", id, twin), steps)
        made.end("finished")


def report(source: Path, folder: Path, page: Path | None, encoders: list[str]) -> list[float]:
    told = subprocess.run(
        [sys.executable, "-c", REPORT, folder, page or "", *encoders],
        env={**os.environ, "PYTHONPATH": str(source)}, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    found: list[float] = json.loads(told.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="of the runs; kept")
    parser.add_argument("--against", type=Path, help="another source tree")
    parser.add_argument("--runs", default="", help="only those whose name this is found in")
    parser.add_argument("--encoders", nargs="+", default=["lexical", "pixels"])
    options = parser.parse_args()
    sources = {"now": HERE}
    if options.against:
        sources = {"before": options.against.resolve(), **sources}
    print("| run | source | time | memory | page |\n|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        root = options.folder or Path(temporary)
        for name in [*SHAPES, PICTURES]:
            if not re.search(options.runs, name):
                continue
            folder = root / re.sub(r"\W+", "-", name)
            if not folder.exists() and name in SHAPES:
                run(study(*SHAPES[name]), folder, progress=False).close()
            elif not folder.exists():
                make_pictures(folder)
            report(HERE, folder, None, options.encoders)
            for label, source in sources.items():
                page = Path(temporary) / "report.html"
                seconds, peak, size = report(source, folder, page, options.encoders)
                print(
                    f"| {name} | {label} | {seconds:.1f} s | {peak:.2f} GB | {size:.2f} MB |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
