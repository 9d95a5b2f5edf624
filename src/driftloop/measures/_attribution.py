"""Which part matters? Variance of end positions over prompt, generator, captioner and seed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ._bootstrap import Estimate, Labels
from ._interval import Floats, Ints, expanded_percentiles, prompt_weights

RESAMPLES = 300


def attribution(
    x: Floats,
    factors: Mapping[str, Labels],
    *,
    unit: str = "prompt",
    without: str | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Estimate]:
    r"""Share of the variance of positions that each factor explains, and the seed the rest.

    :math:`\omega^2_F = (SS_F - df_F\,MS_{rest}) / (SS_{total} + MS_{rest})` (Hays 1963; unlike
    :math:`\eta^2` it does not grow with the number of levels), with sums of squares over all
    coordinates: squared distances from a mean are what cosine distances add up to. Main effects of
    a balanced design; ``interactions`` is what cells differ by beyond them, ``seed`` what twins
    within a cell do. Arms share their random numbers, so that the same twin of a prompt may go the
    same way in all of them: what is left of a unit is therefore measured against its twins' means
    over the cells (a random factor nested in the unit), or luck that cells share would count as the
    prompt's; the other factors are measured against what is left within the twins.

    Args:
        x: ``(n, d)`` end positions.
        factors: Labels of each position by the factor's name, e.g. prompt, generator, captioner.
            The positions of a cell are in the order of their twins.
            Units that lack a combination, or have fewer twins in one, are left out.
        unit: The factor that is resampled for the intervals (expanded percentiles).
        without: A factor whose mean vectors are taken out first: a captioner's writing style, so
            that what it says counts and not how. Its own share is 0 then.
        resamples: Bootstrap resamples; with none there are no intervals.
        seed: Of the resampling.

    Returns:
        An :class:`Estimate` by factor, with ``interactions`` and ``seed``; they add up to 1 but for
        the correction.

    Raises:
        ValueError: There is no unit that has every combination, or no twins.

    >>> import numpy as np
    >>> x = np.array([[1.0, 0], [1.0, 0], [0, 1.0], [0, 1.0]])
    >>> found = attribution(x, {"prompt": ["a", "a", "b", "b"]}, resamples=10)
    >>> found["prompt"].value, found["seed"].value
    (1.0, 0.0)
    """
    names = [unit, *(name for name in factors if name != unit)]
    codes = [np.unique(np.asarray(factors[name]), return_inverse=True)[1] for name in names]
    grid = _balanced(np.asarray(x, dtype=float), codes)
    if without is not None:
        axis = names.index(without)
        others = tuple(a for a in range(grid.ndim - 1) if a != axis)
        grid = grid - grid.mean(axis=others, keepdims=True)
    count = len(grid)
    sums = _sum_up(grid)
    (best,) = _shares(sums, np.ones((1, count)))
    drawn = [
        _shares(sums, block[(block > 0).sum(axis=1) > 1])
        for block in prompt_weights(count, resamples, seed)
    ]
    low, high = expanded_percentiles(
        np.concatenate([np.empty((0, len(best))), *drawn]), np.full(len(best), count)
    )
    labels = [*names, "interactions", "seed"]
    if len(names) == 1:
        keep = [0, 2]
        labels = [labels[i] for i in keep]
        best, low, high = best[keep], low[keep], high[keep]
    return {
        name: Estimate(float(best[i]), float(low[i]), float(high[i]), count)
        for i, name in enumerate(labels)
    }


def _balanced(x: Floats, codes: list[Ints]) -> Floats:
    """Positions as ``(units, ..., twins, d)``, of the units that have all of them."""
    shape = [int(code.max(initial=-1)) + 1 for code in codes]
    cells: dict[tuple[int, ...], list[int]] = {}
    for row, key in enumerate(zip(*(code.tolist() for code in codes), strict=True)):
        if np.isfinite(x[row]).all():
            cells.setdefault(key, []).append(row)
    combinations = list(np.ndindex(*shape[1:]))
    twins = max(map(len, cells.values()), default=0)
    whole = [
        unit
        for unit in range(shape[0])
        if all(len(cells.get((unit, *rest), ())) == twins for rest in combinations)
    ]
    if len(whole) < 2 or twins < 2:
        raise ValueError("attribution needs two units with every combination, twice or more each")
    rows = [[cells[unit, *rest] for rest in combinations] for unit in whole]
    grid: Floats = x[np.array(rows)].reshape(len(whole), *shape[1:], twins, x.shape[1])
    return grid


class _Sums(NamedTuple):
    """What each unit has part in: any weighting of the units is a weighted sum of these."""

    cells: int
    twins: int
    all: Floats
    """``(units,)`` squares of all its positions, from the mean of all units."""
    between: Floats
    """``(units,)`` of its cells' means."""
    across: Floats
    """``(units,)`` what its twins have in common over all cells."""
    means: Floats
    """``(units, d)``."""
    levels: list[Floats]
    """``(units, levels, d)`` of every other factor."""


