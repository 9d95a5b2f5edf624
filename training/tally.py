"""Shares with their 95 % intervals, per picture."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from driftloop.postcards import Scene, Score, parse, score

Summary = dict[str, float]


@dataclass
class Tally:
    """Hits out of trials, per unit; units (pictures) are what the bootstrap resamples."""

    pairs: list[tuple[float, float]] = field(default_factory=list)

    def add(self, hits: float, trials: float) -> None:
        """Count one picture."""
        self.pairs.append((hits, trials))

    def summary(self) -> Summary:
        """Share, 95 % interval and number of pictures."""
        table = np.array([p for p in self.pairs if p[1] > 0], dtype=float)
        if not len(table):
            return {"value": math.nan, "low": math.nan, "high": math.nan, "n": 0}
        hits, trials = table.sum(0)
        if np.all(table[:, 1] == 1) and np.all(np.isin(table[:, 0], (0, 1))):
            low, high = wilson(hits, trials)
        else:
            rng = np.random.default_rng(0)
            again = table[rng.integers(0, len(table), (2000, len(table)))].sum(1)
            low, high = np.quantile(again[:, 0] / again[:, 1], (0.025, 0.975))
        return {"value": hits / trials, "low": float(low), "high": float(high), "n": len(table)}


def wilson(hits: float, trials: float, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share."""
    share = hits / trials
    middle = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = (
        z
        / (1 + z * z / trials)
        * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    )
    return max(0.0, middle - half), min(1.0, middle + half)


def share_of(hits: Iterable[bool]) -> Summary:
    """How many are true, one a picture."""
    tally = Tally()
    for hit in hits:
        tally.add(float(hit), 1)
    return tally.summary()


def totals(scores: Iterable[Mapping[str, Score]]) -> dict[str, Summary]:
    """The summaries of many comparisons, figure by figure."""
    tallies: dict[str, Tally] = defaultdict(Tally)
    for figures in scores:
        for name, (hits, trials) in figures.items():
            tallies[name].add(hits, trials)
    return {name: tally.summary() for name, tally in tallies.items()}


def compare(scenes: Sequence[Scene], texts: Sequence[str]) -> dict[str, Summary]:
    """What captions say against the scenes that they should be of."""
    return totals(score(parse(text), scene) for scene, text in zip(scenes, texts, strict=True))
