"""The shuffled control, on arrays: the same states at every round, and no trajectories."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from ._drift import check_states
from ._interval import Floats, Ints


def shuffled(x: Floats, *, seed: int = 0) -> Floats:
    """Deal the states of every round out to the trajectories anew.

    Whatever a measure still finds of memory, of motifs that are stayed in or of repeats was never
    there. It is what the *shuffled* control of backend ``controls`` plays, without playing it.

    Args:
        x: ``(trajectories, rounds, d)``; missing states stay where they are.
        seed: Of the dealing.

    Returns:
        An array of the same shape.

    >>> import numpy as np
    >>> dealt = shuffled(np.arange(12.0).reshape(4, 3, 1))
    >>> np.sort(dealt, axis=0)[:, 1, 0].tolist()
    [1.0, 4.0, 7.0, 10.0]
    """
    check_states(x)
    dealt = x.copy()
    for t, here, order in _deals(x, seed):
        dealt[here, t] = x[order, t]
    return dealt


@contextmanager
def dealt_out(x: Floats, *, seed: int = 0) -> Iterator[None]:
    """Have the states of :func:`shuffled` in *x* itself for a while, without a copy of all of them.

    Args:
        x: ``(trajectories, rounds, d)``; its own states are back in their places afterwards.
        seed: Of the dealing.

    >>> x = np.arange(12.0).reshape(4, 3, 1)
    >>> with dealt_out(x):
    ...     (x == shuffled(np.arange(12.0).reshape(4, 3, 1))).all().item()
    True
    >>> x[:, 0, 0].tolist()
    [0.0, 3.0, 6.0, 9.0]
    """
    check_states(x)
    moved = []
    try:
        for t, here, order in _deals(x, seed):
            x[here, t] = x[order, t]
            moved.append((t, here, order))
        yield
    finally:
        for t, here, order in moved:
            x[order, t] = x[here, t]


def _deals(x: Floats, seed: int) -> Iterator[tuple[int, Ints, Ints]]:
    """Each round with the trajectories that have a state, and whose state each of them gets."""
    rng = np.random.default_rng(seed)
    for t in range(x.shape[1]):
        here = np.flatnonzero(np.isfinite(x[:, t, 0]))
        yield t, here, rng.permutation(here)
