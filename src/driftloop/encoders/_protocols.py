"""What an encoder is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from ..steps import Kind

Matrix: TypeAlias = npt.NDArray[np.float32]

SHORTEST = 1e-6
"""A vector shorter than this before it is normalised points nowhere."""


class Encoder(Protocol):
    """Turns texts or pictures into vectors whose cosine distance means something."""

    @property
    def name(self) -> str:
        """Its name, e.g. ``minilm``."""
        ...

    @property
    def title(self) -> str:
        """What it looks at, in a few words for readers of a report."""
        ...

    @property
    def family(self) -> str:
        """What it is an instance of, e.g. ``clip``: two of one family are one voice, not two."""
        ...

    @property
    def kind(self) -> Kind:
        """What it takes."""
        ...

    @property
    def identity(self) -> str:
        """Name, version and hash of weights: two that differ never share a vector.

        Where some contents alone have other vectors than an earlier version gave, an encoder has
        ``identity_of(content)``, under which each one's is kept.
        """
        ...

    @property
    def batch_size(self) -> int:
        """Contents that are best encoded together."""
        ...

    @property
    def limit(self) -> int | None:
        """Tokens of a text that it reads, its special ones among them; None where it reads all."""
        ...

    def encode(self, contents: Sequence[Any]) -> Matrix:
        """Encode texts or PIL pictures.

        Returns:
            ``(n, d)`` float32 with rows of unit norm. A content that there is nothing to see in
            for this encoder (a text without a word) has a row of NaN, never a made-up vector.
        """
        ...

    def cut(self, contents: Sequence[Any]) -> list[int]:
        """How many tokens of each content the encoder does not read."""
        ...


def unit_rows(vectors: npt.NDArray[np.floating[Any]]) -> Matrix:
    """Scale rows to unit norm; rows that point nowhere become NaN."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(norms > SHORTEST, vectors / norms, np.nan).astype(np.float32)
