"""How long do the measures take, and how much memory, as a run grows?

    python benchmarks/measures.py --states 10000 100000 1000000

All that a report measures with one encoder. A run of so many states has 100 rounds and 2 twins, in
two arms where parts are told apart; each size is measured in a process of its own, so that its
largest memory is its own. Seconds are of computing (of all cores together), so that a machine that
is busy with other work gives the same; "by the clock" is what that said.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
from collections.abc import Callable

import numpy as np
from worlds import corpus, world

from driftloop.measures import (
    alike,
    attribution,
    curve,
    distance_from,
    distance_per_step,
    energy_distance,
    find_motifs,
    mean_cumulative_drift,
    periods,
    repetition,
    semantic_drift_rate,
    separation,
    share,
    shuffled,
    strangers_from,
    variety,
    verdict,
)

ROUNDS, TWINS, SCENES, LOOKS = 100, 2, 200, 10


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
    late = x[:, :: -(ROUNDS // 2 // LOOKS)][:, :LOOKS]
    scenes = corpus(1, texts=SCENES, prompts=SCENES, twins=1, rounds=1, d=d)[0][:, 0]
    halves = np.arange(count) % 2
    similarity = 1.0 - distance_from(x[:, 1:], x[:, 0])
    steps: dict[str, Callable[[], object]] = {
        "drift": lambda: (
            curve(distance_from(x, x[:, 0]), prompts, resamples=resamples),
            strangers_from(x, x[:, 0], prompts, resamples=resamples),
            curve(distance_per_step(x), prompts, resamples=resamples),
        ),
        "strangers, twins, verdict": lambda: verdict(
            separation(x, prompts, resamples=resamples).late
        ),
        "shuffled control": lambda: separation(
            shuffled(x)[:, ROUNDS // 2 :], prompts, late=1.0, resamples=resamples
        ),
        "variety": lambda: variety(x, prompts),
        "motifs": lambda: find_motifs(x, prompts),
        "repeats": lambda: (
            share([repetition(alike(row, 0.1)).period is not None for row in x], prompts),
            periods(x),
        ),
        "MCD, SDR": lambda: (
            mean_cumulative_drift(similarity, prompts),
            semantic_drift_rate(similarity, prompts),
        ),
        "whose prior": lambda: energy_distance(
            late.reshape(-1, d), scenes, x_units=np.repeat(prompts, LOOKS), resamples=resamples
        ),
        "which part": lambda: attribution(
            x[:, -1], {"prompt": prompts // 2, "captioner": np.repeat(halves, TWINS)}
        ),
    }  # fmt: skip
    found = {}
    started = time.perf_counter()
    for name, step in steps.items():
        before = time.process_time()
        step()
        found[name] = time.process_time() - before
    found["all"] = sum(found.values())
    found["by the clock"] = time.perf_counter() - started
    found["GB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    found["GB of states"] = x.nbytes / 2**30
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--states", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--dimensions", type=int, default=384)
    parser.add_argument("--resamples", type=int, default=1000)
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    table = {}
    for states in options.states:
        with context.Pool(1) as pool:
            table[states] = pool.apply(measure, (states, options.dimensions, options.resamples))
    print(f"| states x {options.dimensions} | {' | '.join(f'{n:,}' for n in table)} |")
    print("|---|" + "---|" * len(table))
    for name in next(iter(table.values())):
        unit = "{:.2f}" if "GB" in name else "{:.1f} s"
        print(f"| {name} | {' | '.join(unit.format(row[name]) for row in table.values())} |")


if __name__ == "__main__":
    main()
