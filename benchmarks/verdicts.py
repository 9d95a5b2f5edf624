"""How often are the measures right? Simulated on worlds whose truth is known.

    python benchmarks/verdicts.py > table.md           # or --quick, for a first look

Every world is played anew each time, at 24 prompts x 2 twins x 60 rounds x 64 dimensions. The truth
of a continuous quantity is what it is over thousands of prompts, and of shares of variance what was
planted. Each share has the 95 % interval
(Wilson's) that so many simulations leave it. The tables go into docs/measures.md.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
from scipy.stats import binomtest
from worlds import (
    Draw,
    Floats,
    Ints,
    alternating,
    copied,
    corpus,
    cycle,
    ends,
    factorial,
    missing,
    outliers,
    shuffled,
    still,
    wander,
    world,
)

from driftloop.measures import attribution, find_motifs, separation, variety, verdict

Wanted = Callable[[str], object]


class Tally(NamedTuple):
    """How often something was so."""

    hits: int
    of: int

    def __str__(self) -> str:
        if not self.of:
            return "-"
        low, high = binomtest(self.hits, self.of).proportion_ci(method="wilson")
        return f"{100 * self.hits / self.of:.1f} % [{100 * low:.0f}, {100 * high:.0f}]"

    @property
    def share(self) -> float:
        return self.hits / max(self.of, 1)


class Row(NamedTuple):
    """A figure that is aimed at, in one world."""

    figure: str
    world: str
    tally: Tally


FALSE = "null worlds called *collapses* or *contracts*"
WRONG = "a verdict that is false, in any world"
CALLED = "planted collapse (K = 3 … 24) called so"
COVERS = "95 % intervals cover the truth: "
INSIDE = "planted K inside the interval of k"
CLAIMED = "motifs claimed in shuffled and random controls"
AIMS = {
    FALSE: "≤ 5 %",
    CALLED: "≥ 95 %",
    WRONG: "≤ 5 %",
    f"{COVERS}memory": "93–97 %",
    f"{COVERS}contraction": "93–97 %",
    f"{COVERS}variety": "93–97 %",
    f"{COVERS}shares of variance": "93–97 %",
    INSIDE: "≥ 95 %",
    CLAIMED: "≤ 5 % of runs",
}


def dealt(make: Draw, seed: int, **size: int) -> tuple[Floats, Ints]:
    x, prompts = make(seed, **size)
    return shuffled(seed, x), prompts


CONTROLS: dict[str, Draw] = {
    "random captions of a corpus": corpus,
    "shuffled, of still trajectories": partial(dealt, still),
    "shuffled, of wandering ones": partial(dealt, wander),
    "shuffled, of 3 attractors": partial(dealt, partial(world, k=3)),
    "shuffled, of 12 attractors": partial(dealt, partial(world, k=12)),
}
NULLS: dict[str, Draw] = {
    "identity (nothing moves)": partial(still, noise=0.0),
    "identity, noisy pictures": still,
    "wandering": wander,
    # Shuffling what has come together leaves it together: that is no null of the verdict.
    **{name: draw for name, draw in CONTROLS.items() if "attractors" not in name},
}
PLANTED: dict[str, tuple[int, Draw]] = {
    f"{k} attractors, escape {escape}": (k, partial(world, k=k, escape=escape))
    for k in (3, 6, 12, 24)
    for escape in (0.05, 0.1, 0.2)
}
OTHERS: dict[str, tuple[str, Draw]] = {
    "6 attractors, each prompt its own for ever": ("contracts", partial(world, loyal=1.0)),
    "6 attractors, a third of the prompt left": (
        "on the threshold", partial(world, loyal=3**-0.5),
    ),
    "12 far attractors, by prompt": ("remembers", partial(world, k=12, near=0.0, loyal=1.0)),
    "24 far attractors, escape 0.2": ("wanders", partial(world, k=24, near=0.0, escape=0.2)),
}  # fmt: skip
CYCLES: dict[str, tuple[str, Draw]] = {
    f"{'exact' if not noise else 'noisy'} cycle of {period}, swing {swing}": (
        "wanders", partial(cycle, period=period, swing=swing, noise=noise),
    )
    for period in (2, 3, 4)
    for swing in (0.3, 1.5)
    for noise in (0.0, 0.5)
} | {
    f"cycle of {period}, three quarters kept": (
        "remembers", partial(cycle, period=period, swing=0.5, noise=0.5, kept=0.75),
    )
    for period in (2, 3, 4)
} | {
    f"cycle of {period} in register": (
        "wanders", partial(cycle, period=period, swing=1.0, noise=0.5, shared=True),
    )
    for period in (2, 3, 4)
} | {
    f"6 attractors, cycle of {period} on top": ("collapses", partial(alternating, period=period))
    for period in (2, 3, 4)
}  # fmt: skip
GAPS: dict[str, tuple[str, Draw]] = {
    f"{name}, {which}": (kind, partial(missing, draw=draw, rounds=gone))
    for name, kind, draw in (
        ("noisy pictures", "remembers", still),
        ("6 attractors, slow pull", "collapses", partial(world, pull=0.1)),
        ("noisy cycle of 2", "wanders", partial(cycle, noise=0.5)),
    )
    for which, gone in (
        ("round 50 missing", [50]),
        ("every fifth missing", range(5, 60, 5)),
        ("first five missing", range(1, 6)),
    )
}  # fmt: skip
COPIES: dict[str, tuple[str, Draw]] = {
    f"{name}, twins are copies": ("undecided", partial(copied, draw=draw))
    for name, draw in (("wandering", wander), ("6 attractors", world), ("noisy pictures", still))
}
COVERED: dict[str, Draw] = {
    "6 attractors, 70 % of the twins loyal": partial(world, loyal=0.7),
    "6 attractors, by prompt": partial(world, loyal=1.0),
    "6 attractors, escape 0.1": world,
    "noisy pictures, nothing moves": partial(still, noise=0.8),
    "wandering": wander,
    "half the prompt kept, of one in ten nothing": outliers,
    "noisy cycle of 2": partial(cycle, noise=0.5),
    "noisy cycle of 3, half kept": partial(cycle, period=3, noise=0.5, kept=0.5),
}
PARTS: dict[str, dict[str, float]] = {
    "luck alone": {},
    "luck that arms share": {"dice": 0.8},
    "a little of the prompt": {"prompt": 0.1},
    "half the prompt": {"prompt": 1.0},
    "prompt and arm": {"prompt": 1.0, "arm": 0.25},
    "the two together alone": {"both": 1.0},
    "prompt, arm, the two together": {"prompt": 1.0, "arm": 0.25, "both": 1.0},
    "the same of 6 prompts": {"prompt": 1.0, "arm": 0.25, "both": 1.0, "prompts": 6},
    "the same in 384 dimensions": {"prompt": 1.0, "arm": 0.25, "both": 1.0, "d": 384},
    "four arms, all of it": {"prompt": 1.0, "arm": 0.25, "both": 0.5, "dice": 0.5, "arms": 4},
    "half the prompt, some far out": {"prompt": 1.0, "uneven": 0.5},
}
"""Variances, where that of luck is 1."""
ENDS = "4 motifs, half go to their prompt's"
RESAMPLES = 400


def progress(name: str, runs: int) -> Iterator[int]:
    for run in range(runs):
        print(f"\r{name}: {run + 1} of {runs}   ", end="", file=sys.stderr)
        yield run
    print(file=sys.stderr)


def head(first: str, rest: Iterable[str]) -> None:
    cells = [first, *rest]
    print(f"\n| {' | '.join(cells)} |\n|{'---|' * len(cells)}")


def line(first: str, rest: Iterable[object]) -> None:
    print(f"| {' | '.join([first, *map(str, rest)])} |", flush=True)


def verdicts(runs: int, wanted: Wanted) -> Iterator[Row]:
    kinds = ("collapses", "contracts", "wanders", "remembers", "undecided")
    head(f"world ({runs} runs each)", ["true", *kinds])
    rows = [(name, "no fall", draw) for name, draw in NULLS.items()]
    rows += [(name, "collapses", draw) for name, (_, draw) in PLANTED.items()]
    for others in (OTHERS, CYCLES, GAPS, COPIES):
        rows += [(name, kind, draw) for name, (kind, draw) in others.items()]
    for name, truth, draw in (row for row in rows if wanted(row[0])):
        found: Counter[str] = Counter(
            verdict(separation(*draw(seed), resamples=RESAMPLES, seed=seed).late).kind
            for seed in progress(name, runs)
        )
        line(name, [truth, *(Tally(found[kind], runs) for kind in kinds)])
        wrong = runs - sum(found[kind] for kind in {truth, "undecided"})
        if truth == "no fall":
            wrong = found["collapses"] + found["contracts"]
        if truth != "on the threshold":
            yield Row(WRONG, name, Tally(wrong, runs))
        if truth == "no fall":
            yield Row(FALSE, name, Tally(found["collapses"] + found["contracts"], runs))
        if truth == "collapses":
            yield Row(CALLED, name, Tally(found["collapses"], runs))


def coverage(runs: int, wanted: Wanted) -> Iterator[Row]:
    names = ("memory", "contraction", "strangers", "variety")
    head(f"95 % interval covers ({runs} runs each)", [*names[:3], "variety at the end"])
    for name, draw in COVERED.items():
        if not wanted(name):
            continue
        many = [separation(*draw(90_000 + s, prompts=1000), resamples=0).late for s in range(3)]
        truth = [np.mean([getattr(late, part).value for late in many]) for part in names[:3]]
        found = []
        for seed in progress(name, runs):
            x, prompts = draw(seed)
            late = separation(x, prompts, resamples=RESAMPLES, seed=seed).late
            end = variety(x[:, -1:], prompts)
            parts = [getattr(late, part)[:3] for part in names[:3]]
            found.append([*parts, (end.mean[0], end.low[0], end.high[0])])
        value, low, high = np.array(found).transpose(2, 0, 1)
        # The mean of the runs is the score that 24 prompts have: a truth known to a hundredth.
        truth.append(value[:, 3].mean())
        hits = ((low <= truth) & (truth <= high)).sum(axis=0)
        tallies = [Tally(int(hit), runs) for hit in hits]
        line(name, tallies)
        for part, tally in zip(names, tallies, strict=True):
            if f"{COVERS}{part}" in AIMS:
                yield Row(f"{COVERS}{part}", name, tally)


def parts(runs: int, wanted: Wanted) -> Iterator[Row]:
    names = ("prompt", "arm", "interactions", "seed")
    told = ("prompt", "arm", "the two together", "luck")
    head(f"95 % interval covers ({runs} runs each)", told)
    worlds: dict[str, tuple[list[float], Callable[[int], tuple[Floats, dict[str, Ints]]]]] = {
        name: (
            [*(part.get(one, 0.0) for one in ("prompt", "arm", "both")), 1.0],
            partial(factorial, **part),
        )
        for name, part in PARTS.items()
    }
    worlds[ENDS] = ([0.25, 0.0, 0.0, 0.75], partial(ends, loyal=0.5))
    for name, (planted, draw) in worlds.items():
        if not wanted(name):
            continue
        truth = np.array(planted) / sum(planted)
        found = [attribution(*draw(seed)) for seed in progress(name, runs)]
        low, high = (
            np.array([[getattr(one[part], end) for part in names] for one in found])
            for end in ("low", "high")
        )
        tallies = [Tally(int(hit), runs) for hit in ((low <= truth) & (truth <= high)).sum(axis=0)]
        line(name, [f"{t} of {100 * share:.0f} %" for t, share in zip(tallies, truth, strict=True)])
        # What is 0 or 1 is missed on one side only.
        for part, share, tally in zip(told, truth, tallies, strict=True):
            if 0 < share < 1:
                yield Row(f"{COVERS}shares of variance", f"{name}: {part}", tally)


def motifs(runs: int, wanted: Wanted) -> Iterator[Row]:
    head(f"motifs ({runs} runs each)", ["claimed", "k in its interval", "median k", "width"])
    rows: list[tuple[str, int | None, Draw]] = [
        (name, None, draw) for name, draw in {**NULLS, **CONTROLS}.items()
    ]
    rows += [(name, k, draw) for name, (k, draw) in PLANTED.items() if "0.05" not in name]
    for name, k, draw in (row for row in rows if wanted(row[0])):
        found = [find_motifs(*draw(seed), seed=seed) for seed in progress(name, runs)]
        claimed = Tally(sum(one.claimed for one in found), runs)
        median = f"{np.median([one.k.value for one in found]):g}"
        width = f"{np.median([one.k.high - one.k.low for one in found]):.1f}"
        inside = Tally(sum(one.k.low <= k <= one.k.high for one in found) if k else 0, runs)
        line(name, [claimed, inside if k else "-", median, width])
        if k:
            yield Row(INSIDE, name, inside)
        if name in CONTROLS:
            yield Row(CLAIMED, name, claimed)


def summary(rows: list[Row]) -> None:
    head("figure", ["aim", "all worlds", "the worst of them"])
    for figure, aim in AIMS.items():
        found = [row for row in rows if row.figure == figure]
        if not found:
            continue
        together = Tally(sum(r.tally.hits for r in found), sum(r.tally.of for r in found))
        middle = 0.95 if "–" in aim else 1.0 if "≥" in aim else 0.0
        worst = max(found, key=lambda row: abs(row.tally.share - middle))
        line(figure, [aim, together, f"{worst.tally} {worst.world}"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=200, help="of each world, for the verdicts")
    parser.add_argument("--coverage-runs", type=int, default=400)
    parser.add_argument("--part-runs", type=int, default=2000)
    parser.add_argument("--motif-runs", type=int, default=40)
    parser.add_argument("--worlds", default="", help="only those whose name this is found in")
    parser.add_argument("--quick", action="store_true", help="a tenth of that, some minutes")
    options = parser.parse_args()
    sizes = {
        verdicts: options.runs, coverage: options.coverage_runs, parts: options.part_runs,
        motifs: options.motif_runs,
    }  # fmt: skip
    rows: list[Row] = []
    for part, runs in sizes.items():
        if runs:
            runs = -(-runs // 10) if options.quick else runs
            rows += part(runs, lambda name: re.search(options.worlds, name) is not None)
    summary(rows)


if __name__ == "__main__":
    main()
