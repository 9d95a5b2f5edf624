"""Words that tell groups of texts apart."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from ..scripts import terms, unspaced_out

COMMONER = 1.5
"""How much more of a group's words a word must be than of all words, to tell it apart."""
_WORD = re.compile(r"[^\W\d_]{3,}")


def class_words(texts: Sequence[str], groups: Sequence[int], *, most: int = 6) -> list[list[str]]:
    r"""The words of each group by class-based tf-idf.

    :math:`w(t, c) = tf(t, c) \log(1 + A / f(t))` with :math:`tf(t, c)` the share of the group's
    words that the word is, :math:`f(t)` how often it occurs in all groups and *A* the mean number
    of words a group (Grootendorst, arXiv:2203.05794, 2022). Counted are words of three letters or
    more (in scripts without blanks, pairs of characters), each once a text, so that a text that
    repeats itself does not speak louder; words that are hardly commoner in the group than in all
    are left out.

    Args:
        texts: Captions.
        groups: The group of each, from 0; negative ones are left out.
        most: Words a group.

    Returns:
        For each group its words, the most telling first.

    >>> class_words(["a ship at sea", "the ship sails", "a red house", "the house"], [0, 0, 1, 1])
    [['ship', 'sails', 'sea'], ['house', 'red']]
    """
    counts: list[Counter[str]] = [Counter() for _ in range(max([*groups, -1]) + 1)]
    for text, group in zip(texts, groups, strict=True):
        if group >= 0:
            lower = text.lower()
            counts[group].update({*_WORD.findall(unspaced_out(lower)), *terms(lower)})
    total = sum(counts, Counter[str]())
    average = total.total() / max(len(counts), 1)
    ranked = []
    for count in counts:
        size = max(count.total(), 1)
        weights = {
            word: n / size * float(np.log1p(average / total[word])) for word, n in count.items()
        }
        # A word that is as common elsewhere says nothing, however common it is.
        fair = {
            word: weight
            for word, weight in weights.items()
            if len(counts) == 1
            or count[word] / size > COMMONER * total[word] / max(total.total(), 1)
        }
        ranked.append(sorted(fair, key=lambda word: (-fair[word], word))[:most])
    return ranked
