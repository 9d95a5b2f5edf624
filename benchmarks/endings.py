"""Is what a report says of endings the loop's doing? Simulated on worlds whose truth is known.

    python benchmarks/endings.py --runs 40 > table.md

Prompts come in groups of near-duplicates here. They stay where they are, or move together, or go to
places that other groups go to as well. Then: how often late states are called like a reference that
they are like, or are not, and how often the intervals of a pull hold it. The tables go into
docs/measures.md.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from functools import partial

import numpy as np
from verdicts import Tally, head, line, progress
from worlds import Floats, Ints, attractors, still, unit, wander, world

from driftloop.measures import MARGIN, attractor, energy_distance, find_motifs

Draw = Callable[[int], tuple[Floats, Ints, Floats]]


def groups(
    seed: int, *, k: int = 4, close: float = 0.02, to: int = 0, own: bool = False, single: int = 0,
    noise: float = 0.3, pull: float = 0.3, prompts: int = 24, twins: int = 2, rounds: int = 40,
    d: int = 64,
) -> tuple[Floats, Ints, Floats]:  # fmt: skip
    """Groups of near-duplicates.

    Args:
        seed: Of everything.
        k: Groups.
        close: Cosine distance, about, of the prompts of a group.
        to: Places that prompts are drawn to, each to any; 0 for nowhere.
        own: Whether a group goes to a place together.
        single: Prompts that are in no group; the groups then stay, and these go.
        noise: Of what is seen of a state.
        pull: Share of the way that a round moves a state.
        prompts: In all.
        twins: Of each.
        rounds: Played.
        d: Dimensions.

    Returns:
        States, the prompt of each trajectory, and where each began.
    """
    rng = np.random.default_rng(seed)
    centres = unit(rng.normal(size=(k, d)))
    group = rng.permutation(np.arange(prompts) % k)
    start = unit(centres[group] + np.sqrt(2 * close / d) * rng.normal(size=(prompts, d)))
    alone = np.arange(prompts) < single
    start[alone] = unit(rng.normal(size=(single, d)))
    places = attractors(max(to, 1), d, 0.3, rng)
    goes = group % max(to, 1) if own else rng.integers(max(to, 1), size=prompts)
    moves = (alone | (single == 0)) & (to > 0)
    target = np.where(moves[:, None], places[goes], start)
    z, states = np.repeat(start, twins, axis=0), []
    for _ in range(rounds):
        z = z + pull * (np.repeat(target, twins, axis=0) - z)
        states.append(unit(z + noise / np.sqrt(d) * rng.normal(size=z.shape)))
    x = np.stack(states, axis=1).astype(np.float32)
    return x, np.repeat(np.arange(prompts), twins), np.repeat(start, twins, axis=0)


def plain(make: Callable[..., tuple[Floats, Ints]], seed: int) -> tuple[Floats, Ints, Floats]:
    x, prompts = make(seed)
    return x, prompts, x[:, 0]


WORLDS: dict[str, tuple[int, Draw]] = {
    "identity, noisy pictures": (0, partial(plain, still)),
    "wandering": (0, partial(plain, wander)),
    "4 groups that stay, no noise": (0, partial(groups, noise=0.0)),
    "4 groups that stay": (0, groups),
    "4 groups that stay, loose ones": (0, partial(groups, close=0.2)),
    "8 groups that stay": (0, partial(groups, k=8)),
    "4 groups, each to a place of its own": (0, partial(groups, to=4, own=True)),
    "8 groups, two to each of 4 places": (4, partial(groups, k=8, to=4, own=True)),
    "4 groups, every prompt to one of 4 places": (4, partial(groups, to=4)),
    "all alike, every prompt to one of 4 places": (0, partial(groups, k=1, to=4)),
    "2 groups that stay, 14 prompts to 3 places": (3, partial(groups, k=2, to=3, single=14)),
    "24 prompts to one place": (1, partial(groups, k=24, to=1)),
    "4 groups to one place": (1, partial(groups, to=1)),
    "6 attractors, escape 0.1": (6, partial(plain, world)),
}


def motifs(runs: int, wanted: str) -> None:
    columns = ["motifs", "claimed", "in the interval", "median"]
    head(f"near-duplicates ({runs} runs each)", columns)
    for name, (k, draw) in WORLDS.items():
        if not re.search(wanted, name):
            continue
        found = []
        for seed in progress(name, runs):
            x, prompts, start = draw(seed)
            found.append(find_motifs(x, prompts, start=start, seed=seed))
        claimed = Tally(sum(one.claimed for one in found), runs)
        inside = Tally(sum(one.number.low <= k <= one.number.high for one in found), runs)
        median = f"{np.median([one.number.value for one in found]):g}"
        line(name, [k, claimed, inside if k else "-", median if k else "-"])


LIKENESS = {
    "the same": (0.0, 1.0),
    "moved as far as matters": (MARGIN**0.5, 1.0),
    "narrower, as far as matters": (0.0, 0.6),
    "moved twice as far": (2 * MARGIN**0.5, 1.0),
}
"""How far late states are moved, in distances within the reference, and how wide they are."""


def likeness(runs: int, wanted: str) -> None:
    head(f"called alike ({runs} runs each)", [f"{n} prompts" for n in (4, 8, 24, 48)])
    for name, (shift, width) in LIKENESS.items():
        if not re.search(wanted, name):
            continue
        tallies = []
        for prompts in (4, 8, 24, 48):
            called = 0
            for seed in progress(f"{name}, {prompts}", runs):
                rng = np.random.default_rng(seed)
                y = rng.normal(size=(200, 32))
                middle = rng.normal(size=(prompts, 1, 32))
                x = width * (middle + rng.normal(size=(prompts, 10, 32))) / np.sqrt(2)
                x[..., 0] += shift * np.sqrt(2 * 32)
                units = np.repeat(np.arange(prompts), 10)
                found = energy_distance(
                    x.reshape(-1, 32), y, x_units=units, permutations=1, resamples=400, seed=seed
                )
                called += found.alike
            tallies.append(Tally(called, runs))
        line(name, tallies)


def pulls(runs: int, wanted: str) -> None:
    head(f"95 % interval covers ({10 * runs} runs each)", ["slope", "position"])
    for slope in (0.0, 0.3, 0.7):
        name = f"{100 * (1 - slope):.0f} % pull"
        if not re.search(wanted, name):
            continue
        hits = np.zeros(2, dtype=int)
        for seed in progress(name, 10 * runs):
            rng = np.random.default_rng(seed)
            start = np.repeat(rng.gamma(4, 5, size=24), 2)
            end = 18 * (1 - slope) + slope * start + rng.normal(0, 3, size=48)
            found = attractor(start, end, np.repeat(np.arange(24), 2), resamples=400, seed=seed)
            for i, (part, truth) in enumerate(((found.slope, slope), (found.position, 18.0))):
                hits[i] += part.low <= truth <= part.high
        line(name, [Tally(int(hit), 10 * runs) for hit in hits])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=40, help="of each world")
    parser.add_argument("--worlds", default="", help="only those whose name this is found in")
    options = parser.parse_args()
    for part in (motifs, likeness, pulls):
        part(options.runs, options.worlds)


if __name__ == "__main__":
    main()
