"""How long do the measures take, and how much memory, as a run grows?

    python benchmarks/measures.py --states 10000 100000 1000000

A run of so many states has 100 rounds and 2 twins; each size is measured in a process of its own,
so that its largest memory is its own.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
from collections.abc import Callable

import numpy as np
from worlds import world

from driftloop.measures import (
    curve,
    distance_from,
    distance_per_step,
    find_motifs,
    separation,
    strangers_from,
    variety,
    verdict,
)

ROUNDS, TWINS = 100, 2


def measure(states: int, d: int, resamples: int) -> dict[str, float]:
    count = max(2, states // (ROUNDS * TWINS))
    # A few hundred prompts at a time: the world's own arithmetic is in double precision.
    parts = [
        world(0, k=12, prompts=min(250, count - first), rounds=ROUNDS, d=d)[0]
        for first in range(0, count, 250)
    ]
    x = np.concatenate(parts)
    del parts
    prompts = np.repeat(np.arange(count), TWINS)
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    steps: dict[str, Callable[[], object]] = {
        "drift": lambda: (
            curve(distance_from(x, x[:, 0]), prompts, resamples=resamples),
            strangers_from(x, x[:, 0], prompts, resamples=resamples),
            curve(distance_per_step(x), prompts, resamples=resamples),
        ),
        "separation, verdict": lambda: verdict(separation(x, prompts, resamples=resamples).late),
        "variety": lambda: variety(x[:, [0, 4, 9, 24, 49, 99]], prompts),
        "motifs": lambda: find_motifs(x, prompts),
    }
    found = {}
    for name, step in steps.items():
        started = time.perf_counter()
        step()
        found[name] = time.perf_counter() - started
    found["all"] = sum(found.values())
    found["GB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    found["GB of states"] = x.nbytes / 2**30
    found["GB before"] = base / 2**20
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--states", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--dimensions", type=int, default=384)
    parser.add_argument("--resamples", type=int, default=1000)
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    for number, states in enumerate(options.states):
        with context.Pool(1) as pool:
            found = pool.apply(measure, (states, options.dimensions, options.resamples))
        if number == 0:
            print(f"| states x {options.dimensions} | {' | '.join(found)} |")
            print("|---|" + "---|" * len(found))
        cells = " | ".join(f"{v:.1f} s" if "GB" not in k else f"{v:.2f}" for k, v in found.items())
        print(f"| {states:,} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
