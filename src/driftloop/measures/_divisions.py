"""How many regions states divide into, and how well divisions are found again."""

from __future__ import annotations

import numpy as np

from ._clusters import Tree, found_again
from ._interval import Bools, Floats, Ints

NULLS = 19
"""Structureless sets that are measured: the real one has to beat all, a test at 5 %."""
SAMPLE = 300
"""Late states of each half that regions are fitted on."""
STABLE = 0.75
"""Mean matched Jaccard from which a partition counts as found again (Hennig 2007)."""
TIE = 0.1
FLAT = 0.02
PROMINENT = 0.05


def agreement(trees: tuple[Tree, Tree], ks: Ints) -> Floats:
    """How well two sets of states find each other's partitions, both ways."""
    return (found_again(*trees, ks) + found_again(*trees[::-1], ks)) / 2


def best_k(ks: Ints, score: Floats) -> int:
    """The finest number of clusters that stands out.

    A number stands out where the score has a peak (by 0.05 over what lies between it and a higher
    one) of at least 0.75 and at most 0.1 below the highest: where motifs lie in groups, the groups
    are found again too, and are not the answer. 1 where none does.
    """
    from scipy.signal import find_peaks

    padded = np.concatenate([[0.0], score, [0.0]])
    _, found = find_peaks(padded, prominence=PROMINENT, plateau_size=1)
    lowest = max(STABLE, float(score.max()) - TIE)
    fine = [0]
    for place in found["right_edges"] - 1:
        # A peak may be flat: three far groups are found again as two just as well.
        while place + 1 < len(score) and score[place + 1] >= score[place] - FLAT:
            place += 1
        if score[place] >= lowest:
            fine.append(int(ks[place]))
    return max(fine) or 1


def null_scores(x: Floats, chosen: Bools, ks: Ints, rng: np.random.Generator) -> list[float]:
    """The best score of normal states with the mean and covariance of some, again and again.

    Normal weights on the centred states give normal states with their covariance.

    Args:
        x: ``(trajectories, rounds, d)`` unit vectors.
        chosen: ``(trajectories, rounds)`` which of them.
        ks: Numbers of clusters that are tried.
        rng: Of the states.
    """
    rows, rounds = np.nonzero(chosen)
    if len(rows) > 4 * SAMPLE:
        kept = rng.choice(len(rows), 4 * SAMPLE, replace=False)
        rows, rounds = rows[kept], rounds[kept]
    states = x[rows, rounds].astype(np.float64)
    centre = states.mean(axis=0)
    spread = (states - centre) / np.sqrt(len(states))
    if spread.shape[1] < spread.shape[0]:
        # The same covariance from fewer rows.
        values, axes = np.linalg.eigh(spread.T @ spread)
        spread = np.sqrt(np.maximum(values, 0.0))[:, None] * axes.T
    size = min(SAMPLE, max(len(states) // 2, 4))
    scores = []
    for _ in range(NULLS):
        pair = []
        for _ in range(2):
            made = centre + rng.normal(size=(size, len(spread))) @ spread
            norms = np.linalg.norm(made, axis=1, keepdims=True)
            pair.append(Tree(made / np.maximum(norms, 1e-12), int(ks[-1])))
        scores.append(float(agreement((pair[0], pair[1]), ks).max()))
    return scores


def unseen(late: Ints, labels: Ints, k: int) -> float:
    """Regions that the prompts have not shown, from how many were shown by one or two only.

    The lower bound of Chao (*Biometrics* 43, 1987) for counts by sample.
    """
    shown = np.array([len(np.unique(labels[(late == m).any(axis=1)])) for m in range(k)])
    once, twice = int((shown == 1).sum()), int((shown == 2).sum())
    count = len(np.unique(labels))
    extra = once**2 / (2 * twice) if twice else once * (once - 1) / 2
    return float((count - 1) / count * extra)
