"""Motifs: regions that trajectories of several prompts come to and stay in.

Clustering end points finds clusters in anything. So nothing here is judged on the prompts that it
was fitted on: prompts are split in halves, regions are fitted on one and judged on the other, both
ways, many times; what structureless states would show is measured with the same procedure. A region
that states visit without staying, as shuffled captions do, is not a motif, and neither is one whose
prompts began together.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ._arrivals import COME, closeness_made, still_apart
from ._bootstrap import Estimate, Labels, share
from ._clusters import ELSEWHERE, Regions, Tree, matched_jaccard
from ._divisions import SAMPLE, agreement, best_k, null_scores, unseen
from ._drift import check_states, cosine_distance
from ._interval import LEVEL, Bools, Floats, Ints, stretches
from ._noise import LATE, late_from

MOST = 32
"""Largest number of motifs that is tried."""
SPLITS = 20
ONE = 0.2
"""Share of what set prompts apart at first that may be left where all are in one place."""
STAYED = 0.05
"""Cohen's kappa of a step's two regions from which on they are stayed in, not only passed."""
RESAMPLED = 0.8
"""Share of the prompts in each of the sets that tell how many regions there are."""


class Motif(NamedTuple):
    """One region, as it looks to prompts that it was not fitted on."""

    occupancy: Estimate
    """Share of late states in it, prompts weighing the same."""
    reach: int
    """Prompts with a late state in it."""
    came: Estimate
    """How much of its prompts' closeness the loop made: 0 where they began as near each other, 1
    where they began as far apart as any; see ``_arrivals``."""
    dwell: float
    """Rounds that a visit lasts on average: rounds spent / escapes seen; infinite without any."""
    escapes: int
    """How often a trajectory was seen to leave it."""
    entered: float
    """Median round (from 0) of the first visit, over trajectories that visit it; NaN if none."""
    stability: float
    """Mean matched Jaccard over the splits: how well other prompts find it again."""
    medoid: tuple[int, int]
    """Trajectory and round (from 0) of the state nearest to its centre."""

    @property
    def come_to(self) -> bool:
        """Whether several prompts came to it that did not begin together.

        Only then is a region a motif; else it is where its prompts were from the start.
        """
        return self.reach >= 2 and self.came.value >= COME


class Motifs(NamedTuple):
    """What motifs an arm has, and how sure that is."""

    claimed: bool
    """Whether there are motifs: stable, better than chance, stayed in, and come to by prompts."""
    k: Estimate
    """How many regions, with the interval over splits; 1 where no partition is found again. Those
    that nobody came to are among them."""
    score: float
    """Mean matched Jaccard at ``k``, fitted on some prompts and judged on others."""
    null: float
    """The best that structureless states of the same shape reached at any number."""
    covered: Estimate
    """Share of late states that lie in a region fitted on other prompts."""
    stays: float
    """Share of late steps that stay in the same region."""
    chance: float
    """The same if trajectories were shuffled at every round."""
    p: float
    """One-sided p of ``stays`` against that."""
    motifs: list[Motif]
    """All regions, the most occupied first: those that are :attr:`Motif.come_to` are motifs."""
    labels: Ints
    """``(trajectories, rounds)`` motif of each state, fitted on other prompts; -1 elsewhere."""

    @property
    def number(self) -> Estimate:
        """How many motifs: the regions that were come to, with the interval of all less the others.

        Where none is claimed it is what there would be if the regions were good for anything.
        """
        others = sum(not motif.come_to for motif in self.motifs)
        value, low, high = (max(part - others, 0.0) for part in self.k[:3])
        return Estimate(value, low, high, self.k.prompts)

    @property
    def stayed_in(self) -> bool:
        """Whether trajectories stay in regions, surely and by more than next to nothing.

        The p alone calls one in twenty sets of visitors residents, and with enough steps any
        difference is sure; kappa (Cohen, *Educational and Psychological Measurement* 20, 1960) is
        the share of the steps that chance would move and that stay.
        """
        return self.p < 0.05 and self.stays - self.chance >= STAYED * (1 - self.chance)


def find_motifs(
    x: Floats, prompts: Labels, *, start: Floats | None = None, most: int = MOST,
    late: float = LATE, seed: int = 0,
) -> Motifs:  # fmt: skip
    r"""Find motifs and say how sure they are.

    1. *How many?* Late states that a trajectory moved to by less than the median step are where it
       stays. Two sets of 80 % of the prompts divide their own by Ward's linkage, and each other's
       by the centres that come of it; the mean matched Jaccard of the two divisions says for every
       *k* how well it is found again (after Ben-Hur et al., *Pacific Symposium on Biocomputing*
       2002). The finest *k* that stands out (:func:`best_k`) is the answer, and those of 20 pairs
       of sets give its interval, which reaches up to what the prompts have not shown yet (Chao).
    2. *Better than chance?* The same with halves that share no prompt has to beat normal states
       with the mean and covariance of the real ones, at their best *k*, 19 times out of 19.
    3. *Stayed in?* Regions fitted on one half label the states of the other. Steps that stay in
       their region are compared with what shuffling the trajectories at every round gives, by the
       exact mean and variance of matches under permutation, and have to be more by a twentieth
       of the rest (:attr:`Motifs.stayed_in`).
    4. *Come to?* At least half of the late states lie in regions fitted on other prompts, and at
       least one region is reached by two prompts or more that did not begin together: of the
       closeness of their states in it at least a third was made by the loop. With *F* the distance
       of a region's prompts at first, *E* that of their states in it, and *S* that of all prompts
       at first, this share is :math:`(F - E) / (S - E)` (:attr:`Motif.came`). Prompts that began
       as near-duplicates and stay, or go elsewhere together, make it 0.

    One place that everything came to cannot be found again as a division. It is a region by itself
    where strangers are closer by four fifths than they began (:data:`ONE`).

    Args:
        x: ``(trajectories, rounds, d)`` unit vectors, NaN where there is no state.
        prompts: ``(trajectories,)`` labels; at least four different ones.
        start: ``(trajectories, d)`` where each began: the prompt, where it is a state of the same
            kind. By default the first state that there is of each trajectory.
        most: Largest number of motifs that is tried.
        late: Share of the rounds, from the end, that regions are fitted on.
        seed: Of splits and null states.

    Returns:
        A :class:`Motifs`; with ``k`` at 1 its only motif is the whole.

    Raises:
        ValueError: There are fewer than four prompts, or no late states.

    >>> import numpy as np
    >>> places = np.eye(8)[:3]
    >>> walk = np.random.default_rng(0).integers(3, size=(24, 3)).repeat(8, axis=1)
    >>> found = find_motifs(places[walk], np.arange(12).repeat(2))
    >>> found.claimed, found.k.value, len(found.motifs)
    (True, 3.0, 3)
    """
    check_states(x)
    labels = np.asarray(prompts)
    names = np.unique(labels)
    first = _first(x) if start is None else start
    begin = late_from(x.shape[1], late, 1)
    if len(names) < 4 or not np.isfinite(x[:, begin:, 0]).any():
        raise ValueError("motifs need four prompts at least, and states in late rounds")
    rng = np.random.default_rng(seed)
    resting = _resting(x, begin)
    ks = np.arange(2, most + 1)

    def pairs(share_of_prompts: float) -> Iterator[tuple[Bools, tuple[Tree, Tree]]]:
        size = round(len(names) * share_of_prompts)
        for _ in range(SPLITS):
            order = rng.permutation(names)
            one = np.isin(labels, order[:size])
            # Halves have no prompt in common; larger shares overlap, each as it is drawn.
            two = (
                ~one if share_of_prompts == 0.5 else np.isin(labels, rng.permutation(names)[:size])
            )
            trees = [_tree(x, resting & side[:, None], rng, most) for side in (one, two)]
            if trees[0] is not None and trees[1] is not None:
                yield one, (trees[0], trees[1])

    curves = [agreement(trees, ks) for _, trees in pairs(RESAMPLED)]
    halves = list(pairs(0.5))
    if not curves or not halves:
        raise ValueError("motifs need late states in both halves of the prompts")
    best = [best_k(ks, curve) for curve in curves]
    k = best_k(ks, np.mean(curves, axis=0))
    low, high = np.quantile([*best, k], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    # All in one place: what else divides it is finer than what set prompts apart at all.
    one = still_apart(x, first, resting, labels) <= ONE
    if one:
        k, low, high = 1, 1.0, 1.0
    score = null = np.nan
    if k > 1:
        null = max(null_scores(x, resting, ks, rng))
        score = float(np.mean([agreement(trees, np.array([k])) for _, trees in halves]))
    whole = _tree(x, resting, rng, most, 2 * SAMPLE)
    assert whole is not None
    regions = whole.regions(k)
    marks = _cross_fitted(x, regions, *halves[0])
    stays, chance, p = _staying(marks[:, begin:])
    stability = _stability([trees for _, trees in halves], regions)
    here = np.isfinite(x[:, begin:, 0])
    covered = share(_mean(marks[:, begin:] >= 0, here), labels)
    motifs, order = _describe(x, labels, regions, marks, begin, stability, first)
    back = np.append(np.argsort(order), ELSEWHERE)
    if k > 1:
        high = max(float(high), k + unseen(marks[:, begin:], labels, k))
    come_to = covered.value >= 0.5 and any(motif.come_to for motif in motifs)
    found = Motifs(
        False, Estimate(float(k), float(low), float(high), len(names)), score, float(null),
        covered, stays, chance, p, motifs, back[marks],
    )  # fmt: skip
    good = one if k == 1 else low >= 2 and score > null and found.stayed_in
    claimed = good and come_to
    return found._replace(claimed=bool(claimed))


def _first(x: Floats) -> Floats:
    """The first state that there is of each trajectory."""
    first: Floats = x[np.arange(len(x)), np.argmax(np.isfinite(x[:, :, 0]), axis=1)]
    return first


def _resting(x: Floats, start: int) -> Bools:
    """Late states that a trajectory hardly moved to: motifs are where it stays, not its ways."""
    steps = np.full(x.shape[:2], np.nan)
    steps[:, 1:] = cosine_distance(x[:, 1:], x[:, :-1])
    late: Bools = np.isfinite(x[:, :, 0])
    late[:, :start] = False
    known = steps[late & np.isfinite(steps)]
    if not len(known):
        return late
    still: Bools = np.nan_to_num(steps, nan=0.0) <= np.median(known) + 1e-9
    return late & still


def _tree(
    x: Floats, chosen: Bools, rng: np.random.Generator, most: int, sample: int = SAMPLE
) -> Tree | None:
    """Divide a sample of the chosen states that is even over trajectories and rounds."""
    rows, rounds = np.nonzero(chosen)
    count = len(rows)
    if count < 4:
        return None
    if count > sample:
        # Every so-manieth from a random place: neighbours in a trajectory are nearly copies.
        kept = ((np.arange(sample) + rng.random()) * (count / sample)).astype(int) % count
        rows, rounds = rows[kept], rounds[kept]
    return Tree(x[rows, rounds], most)


def _cross_fitted(x: Floats, regions: Regions, half: Bools, trees: tuple[Tree, Tree]) -> Ints:
    """Labels of each half's states by the regions of the other, named like those of all."""
    from scipy.optimize import linear_sum_assignment

    marks = np.full(x.shape[:2], ELSEWHERE, dtype=np.int64)
    for tree, judged in zip(trees, (~half, half), strict=True):
        found = tree.regions(len(regions.centres))
        rows, columns = linear_sum_assignment(1.0 - found.centres @ regions.centres.T)
        # The last entry is what a state elsewhere (-1) is renamed to.
        renamed = np.full(len(found.centres) + 1, ELSEWHERE)
        renamed[rows] = columns
        rows = np.flatnonzero(judged)
        for part in stretches(len(rows), x[0].size):
            marks[rows[part]] = renamed[found.assign(x[rows[part]])]
    return marks


