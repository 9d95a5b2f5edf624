"""Which of many vectors are as far from each other as can be?

Maximin dispersion: choose k of n so that the smallest distance between two of them is large. The
exact optimum is out of reach for more than a few (it is NP-hard; Ravi, Rosenkrantz and Tayi 1994),
and starting anywhere and always adding the farthest is at least half as good as it. From the best
of several starts, one of the closest pair is exchanged for whatever leaves a larger smallest
distance, until nothing does.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.floating]


class Dispersion(NamedTuple):
    """A choice of vectors, and how far apart they are."""

    chosen: tuple[int, ...]
    """Rows, in ascending order."""
    smallest: float
    """The smallest cosine distance between two of them, 0 to 2."""
    nearest: float
    """Mean distance from each to its nearest."""
    mean: float
    """Mean distance of all pairs."""


def maximin(vectors: Vectors, count: int, *, seed: int = 0, starts: int = 8) -> Dispersion:
    """Choose rows that are far from each other.

    Args:
        vectors: ``(n, d)``, rows of unit norm.
        count: How many, from 2 to n.
        seed: Draws the starts; the same one gives the same choice.
        starts: How many first rows to try.

    Raises:
        ValueError: There are fewer than ``count`` vectors, or fewer than 2 are wanted.
    """
    n = len(vectors)
    if not 2 <= count <= n:
        raise ValueError(f"cannot choose {count} of {n}")
    rows = np.asarray(vectors, dtype=np.float64)
    dice = np.random.default_rng(seed)
    firsts = dice.choice(n, size=min(starts, n), replace=False)
    choices = [_farthest_first(rows, int(first), count) for first in firsts]
    best = max(choices, key=lambda chosen: measure(rows, chosen).smallest)
    return measure(rows, _exchange(rows, best))


def measure(vectors: Vectors, chosen: npt.ArrayLike) -> Dispersion:
    """Say how far apart some rows are."""
    index = np.sort(np.asarray(chosen, dtype=int))
    distances = _between(vectors[index], vectors[index])
    np.fill_diagonal(distances, np.inf)
    pairs = distances[np.triu_indices(len(index), 1)]
    return Dispersion(
        tuple(index.tolist()),
        float(pairs.min()),
        float(distances.min(axis=1).mean()),
        float(pairs.mean()),
    )


def _between(one: Vectors, other: Vectors) -> npt.NDArray[np.float64]:
    """Cosine distances, ``(n, m)``."""
    return np.asarray(np.clip(1.0 - one @ other.T, 0.0, 2.0), dtype=np.float64)


def _farthest_first(vectors: Vectors, first: int, count: int) -> npt.NDArray[np.int64]:
    chosen = [first]
    nearest = _between(vectors, vectors[[first]])[:, 0]
    while len(chosen) < count:
        nearest[chosen] = -1.0
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, _between(vectors, vectors[[chosen[-1]]])[:, 0])
    return np.array(chosen)


def _exchange(vectors: Vectors, chosen: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Exchange one of the closest pair for a better one while that helps."""
    chosen = chosen.copy()
    distances = _between(vectors, vectors[chosen])
    while True:
        own = distances[chosen].copy()
        np.fill_diagonal(own, np.inf)
        smallest = own.min()
        best, place, candidate = smallest, -1, -1
        for closest in np.unravel_index(own.argmin(), own.shape):
            others = np.delete(np.arange(len(chosen)), closest)
            reach = distances[:, others].min(axis=1)
            # The pair may not be the only one that is so close; what stays decides too.
            kept = own[np.ix_(others, others)].min() if len(others) > 1 else np.inf
            reach[chosen] = -1.0
            gain = min(float(reach.max()), float(kept))
            if gain > best + 1e-12:
                best, place, candidate = gain, int(closest), int(reach.argmax())
        if place < 0:
            return chosen
        chosen[place] = candidate
        distances[:, place] = _between(vectors, vectors[[candidate]])[:, 0]
