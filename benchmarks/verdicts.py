"""How often are the measures right? Simulated on worlds whose truth is known.

    python benchmarks/verdicts.py --runs 200 --motif-runs 40 > table.md

Every world is played anew each time, at 24 prompts x 2 twins x 60 rounds x 64 dimensions. The truth
of a continuous quantity is what it is over thousands of prompts. The tables go into
docs/measures.md.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from worlds import Floats, Ints, corpus, shuffled, still, wander, world

from driftloop.measures import Late, find_motifs, separation, variety, verdict

Draw = Callable[..., tuple[Floats, Ints]]


def dealt(make: Draw, seed: int, **size: int) -> tuple[Floats, Ints]:
    x, prompts = make(seed, **size)
    return shuffled(seed, x), prompts


NULLS: dict[str, Draw] = {
    "identity (nothing moves)": partial(still, noise=0.0),
    "identity, noisy pictures": still,
    "random captions of a corpus": corpus,
    "shuffled, of still trajectories": partial(dealt, still),
    "shuffled, of wandering ones": partial(dealt, wander),
    "wandering": wander,
}
PLANTED: dict[str, tuple[int, Draw]] = {
    f"{k} attractors, escape {escape}": (k, partial(world, k=k, escape=escape))
    for k in (3, 6, 12, 24)
    for escape in (0.05, 0.1, 0.2)
}
OTHERS: dict[str, tuple[str, Draw]] = {
    "6 attractors, each prompt its own for ever": ("contracts", partial(world, loyal=1.0)),
    "12 far attractors, by prompt": ("remembers", partial(world, k=12, near=0.0, loyal=1.0)),
    "24 far attractors, escape 0.2": ("wanders", partial(world, k=24, near=0.0, escape=0.2)),
}
COVERED: dict[str, Draw] = {
    "6 attractors, 70 % of the twins loyal": partial(world, loyal=0.7),
    "6 attractors, by prompt": partial(world, loyal=1.0),
    "6 attractors, escape 0.1": world,
    "noisy pictures, nothing moves": partial(still, noise=0.8),
    "wandering": wander,
}
SHUFFLED: dict[str, Draw] = {
    f"shuffled, of {k} attractors": partial(dealt, partial(world, k=k)) for k in (3, 12)
}


LATE = 30
RESAMPLES = 400


def ending(x: Floats, prompts: Ints, *, resamples: int = RESAMPLES, seed: int = 0) -> Late:
    """The late rounds of a run: the rounds between the first and them have no part in it."""
    kept = np.concatenate([x[:, :1], x[:, -LATE:]], axis=1)
    share = LATE / (LATE + 1)
    return separation(kept, prompts, late=share, resamples=resamples, seed=seed).late


def progress(name: str, runs: int) -> Iterator[int]:
    for run in range(runs):
        print(f"\r{name}: {run + 1} of {runs}   ", end="", file=sys.stderr)
        yield run
    print(file=sys.stderr)


def percent(part: float, runs: int) -> str:
    return f"{100 * part / max(runs, 1):.1f} %"


def verdicts(draw: Draw, name: str, runs: int) -> Counter[str]:
    return Counter(verdict(ending(*draw(seed))).kind for seed in progress(name, runs))


def print_verdicts(runs: int) -> None:
    kinds = ("collapses", "contracts", "wanders", "remembers", "undecided")
    print(f"\n| world ({runs} runs each) | true | {' | '.join(kinds)} |")
    print("|---|---|" + "---|" * len(kinds))
    rows = [(name, "no fall", draw) for name, draw in NULLS.items()]
    rows += [(name, "collapses", draw) for name, (_, draw) in PLANTED.items()]
    rows += [(name, kind, draw) for name, (kind, draw) in OTHERS.items()]
    for name, truth, draw in rows:
        found = verdicts(draw, name, runs)
        cells = " | ".join(percent(found[kind], runs) for kind in kinds)
        print(f"| {name} | {truth} | {cells} |", flush=True)


def print_coverage(runs: int) -> None:
    names = ("memory", "contraction", "strangers", "variety at the end")
    print(f"\n| 95 % interval covers ({runs} runs each) | {' | '.join(names)} |")
    print("|---|" + "---|" * len(names))
    for name, draw in COVERED.items():
        many = [ending(*draw(90_000 + s, prompts=1000), resamples=0) for s in range(3)]
        truth = [
            np.mean([getattr(late, part).value for late in many])
            for part in ("memory", "contraction", "strangers")
        ]
        hits = np.zeros(4)
        scores = []
        ends = []
        for seed in progress(name, runs):
            x, prompts = draw(seed)
            late = ending(x, prompts, seed=seed)
            for i, part in enumerate((late.memory, late.contraction, late.strangers)):
                hits[i] += part.low <= truth[i] <= part.high
            found = variety(x[:, -1:], prompts)
            scores.append(found.mean[0])
            ends.append((found.low[0], found.high[0]))
        # The mean of the runs is the score that 24 prompts have: a truth known to a hundredth.
        low, high = np.array(ends).T
        hits[3] = np.sum((low <= np.mean(scores)) & (np.mean(scores) <= high))
        cells = " | ".join(percent(hit, runs) for hit in hits)
        print(f"| {name} | {cells} |", flush=True)


def print_motifs(runs: int) -> None:
    print(f"\n| motifs ({runs} runs each) | claimed | k in its interval | median k | width |")
    print("|---|---|---|---|---|")
    rows: list[tuple[str, int | None, Draw]] = [
        (name, None, draw) for name, draw in {**NULLS, **SHUFFLED}.items()
    ]
    rows += [(name, k, draw) for name, (k, draw) in PLANTED.items() if "0.1" in name]
    for name, k, draw in rows:
        found = [find_motifs(*draw(seed), seed=seed) for seed in progress(name, runs)]
        claimed = percent(sum(one.claimed for one in found), runs)
        median = f"{np.median([one.k.value for one in found]):g}"
        width = f"{np.median([one.k.high - one.k.low for one in found]):.1f}"
        inside = "-"
        if k is not None:
            inside = percent(sum(one.k.low <= k <= one.k.high for one in found), runs)
        print(f"| {name} | {claimed} | {inside} | {median} | {width} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--coverage-runs", type=int, default=400)
    parser.add_argument("--motif-runs", type=int, default=40)
    options = parser.parse_args()
    if options.runs:
        print_verdicts(options.runs)
    if options.coverage_runs:
        print_coverage(options.coverage_runs)
    if options.motif_runs:
        print_motifs(options.motif_runs)


if __name__ == "__main__":
    main()