def _staying(marks: Ints) -> tuple[float, float, float]:
    """Share of steps that stay in their region, what shuffling gives, and the p of it."""
    from scipy.special import ndtr

    seen = expected = variance = steps = 0.0
    for before, after in zip(marks.T[:-1], marks.T[1:], strict=True):
        n = len(before)
        counts = [
            np.bincount(side[side >= 0], minlength=marks.max() + 1) for side in (before, after)
        ]
        a, b = (part.astype(float) for part in counts)
        seen += float(((before == after) & (before >= 0)).sum())
        expected += float(a @ b) / n
        if n > 1:
            own = (a * b * (n - a) * (n - b)).sum()
            pairs = (a @ b) ** 2 - ((a * b) ** 2).sum()
            variance += float(own + pairs) / (n * n * (n - 1))
        steps += n
    if not steps:
        return np.nan, np.nan, 1.0
    p = float(ndtr((expected - seen) / variance**0.5)) if variance > 0 else 1.0
    return seen / steps, expected / steps, p


def _stability(trees: list[tuple[Tree, Tree]], regions: Regions) -> Floats:
    """How well each region is found again by prompts that it was not fitted on."""
    k = len(regions.centres)
    found = []
    for one, other in trees:
        for mine, theirs in ((one, other), (other, one)):
            own, _ = regions.nearest(mine.x)
            told = np.argmax(mine.x @ theirs.centres(k).T, axis=1)
            each = matched_jaccard(own, told)
            found.append(np.append(each, np.full(k - len(each), np.nan)))
    table = np.array(found)
    counts = np.isfinite(table).sum(axis=0)
    return np.where(counts > 0, np.nansum(table, axis=0) / np.maximum(counts, 1), np.nan)


