"""Regions of embedding space: found, cut into any number, compared and assigned to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ._interval import Floats, Ints

ELSEWHERE = -1
"""Label of a state that lies in no region."""
ENOUGH = 10
EDGE = 0.99
SLACK = 1.25
"""A region reaches so far beyond the distance that this share of its own states is within: a state
at the rim must not count as an escape."""


class Regions(NamedTuple):
    """Balls on the sphere."""

    centres: Floats
    """``(k, d)`` unit vectors."""
    radii: Floats
    """``(k,)`` cosine distances."""

    def assign(self, x: Floats) -> Ints:
        """The nearest region of each state, or -1 where none reaches it or it is missing.

        Args:
            x: ``(..., d)`` unit vectors.
        """
        nearest, distance = self.nearest(x)
        return np.where(distance <= self.radii[nearest] + 1e-6, nearest, ELSEWHERE)

    def nearest(self, x: Floats) -> tuple[Ints, Floats]:
        """The region with the nearest centre, and how far that is (NaN where missing)."""
        distances = 1.0 - x @ self.centres.T.astype(x.dtype)
        nearest = np.argmin(np.nan_to_num(distances, nan=2.0), axis=-1)
        return nearest, np.take_along_axis(distances, nearest[..., None], axis=-1)[..., 0]


class Tree:
    """Some states divided into 1, 2, ... clusters.

    Ward's linkage: unlike k-means it has no random starts to get stuck in, and one tree gives every
    number of clusters.

    Args:
        x: ``(n, d)`` unit vectors, none missing.
        most: Largest number of clusters that will be asked for.
    """

    def __init__(self, x: Floats, most: int) -> None:
        from scipy.cluster.hierarchy import leaves_list, linkage
        from scipy.spatial.distance import squareform

        self.x = np.asarray(x, dtype=np.float64)
        # Of unit vectors the inner products are the distances, and many times as fast.
        apart = np.sqrt(np.maximum(2.0 - 2.0 * (self.x @ self.x.T), 0.0))
        np.fill_diagonal(apart, 0.0)
        links = linkage(squareform(apart, checks=False), "ward")
        self._labels = _cuts(links, leaves_list(links), min(most, len(self.x)))
        self._centres, self._rows = self._all_centres()

    def labels(self, k: int) -> Ints:
        """The partition into *k* clusters, or into as many as there can be."""
        labels: Ints = self._labels[min(k, len(self._labels)) - 1]
        return labels

    def centres(self, k: int) -> Floats:
        """Unit vectors in the middle of the partition's clusters."""
        centres: Floats = self._centres[self._rows[min(k, len(self._rows)) - 1]]
        return centres

    def told(self, x: Floats, ks: npt.NDArray[Any]) -> Iterator[Ints]:
        """The cluster with the nearest centre, for each of some states and every *k* in turn."""
        similarity = x @ self._centres.T
        for k in ks:
            yield np.argmax(similarity[:, self._rows[min(k, len(self._rows)) - 1]], axis=1)

    def _all_centres(self) -> tuple[Floats, list[Ints]]:
        """Every centre of any partition, and which of them each partition has.

        The next partition splits one cluster, so that it has two centres of its own and shares the
        others.
        """
        sums = [self.x.sum(axis=0)]
        rows = [np.zeros(1, dtype=np.int64)]
        for before, after in zip(self._labels[:-1], self._labels[1:], strict=True):
            new = after != before
            parent = int(before[np.argmax(new)])
            part = self.x[new].sum(axis=0)
            row = np.append(rows[-1], len(sums) + 1)
            sums += [sums[row[parent]] - part, part]
            row[parent] = len(sums) - 2
            rows.append(row)
        table = np.array(sums)
        norms = np.linalg.norm(table, axis=1, keepdims=True)
        return table / np.maximum(norms, 1e-12), rows

    def regions(self, k: int) -> Regions:
        """The balls around the partition's clusters.

        A state's distance is to the centre of the *other* members, since its own pull on a centre
        of few would make the ball too small for anyone else. Clusters of fewer than ten have the
        middle of the radii.
        """
        centres, labels = self.centres(k), self.labels(k)
        sums = np.eye(len(centres))[labels].T @ self.x
        along = np.einsum("nd,nd->n", self.x, sums[labels])
        lengths = np.einsum("kd,kd->k", sums, sums)[labels] - 2 * along + 1.0
        distances = 1.0 - (along - 1.0) / np.sqrt(np.maximum(lengths, 1e-12))
        sizes = np.bincount(labels)
        radii = np.array([np.quantile(distances[labels == c], EDGE) for c in range(len(centres))])
        large = sizes >= ENOUGH
        some = large if large.any() else sizes > 1
        typical = float(np.median(radii[some])) if some.any() else 0.0
        return Regions(centres, SLACK * np.maximum(np.where(large, radii, typical), 0.0))


def _cuts(links: npt.NDArray[Any], leaves: npt.NDArray[Any], most: int) -> Ints:
    """Labels of the partitions into 1 to *most* clusters, a row each.

    Leaves in the order of the tree: every cluster is a stretch of them, and the next partition
    splits the stretch whose halves were joined last.
    """
    n = len(leaves)
    stretch = {2 * n - 2: (0, n)}
    label_of = {2 * n - 2: 0}
    rows = [np.zeros(n, dtype=np.int64)]
    for k in range(1, most):
        node = 2 * n - 1 - k
        first, last = stretch.pop(node)
        label = label_of.pop(node)
        left, right = int(links[node - n, 0]), int(links[node - n, 1])
        middle = first + (1 if left < n else int(links[left - n, 3]))
        stretch[left], stretch[right] = (first, middle), (middle, last)
        label_of[left], label_of[right] = label, k
        row = rows[-1].copy()
        row[leaves[middle:last]] = k
        rows.append(row)
    return np.stack(rows)


def matched_jaccard(one: Ints, other: Ints) -> Floats:
    r"""How well each cluster of a partition is found again in another.

    :math:`J_c = \max_{c'} |c \cap c'| / |c \cup c'|` (Hennig, *Computational Statistics & Data
    Analysis* 52, 2007): 1 is found exactly; below 0.5 it has dissolved.

    Args:
        one: ``(n,)`` labels from 0.
        other: ``(n,)`` labels from 0 of the same states.

    Returns:
        ``(clusters of one,)``; NaN for labels that no state has.

    >>> import numpy as np
    >>> matched_jaccard(np.array([0, 0, 1, 1]), np.array([5, 5, 5, 3])).round(3).tolist()
    [0.667, 0.5]
    """
    rows, columns = int(one.max()) + 1, int(other.max()) + 1
    both = np.bincount(one * columns + other, minlength=rows * columns).reshape(rows, columns)
    sizes = both.sum(axis=1)
    union = sizes[:, None] + both.sum(axis=0) - both
    scores: Floats = (both / np.maximum(union, 1)).max(axis=1)
    return np.where(sizes > 0, scores, np.nan)


def found_again(mine: Tree, theirs: Tree, ks: npt.NDArray[Any]) -> Floats:
    """How well partitions that were fitted on other prompts are found in these.

    For every *k* their clusters' centres divide my states, and that is compared with how my states
    divide themselves.

    Returns:
        ``(len(ks),)`` means over clusters of the matched Jaccard.
    """
    return np.array(
        [
            float(np.nanmean(matched_jaccard(mine.labels(k), told)))
            for k, told in zip(ks, theirs.told(mine.x, ks), strict=True)
        ]
    )
