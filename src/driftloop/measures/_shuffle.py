"""The shuffled control, on arrays: the same states at every round, and no trajectories."""

from __future__ import annotations

import numpy as np

from ._drift import check_states
from ._interval import Floats


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
    rng = np.random.default_rng(seed)
    dealt = x.copy()
    for t in range(x.shape[1]):
        here = np.flatnonzero(np.isfinite(x[:, t, 0]))
        dealt[here, t] = x[rng.permutation(here), t]
    return dealt