def _describe(
    x: Floats, labels: Ints, regions: Regions, marks: Ints, start: int, stability: Floats,
    first: Floats,
) -> tuple[list[Motif], Ints]:  # fmt: skip
    late, here = marks[:, start:], np.isfinite(x[:, start:, 0])
    similarity = np.nan_to_num(x[:, start:] @ regions.centres.T.astype(x.dtype), nan=-2.0)
    motifs = []
    for number in range(len(regions.centres)):
        inside = late == number
        visitors = (marks == number).any(axis=1)
        leaves = inside[:, :-1] & ~inside[:, 1:] & here[:, 1:]
        escapes = int(leaves.sum())
        spent = float(inside.sum())
        entered = np.argmax(marks == number, axis=1)[visitors]
        flat = int(np.argmax(similarity[:, :, number]))
        place = np.unravel_index(flat, similarity.shape[:2])
        motifs.append(
            Motif(
                share(_mean(inside, here), labels),
                len(np.unique(labels[inside.any(axis=1)])),
                closeness_made(x[:, start:], first, inside, labels),
                spent / escapes if escapes else (np.inf if spent else np.nan),
                escapes,
                float(np.median(entered)) if len(entered) else np.nan,
                float(stability[number]),
                (int(place[0]), int(place[1]) + start),
            )
        )
    order = np.argsort([-motif.occupancy.value for motif in motifs], kind="stable")
    return [motifs[number] for number in order], order


def _mean(holds: Bools, here: Bools) -> Floats:
    """Share of each trajectory's states that something holds for; NaN where it has none."""
    counts = here.sum(axis=1)
    return np.where(counts > 0, (holds & here).sum(axis=1) / np.maximum(counts, 1), np.nan)
