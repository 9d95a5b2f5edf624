"""How long does it take to open a large run, and to read all of it?

    python benchmarks/opening.py --steps 1000000

The run is made by hand, texts and digests without pictures, in trajectories of 100 rounds.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from driftloop.steps import Content
from driftloop.store import Run, create_run, open_run
from driftloop.store._calls import put_call
from driftloop.store._sums import put_row

ROUNDS = 100


def key(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def outcome(number: int) -> Content:
    if number % 2:
        return Content("text", f"A ship on the sea at night, as caption {number} has it.")
    return Content("image", key(-number))


def calls(db: sqlite3.Connection, steps: int) -> None:
    for number in sorted(range(steps), key=key):
        taken = outcome(number - 1) if number % (2 * ROUNDS) else Content("text", "a ship at sea")
        put_call(
            db, key(number), f"player-{number % 2}", taken, number, outcome(number), session=1,
            tokens_written=20, started=0.0, seconds=0.1,
        )  # fmt: skip


def make(folder: Path, steps: int) -> None:
    """Write a run in bulk, as no session would."""
    with create_run(folder) as run:
        prompt = ("p", Content("text", "a ship at sea"), "hand")
        run.begin(
            study=json.dumps({"title": "large"}), digest="d", prompts=[prompt], environment={}
        )
        for number, (model, role) in enumerate((("draw", "generator"), ("look", "captioner"))):
            run.add_player(f"player-{number}", model, role, 8, {})
        db = run._db
        db.execute("BEGIN")
        for n in range(-(-steps // (2 * ROUNDS))):
            put_row(db, "trajectories", n, "one", "p", n)
        calls(db, steps)
        for n in range(steps):
            role, model = ("generator", "captioner")[n % 2], ("draw", "look")[n % 2]
            number, at = divmod(n, 2 * ROUNDS)
            put_row(db, "steps", number, at, at // 2 + 1, role, model, key(n), 0)
        db.execute("COMMIT")
        run.end("finished")


def timed(name: str, work: Callable[[], object]) -> None:
    wall, busy = time.perf_counter(), time.process_time()
    work()
    print(
        f"| {name} | {time.perf_counter() - wall:.2f} s | {time.process_time() - busy:.2f} s |",
        flush=True,
    )


def state_of(run: Run) -> tuple[object, ...]:
    """What tells how far a run is: nothing of it reads a step's text."""
    return (
        len(run),
        run.trajectories(),
        run.failures(),
        run.sessions(),
        run.studies(),
        run.players(),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "run"
        make(folder, options.steps)
        print(f"| {options.steps:,} steps | time | of it computing |\n|---|---|---|")
        timed("open", lambda: open_run(folder).close())
        with open_run(folder) as run:
            timed("how far it is: counts, failures, sessions", lambda: state_of(run))
            last = run.trajectories()[-1]
            timed("one trajectory", lambda: run.steps_of(last))
            timed("every step as a table", run.steps)


if __name__ == "__main__":
    main()