def _sum_up(grid: Floats) -> _Sums:
    units, twins, d = len(grid), grid.shape[-2], grid.shape[-1]
    grid = grid - grid.reshape(-1, d).mean(axis=0)
    cells = grid.mean(axis=-2)
    axes = tuple(range(1, cells.ndim - 1))
    each = np.moveaxis(grid, -2, 1).reshape(units, twins, -1, d)
    apart = each.mean(axis=2) - each.mean(axis=(1, 2))[:, None]
    return _Sums(
        each.shape[2],
        twins,
        (each**2).sum(axis=(1, 2, 3)),
        (cells.reshape(units, -1) ** 2).sum(axis=1) * twins,
        (apart**2).sum(axis=(1, 2)) * each.shape[2],
        each.mean(axis=(1, 2)),
        [cells.mean(axis=tuple(a for a in axes if a != axis)) for axis in axes],
    )


def _shares(sums: _Sums, weights: Floats) -> Floats:
    """Omega squared of every factor, of their interactions, and the share of the rest.

    Args:
        sums: Of the units.
        weights: ``(weightings, units)`` how often each unit counts.

    Returns:
        ``(weightings, factors + 2)``.
    """
    units = weights.shape[1]
    size = units * sums.cells * sums.twins
    of_mean = ((weights @ sums.means / units) ** 2).sum(axis=1)
    total = weights @ sums.all - size * of_mean
    between = weights @ sums.between - size * of_mean
    rest = total - between
    of_twins = weights @ sums.across
    squares = [weights @ (sums.means**2).sum(axis=1) * (size / units) - size * of_mean]
    # Copies of a unit in a resample bring no freedom of their own.
    freedom = [(weights > 0).sum(axis=1) - 1.0]
    for part in sums.levels:
        levels = part.shape[1]
        means = weights @ part.reshape(units, -1) / units
        squares.append((means**2).sum(axis=1) * (size / levels) - size * of_mean)
        freedom.append(np.full(len(weights), levels - 1.0))
    squares.append(np.maximum(between - np.sum(squares, axis=0), 0.0))
    freedom.append(np.maximum(units * sums.cells - 1 - np.sum(freedom, axis=0), 0.0))
    df_rest = units * sums.cells * (sums.twins - 1)
    df_twins = units * (sums.twins - 1)
    mean_rest = rest / df_rest
    # Where there is one combination only, the twins are the rest.
    other = (rest - of_twins) / (df_rest - df_twins) if df_rest > df_twins else mean_rest
    noise = [of_twins / df_twins, *[other] * (len(squares) - 1)]
    bottom = total + mean_rest
    with np.errstate(invalid="ignore", divide="ignore"):
        omega = np.stack([
            np.maximum(ss - df * error, 0.0) / bottom
            for ss, df, error in zip(squares, freedom, noise, strict=True)
        ], axis=1)  # fmt: skip
    shares = np.column_stack([omega, np.maximum(1.0 - omega.sum(axis=1), 0.0)])
    return np.asarray(np.where(bottom[:, None] > 0, shares, np.nan))
