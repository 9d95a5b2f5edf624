"""Whose prior? The distance between two sets of states, and whether it could be chance."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ._bootstrap import Labels
from ._interval import Floats

PERMUTATIONS = 999
BLOCK = 2048
"""States whose distances to all others are held at once."""


class EnergyTest(NamedTuple):
    """Energy distance of two sets."""

    distance: float
    """0 where the sets are of one distribution, and at least about that."""
    p: float
    """Share of relabellings that are at least as far apart."""


def energy_distance(
    x: Floats,
    y: Floats,
    *,
    x_units: Labels | None = None,
    y_units: Labels | None = None,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> EnergyTest:
    r"""Energy distance of two sets of vectors, with a permutation test.

    :math:`E = 2\,\mathrm{mean}\|x - y\| - \mathrm{mean}\|x - x'\| - \mathrm{mean}\|y - y'\|`
    (Székely and Rizzo, *Journal of Statistical Planning and Inference* 143, 2013), with Euclidean
    distances: squared ones would see nothing but the means. What is relabelled are whole units
    (prompts, or captions of a corpus), never states, since states of a prompt are not independent;
    units weigh the same, and so that none is compared with itself, means within a set leave out
    pairs of one unit.

    Args:
        x: ``(n, d)``, none missing.
        y: ``(m, d)``.
        x_units: ``(n,)`` which states belong together; by default each is its own unit.
        y_units: ``(m,)`` likewise.
        permutations: Relabellings.
        seed: Of the relabelling.

    >>> import numpy as np
    >>> near, far = np.zeros((20, 2)), np.full((20, 2), 9.0)
    >>> energy_distance(near, far).p
    0.001
    """
    groups = [
        np.unique(np.arange(len(part)) if units is None else np.asarray(units), return_inverse=True)
        for part, units in ((x, x_units), (y, y_units))
    ]
    (first, a), (second, b) = groups
    codes = np.concatenate([a, b + len(first)])
    sizes = len(first), len(second)
    if min(sizes) < 2:
        raise ValueError("an energy distance needs two units in each set")
    between = _unit_distances(np.concatenate([x, y]), codes, sum(sizes))
    np.fill_diagonal(between, 0.0)
    rng = np.random.default_rng(seed)
    inside = np.zeros((permutations + 1, sum(sizes)))
    inside[0, : sizes[0]] = 1.0
    for row in inside[1:]:
        row[rng.permutation(len(row))[: sizes[0]]] = 1.0
    outside = 1.0 - inside
    to_first = inside @ between
    cross = np.einsum("bi,bi->b", to_first, outside) / (sizes[0] * sizes[1])
    one = np.einsum("bi,bi->b", to_first, inside) / (sizes[0] * (sizes[0] - 1))
    rest = outside @ between
    other = np.einsum("bi,bi->b", rest, outside) / (sizes[1] * (sizes[1] - 1))
    distances = 2 * cross - one - other
    # Rounding must not make a relabelling that is the same set look nearer.
    reached = int((distances[1:] >= distances[0] - 1e-12).sum())
    return EnergyTest(float(distances[0]), (reached + 1) / (permutations + 1))


def _unit_distances(
    states: Floats, codes: npt.NDArray[np.int64], count: int
) -> npt.NDArray[np.float64]:
    """Mean Euclidean distance between the states of every two units."""
    from scipy.spatial.distance import cdist

    member = np.zeros((len(states), count))
    member[np.arange(len(states)), codes] = 1.0
    sums = np.zeros((count, count))
    for first in range(0, len(states), BLOCK):
        rows = slice(first, first + BLOCK)
        sums += member[rows].T @ (cdist(states[rows], states) @ member)
    each = member.sum(axis=0)
    return sums / np.outer(each, each)
