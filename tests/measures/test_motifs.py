"""Motifs: planted ones are found, and none where there are none."""

from __future__ import annotations

import numpy as np
import pytest
from planted import attractors, shuffled, still, unit, world
from scipy.cluster.hierarchy import fcluster, linkage
from sklearn.metrics import adjusted_rand_score

from driftloop.measures import Estimate, Motifs, class_words, find_motifs
from driftloop.measures._clusters import Tree, matched_jaccard
from driftloop.measures._divisions import best_k


@pytest.mark.parametrize("k", [3, 12])
def test_planted_motifs_are_found(k: int) -> None:
    x, prompts = world(1, k=k)
    found = find_motifs(x, prompts)
    assert found.claimed
    assert found.k.low <= k <= found.k.high
    assert found.score > found.null
    assert found.stays > 2 * found.chance
    assert len(found.motifs) == round(found.k.value)


def test_what_is_said_of_a_motif_is_what_was_planted() -> None:
    rng = np.random.default_rng(0)
    places = attractors(3, 32, 0.2, rng)
    # One in ten leaves a motif each round, for either of the others.
    walk = np.zeros((80, 60), dtype=int)
    walk[:, 0] = rng.integers(3, size=80)
    for t in range(1, 60):
        moves = rng.random(80) < 0.1
        walk[:, t] = np.where(
            moves, (walk[:, t - 1] + rng.integers(1, 3, size=80)) % 3, walk[:, t - 1]
        )
    x = unit(places[walk] + 0.02 * rng.normal(size=(80, 60, 32))).astype(np.float32)
    found = find_motifs(x, np.repeat(np.arange(40), 2))
    assert adjusted_rand_score(found.labels[found.labels >= 0], walk[found.labels >= 0]) > 0.99
    for number, motif in enumerate(found.motifs):
        inside = found.labels == number
        assert motif.occupancy.value == pytest.approx(inside[:, 30:].mean(), abs=1e-9)
        assert motif.dwell == pytest.approx(10, rel=0.3)
        assert motif.reach == len({i // 2 for i in np.flatnonzero(inside[:, 30:].any(axis=1))})
        late = inside[:, 30:]
        assert motif.escapes == (late[:, :-1] & ~late[:, 1:]).sum()
        assert inside[motif.medoid]
        assert motif.stability > 0.95
    assert sum(motif.occupancy.value for motif in found.motifs) == pytest.approx(
        found.covered.value
    )


def test_a_motif_nobody_leaves_lasts_for_ever() -> None:
    walk = np.repeat(np.arange(24)[:, None] % 3, 20, axis=1)
    x = np.eye(16, dtype=np.float32)[walk]
    found = find_motifs(x, np.repeat(np.arange(12), 2))
    assert all(np.isinf(motif.dwell) and motif.escapes == 0 for motif in found.motifs)
    assert all(motif.entered == 0 for motif in found.motifs)


def corpus(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    texts = unit(rng.normal(size=(24, 48))).astype(np.float32)
    return texts[rng.integers(24, size=(48, 40))], np.repeat(np.arange(24), 2)


@pytest.mark.parametrize(
    "make",
    [
        lambda s: (shuffled(s, world(s, k=6)[0]), world(s, k=6)[1]),
        corpus,
        still,
        lambda s: still(s, noise=0.0),
        lambda s: (unit(np.random.default_rng(s).normal(size=(48, 40, 32))), np.arange(48) // 2),
    ],
)
def test_no_motifs_are_claimed_where_none_are_come_to_and_stayed_in(make) -> None:  # type: ignore[no-untyped-def]
    assert not any(find_motifs(*make(seed)).claimed for seed in range(2))


def test_prompts_that_are_missing_states_do_not_matter_much() -> None:
    x, prompts = world(2, k=4)
    x[5] = np.nan
    x[7, 20:] = np.nan
    found = find_motifs(x, prompts)
    assert found.claimed
    assert (found.labels[5] == -1).all()
    assert found.k.value == 4


def test_it_says_what_it_needs() -> None:
    x, prompts = still(0, prompts=3)
    with pytest.raises(ValueError, match="four prompts"):
        find_motifs(x, prompts)


def test_the_finest_number_that_stands_out() -> None:
    ks = np.arange(2, 10)
    assert best_k(ks, np.array([0.5, 0.6, 0.7, 0.6, 0.5, 0.4, 0.4, 0.4])) == 1
    assert best_k(ks, np.array([0.8, 0.95, 0.7, 0.6, 0.5, 0.4, 0.4, 0.4])) == 3
    assert best_k(ks, np.array([1.0, 0.7, 0.7, 0.95, 0.8, 0.7, 0.6, 0.5])) == 5
    assert best_k(ks, np.array([1.0, 1.0, 1.0, 0.8, 0.7, 0.6, 0.5, 0.4])) == 4
    assert best_k(ks, np.array([0.9, 0.7, 0.5, 0.5, 0.51, 0.5, 0.5, 0.5])) == 2


def test_cuts_of_a_tree_are_scipys() -> None:
    x = unit(np.random.default_rng(3).normal(size=(60, 5)))
    tree, links = Tree(x, 20), linkage(x, "ward")
    for k in range(1, 21):
        expected = fcluster(links, k, "maxclust")
        assert adjusted_rand_score(tree.labels(k), expected) == 1.0
        assert len(set(tree.labels(k))) == k


def test_matched_jaccard_by_sets() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.integers(4, size=50), rng.integers(3, size=50)
    for cluster, score in enumerate(matched_jaccard(a, b)):
        mine = set(np.flatnonzero(a == cluster))
        theirs = [set(np.flatnonzero(b == other)) for other in range(3)]
        assert score == pytest.approx(max(len(mine & t) / len(mine | t) for t in theirs))


def test_words_are_by_class_tf_idf() -> None:
    texts = ["red ship", "blue ship", "red house", "old house", "unread"]
    words = class_words(texts, [0, 0, 1, 1, -1], most=5)
    # A = 4 words a group; ship and house: tf 2/4, f 2; blue and old: tf 1/4, f 1.
    assert np.log1p(4 / 2) * 2 / 4 > np.log1p(4 / 1) * 1 / 4
    assert words == [["ship", "blue"], ["house", "old"]]
    assert class_words([], []) == []
    assert class_words(["a ship", "a ship"], [0, 0]) == [["ship"]]


def test_to_be_stayed_in_takes_more_than_a_sure_trifle() -> None:
    share = Estimate(0.9, 0.8, 1.0, 24)

    def found(stays: float, p: float) -> Motifs:
        labels = np.zeros((2, 2), dtype=np.int64)
        return Motifs(False, share, 0.9, 0.5, share, stays, 0.04, p, [], labels)

    assert found(0.5, 0.001).stayed_in
    assert not found(0.06, 0.001).stayed_in
    assert not found(0.5, 0.2).stayed_in
