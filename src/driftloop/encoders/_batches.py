"""Micro-batches of a fixed shape, so that no vector depends on what is encoded beside it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

import numpy as np

from ..models._torch import pad
from ._protocols import Matrix, unit_rows

Shape = TypeVar("Shape", bound=Hashable)

ROWS = 16
"""Contents a micro-batch: kernels choose their order of summation by shape."""
STEP = 16
"""Lengths of texts are rounded up to a multiple of this, which keeps shapes few."""


def bucket(length: int, limit: int | None) -> int:
    """The length that a text of some tokens is padded to: by its own length, never by others'.

    >>> bucket(9, 77), bucket(70, 77), bucket(17, None)
    (16, 77, 32)
    """
    longer = -(-length // STEP) * STEP
    return longer if limit is None else min(longer, limit)


def encode_in_groups(shapes: Sequence[Shape], encode: Callable[[list[int], Shape], Any]) -> Matrix:
    """Encode contents of one shape together, a full micro-batch at a time.

    Args:
        shapes: The shape of each content.
        encode: Given ``ROWS`` places in ``shapes`` and the shape that they have, the vectors as a
            tensor on the CPU, ``(ROWS, d)``. The last place stands in for those that are not there.

    Returns:
        ``(len(shapes), d)``, rows of unit norm.
    """
    groups: defaultdict[Shape, list[int]] = defaultdict(list)
    for place, shape in enumerate(shapes):
        groups[shape].append(place)
    order, parts = [], []
    for shape, places in groups.items():
        for first in range(0, len(places), ROWS):
            chosen = places[first : first + ROWS]
            order += chosen
            parts.append(np.asarray(encode(pad(chosen, ROWS), shape))[: len(chosen)])
    rows = unit_rows(np.concatenate(parts))
    result = np.empty_like(rows)
    result[order] = rows
    return result


def is_blank(text: str) -> bool:
    """Whether a text has nothing to read."""
    return not text.strip()
