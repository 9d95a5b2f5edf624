"""What the engine takes beside the models: steps a second on controls, the scheduler alone, rules.

    python benchmarks/engine.py --against ../before/src

Controls have no models, so that what they take is the engine's: scheduling, storing, handing over.
With --against, the source tree there plays the same studies, in turn with this one, so that
whatever else the machine does hits both; their ratio is what counts. Each is played in a process
of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent.parent / "src"
PLAY = """
import json, sys, tempfile, time
import driftloop
kind, prompts, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
study = driftloop.load_study({
    "rounds": rounds, "twins": 2,
    "prompts": [
        f"a small harbour town at dawn, with number {n} on the wall of the tall lighthouse"
        for n in range(prompts)
    ],
    "models": {
        "write": {"backend": "controls", "kind": "write"},
        "look": {"backend": "controls", "kind": kind, "path": "postcards-24"},
    },
    "arms": [{"name": "a", "network": ["write", "look"]}],
})
with tempfile.TemporaryDirectory() as folder:
    wall, cpu = time.perf_counter(), time.process_time()
    steps = len(driftloop.run(study, folder + "/run", progress=False))
    print(json.dumps([steps / (time.perf_counter() - wall), steps / (time.process_time() - cpu)]))
"""
SCHEDULE = """
import json, sys, time, tracemalloc
from driftloop.scheduler import Course, Scheduler, Seat
from driftloop.steps import Content, Output, Role, Trajectory
try:
    from driftloop.network import Network, Turn
except ImportError:
    from driftloop.steps import Network, Place as Turn
count = int(sys.argv[1])
network = Network((Turn("draw", Role.GENERATOR), Turn("look", Role.CAPTIONER)))
starts = [Content("text", f"prompt {n}") for n in range(count // 2)]
courses = [
    Course(Trajectory("a", f"p{n}", twin), start, network, 2)
    for n, start in enumerate(starts) for twin in (0, 1)
]
seats = {name: Seat(name, name, 64) for name in ("draw", "look")}
answers = [Output(f"answer {n}") for n in range(64)]
[answer.reference for answer in answers]
begun = time.process_time()
scheduler = Scheduler(seed=1, courses=courses, seats=seats)
steps = 0
while batch := scheduler.ask():
    scheduler.tell(batch, answers[: len(batch.calls)])
    steps += len(scheduler.collect())
seconds = time.process_time() - begun
tracemalloc.start()
scheduler = Scheduler(seed=1, courses=courses, seats=seats)
held = tracemalloc.get_traced_memory()[0]
print(json.dumps([1e6 * seconds / steps, held / count]))
"""
RULES = """
import json, sys, tempfile, time
import driftloop
network = sys.argv[1:]
world = {"backend": "planted", "attractors": 6}
study = driftloop.load_study({
    "rounds": 20, "twins": 2,
    "prompts": [f"harbour lighthouse lantern anchor number {n}" for n in range(50)],
    "models": {
        "draw": {**world, "role": "generator"}, "tell": {**world, "role": "captioner"},
        "anchor": {"backend": "anchor", "how": "lost"},
        "inject": {"backend": "inject", "path": "postcards-24"},
        "novelty": {"backend": "novelty"},
    },
    "arms": [{"name": "a", "network": network}],
})
with tempfile.TemporaryDirectory() as folder:
    cpu = time.process_time()
    steps = len(driftloop.run(study, folder + "/run", progress=False))
    print(json.dumps([1e6 * (time.process_time() - cpu) / steps]))
"""


def told(code: str, *arguments: object, source: Path = HERE) -> list[float]:
    """Figures of a process that runs some code on a source tree."""
    environment = {**os.environ, "PYTHONPATH": str(source), "OMP_NUM_THREADS": "1"}
    call = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(call, check=True, capture_output=True, text=True, env=environment)
    return [float(figure) for figure in json.loads(done.stdout.splitlines()[-1])]


def compared(name: str, code: str, *arguments: object, trees: list[Path], pairs: int) -> None:
    """Print the medians of each tree's figures, a tree a column."""
    rounds = [[told(code, *arguments, source=tree) for tree in trees] for _ in range(pairs)]
    for place, label in enumerate(name.split(" | ")):
        columns = [[one[tree][place] for one in rounds] for tree in range(len(trees))]
        medians = [statistics.median(column) for column in columns]
        ratio = f"{medians[0] / medians[-1]:.2f}" if len(trees) > 1 else ""
        print(f"| {label} | {' | '.join(f'{m:,.0f}' for m in medians)} | {ratio} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--against", type=Path, help="the src folder of another version")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--trajectories", type=int, default=200_000)
    options = parser.parse_args()
    trees = [HERE] + ([options.against.resolve()] if options.against else [])
    print(f"| | here |{' before |' * (len(trees) - 1)} ratio |")
    print(f"|---|---|{'---|' * (len(trees) - 1)}---|")
    for kind in ("random", "identity"):
        compared(
            f"controls, {kind}: steps a second | the same, a second of computing",
            PLAY, kind, 100, 20, trees=trees, pairs=options.pairs,
        )  # fmt: skip
    compared(
        "scheduler: µs a step, made, asked and told | bytes a trajectory",
        SCHEDULE, options.trajectories, trees=trees, pairs=1,
    )  # fmt: skip
    for rules in ([], ["anchor"], ["inject"], ["novelty"]):
        label = f"planted pair with {rules[0] if rules else 'no rule'}: µs of computing a step"
        compared(label, RULES, "draw", "tell", *rules, trees=trees[:1], pairs=options.pairs)


if __name__ == "__main__":
    main()
