"""Which part matters? Variance of end positions over prompt, generator, captioner and seed."""

from __future__ import annotations

from collections.abc import Mapping

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
    best = _shares(grid)
    count = len(grid)
    drawn = [
        _shares(np.repeat(grid, weights.astype(int), axis=0), distinct=int((weights > 0).sum()))
        for block in prompt_weights(count, resamples, seed)
        for weights in block
        if (weights > 0).sum() > 1
    ]
    low, high = expanded_percentiles(np.reshape(drawn, (-1, len(best))), np.full(len(best), count))
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


def _twins_across(grid: Floats) -> tuple[float, int]:
    """Sum of squares, and its freedom, of what twins of a unit have in common over all cells."""
    units, twins = grid.shape[0], grid.shape[-2]
    each = np.moveaxis(grid, -2, 1).reshape(units, twins, -1, grid.shape[-1])
    apart = each.mean(axis=2) - each.mean(axis=(1, 2))[:, None]
    return float((apart**2).sum()) * each.shape[2], units * (twins - 1)


def _shares(grid: Floats, distinct: int | None = None) -> Floats:
    """Omega squared of every factor, of their interactions, and the share of the rest."""
    axes = tuple(range(grid.ndim - 2))
    grand = grid.mean(axis=(*axes, grid.ndim - 2))
    total = float(((grid - grand) ** 2).sum())
    cells = grid.mean(axis=-2)
    rest = float(((grid - cells[..., None, :]) ** 2).sum())
    size = int(np.prod(grid.shape[:-1]))
    df_rest = size - int(np.prod(grid.shape[:-2]))
    mean_rest = rest / df_rest
    squares, freedom = [], []
    for axis in axes:
        others = tuple(a for a in axes if a != axis)
        means = cells.mean(axis=others) if others else cells
        squares.append(float(((means - grand) ** 2).sum()) * size / grid.shape[axis])
        # Copies of a unit in a resample bring no freedom of their own.
        levels = distinct if axis == 0 and distinct else grid.shape[axis]
        freedom.append(levels - 1)
    between = float(((cells - grand) ** 2).sum()) * grid.shape[-2]
    squares.append(max(between - sum(squares), 0.0))
    freedom.append(max(int(np.prod(grid.shape[:-2])) - 1 - sum(freedom), 0))
    bottom = total + mean_rest
    if bottom <= 0:
        return np.full(len(squares) + 1, np.nan)
    of_twins, df_twins = _twins_across(grid)
    # Where there is one combination only, the twins are the rest.
    other = (rest - of_twins) / (df_rest - df_twins) if df_rest > df_twins else mean_rest
    noise = [of_twins / df_twins, *[other] * (len(squares) - 1)]
    omega = [
        max(ss - df * error, 0.0) / bottom
        for ss, df, error in zip(squares, freedom, noise, strict=True)
    ]
    return np.array([*omega, max(1.0 - sum(omega), 0.0)])
