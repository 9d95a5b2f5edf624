"""How many different things are there?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ._bootstrap import Curve, Labels
from ._drift import check_states
from ._interval import Bools, Floats, Ints, corrected_jackknife_error, student

EXACT = 50
"""Prompts up to which each is left out in turn; above, they are left out in so many groups."""
GROUPS = 10
"""The same where there are more prompts than dimensions: all of each group costs as much as all of
a thousand prompts."""
NEIGHBOURS = 2
"""With how many others each prompt is left out together."""


def vendi(x: Floats, *, order: float = 1.0) -> Floats:
    r"""Vendi score: the effective number of different states in a set.

    :math:`VS_q = \big(\sum_i \lambda_i^q\big)^{1/(1-q)}`, with :math:`\lambda` the eigenvalues of
    :math:`K/n` and :math:`K_{ij} = \langle x_i, x_j \rangle`; at *q* = 1 the limit,
    :math:`\exp(-\sum_i \lambda_i \log \lambda_i)` (Friedman and Dieng, *TMLR* 2023), at infinity
    :math:`1/\lambda_{max}`; the order says how much rare states count (Pasarkar and Dieng,
    *AISTATS* 2024). Where *d* < *n* the eigenvalues are those of the :math:`d \times d` matrix
    :math:`X^T X/n`, which are the same but for zeros.

    Args:
        x: ``(..., n, d)`` unit vectors. It grows with *n*: compare sets of the same size only.
        order: *q*, from 0 (every state counts alike) to infinity (the commonest only).

    Returns:
        ``(...)`` between 1 and *n*; NaN where a state is missing.

    >>> import numpy as np
    >>> vendi(np.eye(4)).round(6).item(), vendi(np.ones((4, 1))).round(6).item()
    (4.0, 1.0)
    """
    if order < 0 or not np.ndim(x) >= 2:
        raise ValueError(f"vendi takes (..., n, d) and an order of at least 0, not {order}")
    n, d = x.shape[-2:]
    x = np.asarray(x, dtype=np.float64)
    missing: Bools = np.asarray(~np.isfinite(x).all(axis=(-2, -1)))
    x = np.where(missing[..., None, None], 0.0, x)
    across = np.swapaxes(x, -1, -2)
    gram = (across @ x if d < n else x @ across) / max(n, 1)
    return np.where(missing | (n == 0), np.nan, _score(np.linalg.eigvalsh(gram), order))


def variety(x: Floats, prompts: Labels, *, order: float = 1.0) -> Curve:
    r"""Vendi score of one state a prompt, round by round, at the same number of prompts.

    The score grows with the number of states, so only prompts that have a state in every round of
    every twin count, in all rounds. With several twins it is the mean over the sets of first twins,
    second twins and so on. A bootstrap would be biased (copies of a prompt in a resample are not
    different things), so the interval leaves out one prompt at a time, or one of 50 groups of
    them (10, where there are more prompts than dimensions): Student's t with the jackknife's error,
    less what the jackknife counts twice (see
    :func:`~driftloop.measures._interval.corrected_jackknife_error`). It is an interval for the
    score that so many *other* prompts would have.

    Args:
        x: ``(trajectories, rounds, d)`` unit vectors.
        prompts: ``(trajectories,)`` labels; a prompt's trajectories in the order of its twins.
        order: As in :func:`vendi`.

    Returns:
        A :class:`Curve` between 1 and the number of prompts; its quartiles are NaN.

    >>> import numpy as np
    >>> x = np.stack([np.eye(3), np.tile(np.eye(3)[0], (3, 1))], axis=1)
    >>> variety(x, ["a", "b", "c"]).mean.round(6).tolist()
    [3.0, 1.0]
    """
    check_states(x)
    labels = np.asarray(prompts)
    names, codes = np.unique(labels, return_inverse=True)
    complete: Bools = np.asarray(np.isfinite(x[:, :, 0]).all(axis=1))
    rows = [np.flatnonzero(codes == code) for code in range(len(names))]
    twins = max((len(row) for row in rows), default=0)
    kept = [row for row in rows if len(row) == twins and complete[row].all()]
    rounds, count = x.shape[1], len(kept)
    mean, low, high = np.full((3, rounds), np.nan)
    if count >= 2:
        sets = np.stack(kept, axis=1)
        for t in range(rounds):
            mean[t], low[t], high[t] = _one_round(x[sets, t], order)
    nothing = np.full(rounds, np.nan)
    ends = np.clip(low, 1.0, max(count, 1)), np.clip(high, 1.0, max(count, 1))
    each = np.full(rounds, count, dtype=np.int64)
    return Curve(mean, *ends, nothing, nothing, nothing, each * twins, each)


def _one_round(sets: Floats, order: float) -> tuple[float, float, float]:
    """Score of ``(twins, prompts, d)`` and its interval."""
    _, count, d = sets.shape
    few = count <= max(d, EXACT)
    units = min(count, EXACT if few else GROUPS)
    groups = np.arange(count) * units // count
    pairs = [(i, (i + step) % units) for step in range(1, NEIGHBOURS + 1) for i in range(units)]
    told = units >= 3
    gone = [(), *((i,) for i in range(units)), *pairs] if told else [()]
    scores = _of_few if few else _of_many
    found = scores(sets, groups, [list(out) for out in gone], order)
    value = float(found[0])
    if not told:
        return value, np.nan, np.nan
    left_out, together = found[1 : units + 1], found[units + 1 :]
    error = corrected_jackknife_error(value, left_out, np.array(pairs), together)
    reach = student(units) * error
    return value, value - reach, value + reach


def _of_few(sets: Floats, groups: Ints, gone: Sequence[list[int]], order: float) -> Floats:
    """Mean scores of ``(twins, prompts, d)`` without some groups of prompts, a choice each."""
    gram = sets @ np.swapaxes(sets, -1, -2)
    found = []
    for out in gone:
        # The Gram matrix of fewer prompts is a part of that of all.
        kept = np.flatnonzero(~np.isin(groups, out))
        part = gram.take(kept, axis=1).take(kept, axis=2)
        found.append(_score(np.linalg.eigvalsh(part / len(kept)), order).mean())
    return np.array(found)


def _of_many(sets: Floats, groups: Ints, gone: Sequence[list[int]], order: float) -> Floats:
    """The same where there are more prompts than dimensions.

    A set at a time: a matrix for each group is as much as hundreds of prompts.
    """
    sizes = np.bincount(groups)
    found = np.zeros(len(gone))
    for x in sets:
        parts = (x[groups == unit].astype(np.float64) for unit in range(len(sizes)))
        each = np.stack([part.T @ part for part in parts])
        everything = each.sum(axis=0)
        for at, out in enumerate(gone):
            kept = (everything - each[out].sum(axis=0)) / (sizes.sum() - sizes[out].sum())
            found[at] += _score(np.linalg.eigvalsh(kept), order) / len(sets)
    return found


def _score(eigenvalues: npt.NDArray[Any], order: float) -> Floats:
    values = np.clip(eigenvalues, 0.0, None)
    total = values.sum(axis=-1, keepdims=True)
    values = values / np.where(total > 0, total, 1.0)
    # What rounding leaves of an eigenvalue that is 0 would count as a state at order 0.
    values = np.where(values > 1e-9, values, 0.0)
    if np.isinf(order):
        return np.asarray(1.0 / values.max(axis=-1))
    if abs(order - 1.0) < 1e-6:
        logs = np.log(np.where(values > 0, values, 1.0))
        return np.asarray(np.exp(-(values * logs).sum(axis=-1)))
    powers = np.where(values > 0, np.where(values > 0, values, 1.0) ** order, 0.0)
    return np.asarray(powers.sum(axis=-1) ** (1.0 / (1.0 - order)))
