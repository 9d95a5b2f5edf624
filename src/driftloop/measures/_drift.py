"""Drift: how far trajectories are from where they were.

Distance from the start grows in a stationary chain too, so it cannot tell divergence from
wandering; it is read beside :func:`strangers_from`, which says where there is nothing left of the
start to be near to.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ._bootstrap import Curve, Labels, group_means, numbered
from ._influence import pair_distance, products, standard_error
from ._interval import RESAMPLES, Floats, stretches, studentized, weightings


def cosine_distance(a: Floats, b: Floats) -> Floats:
    r"""Cosine distance of unit vectors, :math:`d(a, b) = 1 - \langle a, b \rangle`.

    On the sphere this is half the squared Euclidean distance, so that variances add.

    Args:
        a: ``(..., d)``, unit norm; NaN where there is no state.
        b: ``(..., d)``, broadcast against *a*.

    Returns:
        ``(...)`` in ``[0, 2]``; NaN where either is missing.

    >>> import numpy as np
    >>> x = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    >>> cosine_distance(x[0], x).tolist()
    [0.0, 1.0, 2.0]
    """
    products: Floats = np.einsum("...d,...d->...", a, b)
    distances: Floats = np.clip(1.0 - products, 0.0, 2.0)
    return distances


def distance_from(x: Floats, baseline: Floats) -> Floats:
    """Distance of every state from its own trajectory's baseline, :math:`d(x(t), b)`.

    Args:
        x: ``(trajectories, rounds, d)`` unit vectors.
        baseline: ``(trajectories, d)``: the start, or round 1.

    Returns:
        ``(trajectories, rounds)`` in ``[0, 2]``, NaN where either state is missing.

    >>> import numpy as np
    >>> x = np.array([[[1.0, 0.0], [0.0, 1.0]]])
    >>> distance_from(x, x[:, 0]).tolist()
    [[0.0, 1.0]]
    """
    check_states(x)
    return cosine_distance(x, baseline[:, None, :])


def distance_per_step(x: Floats) -> Floats:
    """Distance of every state from the one a round before, :math:`d(x(t), x(t-1))`.

    Args:
        x: ``(trajectories, rounds, d)`` unit vectors.

    Returns:
        ``(trajectories, rounds - 1)`` in ``[0, 2]``.

    >>> import numpy as np
    >>> distance_per_step(np.array([[[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]])).tolist()
    [[1.0, 0.0]]
    """
    check_states(x)
    return cosine_distance(x[:, 1:], x[:, :-1])


def strangers_from(
    x: Floats, baseline: Floats, prompts: Labels, *, resamples: int = RESAMPLES, seed: int = 0
) -> Curve:
    r"""Distance from the baselines of *other* prompts: the control of :func:`distance_from`.

    :math:`s(t) = \mathrm{mean}_{p \ne q}\, d(x(p, t), b(q))`, with each prompt's states and
    baselines averaged over its twins first. A trajectory that is as far from its own start as from
    a stranger's keeps nothing of it that this encoder can see. The sums over pairs come from sums
    over prompts, so that it takes time linear in the number of prompts.

    Args:
        x: ``(trajectories, rounds, d)`` unit vectors.
        baseline: ``(trajectories, d)``.
        prompts: ``(trajectories,)`` labels.
        resamples: Bootstrap resamples of prompts; pairs of a prompt with itself are left out.
        seed: Of the resampling; as in :func:`~driftloop.measures.curve`.

    Returns:
        A :class:`Curve` in ``[0, 2]`` whose quartiles are NaN (pairs are not trajectories), and
        all NaN with fewer than two prompts.

    >>> import numpy as np
    >>> x = np.array([[[1.0, 0.0]], [[0.0, 1.0]]])
    >>> strangers_from(x, x[:, 0], ["a", "b"]).mean.tolist()
    [1.0]
    """
    check_states(x)
    prompts = numbered(prompts)
    ends = group_means(baseline, prompts)
    rounds = x.shape[1]
    mean, low, high = np.full((3, rounds), np.nan)
    counts = np.zeros(rounds, dtype=np.int64)
    for part in stretches(rounds, resamples):
        values, errors = np.full((2, resamples + 1, part.stop - part.start), np.nan)
        for column, t in enumerate(range(part.start, part.stop)):
            states = group_means(x[:, t], prompts)
            counts[t] = np.isfinite(states[:, 0] + ends[:, 0]).sum()
            if counts[t] < 2:
                continue
            row = 0
            for weights in weightings(len(ends), resamples, seed):
                found = pair_distance(weights, states, ends)
                rows = slice(row, row := row + len(weights))
                values[rows, column] = found.value
                spread = products(weights, [found.influence])
                errors[rows, column] = standard_error([np.ones(len(weights))], spread, len(ends))
        mean[part] = values[0]
        low[part], high[part] = studentized(
            values[0], errors[0], values[1:], errors[1:], counts[part]
        )
    low, high = np.clip(low, 0.0, 2.0), np.clip(high, 0.0, 2.0)
    nothing = np.full(rounds, np.nan)
    present = np.isfinite(x[:, :, 0]).sum(axis=0)
    return Curve(mean, low, high, nothing, nothing, nothing, present.astype(np.int64), counts)


def check_states(x: npt.NDArray[Any]) -> None:
    """Refuse arrays that are not (trajectories, rounds, d)."""
    if x.ndim != 3:
        raise ValueError(f"states must be (trajectories, rounds, d), not {x.shape}")
