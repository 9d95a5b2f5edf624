"""Which part matters? Variance of end positions over prompt, generator, captioner and seed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ._bootstrap import Estimate, Labels
from ._interval import Floats, Ints, student

ROUNDING = 1e-12
"""The share of the squares of all positions below which a variance is rounding."""


def attribution(
    x: Floats,
    factors: Mapping[str, Labels],
    *,
    unit: str = "prompt",
    without: str | None = None,
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

    Each share and its interval are the jackknife's over units: the mean of the pseudo-values
    :math:`n \hat\theta - (n - 1) \hat\theta_{(i)}`, and Student's t of their spread (Arvesen,
    *Annals of Mathematical Statistics* 40, 1969). It takes out what is of order 1/n: that prompts
    are a sample, and that what a prompt and an arm do together looks like the arm's doing where
    prompts are few. A bootstrap would count a unit that is drawn twice as two that agree, and add
    the noise of drawing to every mean.

    Args:
        x: ``(n, d)`` end positions.
        factors: Labels of each position by the factor's name, e.g. prompt, generator, captioner.
            The positions of a cell are in the order of their twins.
            Units that lack a combination, or have fewer twins in one, are left out.
        unit: The factor that is sampled, whose units the intervals are over.
        without: A factor whose mean vectors are taken out first: a captioner's writing style, so
            that what it says counts and not how. Its own share is 0 then.

    Returns:
        An :class:`Estimate` in ``[0, 1]`` by factor, with ``interactions`` and ``seed``; they add
        up to 1, but for those that chance took below 0. Where it cannot be told with a unit less,
        of two units or if only one differs, it is :math:`\omega^2` without an interval; NaN where
        nothing differs.

    Raises:
        ValueError: There is no unit that has every combination, or no twins.

    >>> import numpy as np
    >>> x = np.repeat(np.eye(3), 2, axis=0)
    >>> found = attribution(x, {"prompt": ["a", "a", "b", "b", "c", "c"]})
    >>> found["prompt"].value, found["prompt"].low, found["seed"].value
    (1.0, 1.0, 0.0)
    """
    names = [unit, *(name for name in factors if name != unit)]
    codes = [np.unique(np.asarray(factors[name]), return_inverse=True)[1] for name in names]
    grid = _balanced(np.asarray(x, dtype=float), codes)
    if without is not None:
        axis = names.index(without)
        others = tuple(a for a in range(grid.ndim - 1) if a != axis)
        grid = grid - grid.mean(axis=others, keepdims=True)
    parts = zip([*names, "interactions", "seed"], *_jackknife(_shares(_sum_up(grid))), strict=True)
    found = {
        name: Estimate(float(value), float(low), float(high), len(grid))
        for name, value, low, high in parts
    }
    if len(names) == 1:
        del found["interactions"]
    return found


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
    """Sums over units: the first of all of them, the others of all but each in turn."""

    cells: int
    twins: int
    least: float
    """Squares below this are rounding."""
    units: Floats
    """``(sums,)`` how many units are in each."""
    all: Floats
    """``(sums,)`` squares of all positions, from the mean of all units."""
    between: Floats
    """``(sums,)`` of the cells' means."""
    across: Floats
    """``(sums,)`` what twins have in common over all cells of their unit."""
    squares: Floats
    """``(sums,)`` of the units' means."""
    means: Floats
    """``(sums, d)`` the units' means themselves."""
    levels: list[Floats]
    """``(sums, levels, d)`` the means of every other factor's levels."""


def _sum_up(grid: Floats) -> _Sums:
    units, twins, d = len(grid), grid.shape[-2], grid.shape[-1]
    least = ROUNDING * float((grid**2).sum())
    grid = grid - grid.reshape(-1, d).mean(axis=0)
    cells = grid.mean(axis=-2)
    axes = tuple(range(1, cells.ndim - 1))
    each = np.moveaxis(grid, -2, 1).reshape(units, twins, -1, d)
    means = each.mean(axis=(1, 2))
    apart = each.mean(axis=2) - means[:, None]

    def over(part: Floats) -> Floats:
        whole = part.sum(axis=0, keepdims=True)
        return np.concatenate([whole, whole - part])

    return _Sums(
        each.shape[2],
        twins,
        least,
        over(np.ones(units)),
        over((each**2).sum(axis=(1, 2, 3))),
        over((cells.reshape(units, -1) ** 2).sum(axis=1) * twins),
        over((apart**2).sum(axis=(1, 2)) * each.shape[2]),
        over((means**2).sum(axis=1)),
        over(means),
        [over(cells.mean(axis=tuple(a for a in axes if a != axis))) for axis in axes],
    )


def _shares(sums: _Sums) -> Floats:
    """Omega squared of every factor, of their interactions, and the share of the rest.

    Returns:
        ``(sums, factors + 2)``, negative where there is less than chance makes; NaN where there is
        no variance to share, or one unit.
    """
    units = sums.units
    size = units * sums.cells * sums.twins
    of_mean = size * ((sums.means / units[:, None]) ** 2).sum(axis=1)
    total = sums.all - of_mean
    between = sums.between - of_mean
    rest = total - between
    squares = [sums.squares * sums.cells * sums.twins - of_mean]
    freedom = [units - 1]
    for part in sums.levels:
        means = part / units[:, None, None]
        squares.append((means**2).sum(axis=(1, 2)) * size / part.shape[1] - of_mean)
        freedom.append(np.full(len(units), part.shape[1] - 1.0))
    squares.append(between - np.sum(squares, axis=0))
    freedom.append(units * sums.cells - 1 - np.sum(freedom, axis=0))
    df_rest = units * sums.cells * (sums.twins - 1)
    df_twins = units * (sums.twins - 1)
    mean_rest = rest / df_rest
    # Where there is one combination only, the twins are the rest.
    other = (rest - sums.across) / (df_rest - df_twins) if sums.cells > 1 else mean_rest
    noise = [sums.across / df_twins, *[other] * (len(squares) - 1)]
    bottom = total + mean_rest
    bottom = np.where((bottom > sums.least) & (units > 1), bottom, np.nan)
    omega = np.stack([
        (ss - df * error) / bottom for ss, df, error in zip(squares, freedom, noise, strict=True)
    ], axis=1)  # fmt: skip
    return np.column_stack([omega, 1 - omega.sum(axis=1)])


def _jackknife(shares: Floats) -> Floats:
    """Estimates, and the ends of their intervals: ``(3, columns)``."""
    best, left_out = shares[0], shares[1:]
    count = len(left_out)
    ends = np.full((3, len(best)), np.nan)
    ends[0] = best
    if np.isfinite(left_out).all():
        pseudo = count * best - (count - 1) * left_out
        reach = student(count) * pseudo.std(axis=0, ddof=1) / np.sqrt(count)
        ends = pseudo.mean(axis=0) + np.array([[0.0], [-1.0], [1.0]]) * reach
    inside: Floats = np.clip(ends, 0.0, 1.0)
    return inside
