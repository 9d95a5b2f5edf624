"""``lexical``: which words a text uses, and which pairs of words. Deterministic, no weights.

In scripts without blanks between words their characters take the words' place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import ModelError, lacking
from ..scripts import is_spaced, spaced
from ..steps import Kind
from ._protocols import Matrix, unit_rows

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import HashingVectorizer

FEATURES = 1024
"""Hash buckets. Signs are hashed too, so that collisions add noise of about 0.03 to a cosine and
no bias."""


class LexicalEncoder:
    """Counts of words and word pairs, hashed into a vector of fixed length."""

    name = "lexical"
    title = "words in common"
    family = "lexical"
    kind: Kind = "text"
    identity = f"lexical/1/{FEATURES}"
    batch_size = 1024
    limit = None

    def __init__(self) -> None:
        self._vectorizer: HashingVectorizer | None = None

    def encode(self, contents: Sequence[str]) -> Matrix:
        """Encode texts; one without a word has no vector (NaN)."""
        counts: Any = self._hashing().transform([spaced(text) for text in contents])
        return unit_rows(counts.toarray())

    def identity_of(self, content: str) -> str:
        """That of a text whose characters are its words, which were none when it was made."""
        return self.identity if is_spaced(content) else f"lexical/2/{FEATURES}"

    def cut(self, contents: Sequence[str]) -> list[int]:
        """Nothing: every word counts."""
        return [0] * len(contents)

    def _hashing(self) -> HashingVectorizer:
        if self._vectorizer is None:
            try:
                from sklearn.feature_extraction.text import HashingVectorizer
            except ImportError as error:
                raise ModelError(lacking("encoder 'lexical'", "report", error)) from error
            # The usual pattern drops words of one letter, and with them "a" and all of "3 x 3".
            self._vectorizer = HashingVectorizer(
                n_features=FEATURES, ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b", norm=None
            )
        return self._vectorizer


def encoder() -> LexicalEncoder:
    """Make the encoder."""
    return LexicalEncoder()
