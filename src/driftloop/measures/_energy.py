"""Whose prior? The distance between two sets of states, and whether it could be chance."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ._bootstrap import Labels
from ._interval import RESAMPLES, Floats, expanded_percentiles, prompt_weights, stretches

PERMUTATIONS = 999
MARGIN = 0.05
"""Energy distance that does not matter, as a share of the distance within the reference. A set of
the same shape reaches it where it is moved by a fifth of that distance."""
MOST = 2000
"""States of a set that are compared; of more, equally many of every unit, drawn at random."""
BLOCK = 2048
"""States whose distances to all others are held at once."""


class EnergyTest(NamedTuple):
    """Energy distance of two sets."""

    distance: float
    """0 where the sets are of one distribution, and at least about that."""
    low: float
    """Lower end of its 95 % interval over units."""
    high: float
    """Upper end of it."""
    p: float
    """Share of relabellings that are at least as far apart."""
    scale: float
    """Mean distance of two units of *y*: how wide it is itself."""

    @property
    def alike(self) -> bool:
        """Whether the sets are shown to be alike, but for a distance that does not matter.

        That no difference was found does not show it: with few prompts none ever is. An equivalence
        test asks the other way round (Schuirmann, *Journal of Pharmacokinetics and
        Biopharmaceutics* 15, 1987): the whole interval has to lie below a margin, which is
        :data:`MARGIN` of the mean distance within *y*.
        """
        return self.high <= MARGIN * self.scale

    @property
    def differ(self) -> bool:
        """Whether they are shown to differ: the permutation test at 5 %, and not :attr:`alike`."""
        return self.p <= 0.05 and not self.alike


def energy_distance(
    x: Floats,
    y: Floats,
    *,
    x_units: Labels | None = None,
    y_units: Labels | None = None,
    permutations: int = PERMUTATIONS,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> EnergyTest:
    r"""Energy distance of two sets of vectors, with a permutation test.

    :math:`E = 2\,\mathrm{mean}\|x - y\| - \mathrm{mean}\|x - x'\| - \mathrm{mean}\|y - y'\|`
    (Székely and Rizzo, *Journal of Statistical Planning and Inference* 143, 2013), with Euclidean
    distances: squared ones would see nothing but the means. What is relabelled are whole units
    (prompts, or captions of a corpus), never states, since states of a prompt are not independent;
    units weigh the same, and so that none is compared with itself, means within a set leave out
    pairs of one unit. The interval resamples the units of both sets (expanded percentiles). Of sets
    of more than 2,000 states so many are drawn, as many of each unit: time grows with the square of
    what is compared.

    Args:
        x: ``(n, d)``, none missing.
        y: ``(m, d)``.
        x_units: ``(n,)`` which states belong together; by default each is its own unit.
        y_units: ``(m,)`` likewise.
        permutations: Relabellings.
        resamples: Bootstrap resamples of units.
        seed: Of the relabelling and resampling.

    >>> import numpy as np
    >>> near, far = np.zeros((20, 2)), np.full((20, 2), 9.0)
    >>> energy_distance(near, far).p
    0.001
    """
    rng = np.random.default_rng(seed)
    x, first, a = _drawn(x, x_units, rng)
    y, second, b = _drawn(y, y_units, rng)
    codes = np.concatenate([a, b + len(first)])
    sizes = len(first), len(second)
    if min(sizes) < 2:
        raise ValueError("an energy distance needs two units in each set")
    between = _unit_distances(np.concatenate([x, y]), codes, sum(sizes))
    np.fill_diagonal(between, 0.0)
    inside = np.zeros((permutations + 1, sum(sizes)))
    inside[0, : sizes[0]] = 1.0
    for row in inside[1:]:
        row[rng.permutation(len(row))[: sizes[0]]] = 1.0
    distances = _energies(between, inside, 1.0 - inside)
    # Rounding must not make a relabelling that is the same set look nearer.
    reached = int((distances[1:] >= distances[0] - 1e-12).sum())
    low, high = _interval(between, sizes, resamples, seed)
    own = between[sizes[0] :, sizes[0] :]
    scale = float(own.sum() / (sizes[1] * (sizes[1] - 1)))
    p = (reached + 1) / (permutations + 1)
    return EnergyTest(float(distances[0]), low, high, p, scale)


def _drawn(
    states: Floats, units: Labels | None, rng: np.random.Generator
) -> tuple[Floats, npt.NDArray[Any], npt.NDArray[np.int64]]:
    """What is compared of a set, its units, and which of them each state is of."""
    labels = np.arange(len(states)) if units is None else np.asarray(units)
    if len(states) > MOST:
        order = rng.permutation(len(states))
        order = order[np.argsort(labels[order], kind="stable")]
        _, starts, sizes = np.unique(labels[order], return_index=True, return_counts=True)
        turn = np.arange(len(order)) - np.repeat(starts, sizes)
        kept = order[np.lexsort((rng.random(len(order)), turn))[:MOST]]
        states, labels = states[kept], labels[kept]
    return states, *np.unique(labels, return_inverse=True)


def _energies(between: Floats, one: Floats, other: Floats) -> Floats:
    """Energy distances of two sets of units under weightings, ``(weightings,)``.

    Pairs of a unit with its own copies are left out like those with itself.
    """
    inside = []
    for w in (one, other):
        pairs = w.sum(axis=1) ** 2 - (w**2).sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            inside.append(
                np.where(pairs > 0, np.einsum("bi,bi->b", w @ between, w) / pairs, np.nan)
            )
    cross = np.einsum("bi,bi->b", one @ between, other) / (one.sum(axis=1) * other.sum(axis=1))
    return np.asarray(2 * cross - inside[0] - inside[1])


def _interval(
    between: Floats, sizes: tuple[int, int], resamples: int, seed: int
) -> tuple[float, float]:
    if not resamples or not min(sizes):
        return np.nan, np.nan
    one, other = (
        np.concatenate([*prompt_weights(size, resamples, seed + i)]) for i, size in enumerate(sizes)
    )
    drawn = []
    for rows in stretches(resamples, sum(sizes)):
        first, second = np.zeros((2, len(one[rows]), sum(sizes)))
        first[:, : sizes[0]], second[:, sizes[0] :] = one[rows], other[rows]
        drawn.append(_energies(between, first, second))
    column = np.concatenate(drawn)[:, None]
    (low,), (high,) = expanded_percentiles(column, np.array([min(sizes)]))
    return float(low), float(high)


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
