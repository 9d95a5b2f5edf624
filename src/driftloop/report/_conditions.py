"""Under which conditions? A row for each arm and kind of prompt, at several horizons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..measures import Estimate, Late, curve, distance_from, separation, verdict
from ._factors import Factors, ordered
from ._gather import Material
from ._voices import Agreement, Vote, agree

FEWEST = 4
"""Prompts of a kind from which on they are looked at by themselves."""
SHORT = 4
"""Rounds that the shortest horizon has at least."""
RESAMPLES = 500
STYLE = "prompts"


class Cell(NamedTuple):
    """One condition at one horizon, as one encoder sees it."""

    says: str
    late: Late
    drift: Estimate
    """Distance from the start, or from round 1 where the start is of the other kind."""


Cells = dict[tuple[str, str, int], Cell]
"""By arm, kind of prompt and horizon."""


def horizons(rounds: int) -> list[int]:
    """A quarter, a half and all of the rounds.

    >>> horizons(20), horizons(6), horizons(1)
    ([5, 10, 20], [6], [])
    """
    wanted = {rounds // 4, rounds // 2, rounds}
    return sorted(r for r in wanted if r >= SHORT or (r == rounds and r > 1))


def styles(material: Material) -> dict[str, list[str]]:
    """Prompts by where they come from, where there are several such kinds of enough prompts."""
    found: dict[str, list[str]] = {}
    for start in material.starts.values():
        found.setdefault(start.source, []).append(start.id)
    kinds = {name: ids for name, ids in found.items() if name and len(ids) >= FEWEST}
    return kinds if len(kinds) > 1 and len(kinds) == len(found) else {}


def measure_conditions(
    material: Material, arm: str, x: npt.NDArray[Any], from_start: bool
) -> Cells:
    """Verdict, memory and drift of one arm, by kind of prompt and horizon.

    Args:
        material: The run as it was read.
        arm: Its name.
        x: ``(trajectories, rounds + 1, d)`` its states, the start first.
        from_start: Whether the start is a state of this kind.
    """
    kinds = styles(material)
    prompts = np.array([track.name.prompt for track in material.of_arm(arm)])
    cells: Cells = {}
    for kind, ids in (kinds or {"": sorted(set(prompts))}).items():
        rows = np.isin(prompts, ids)
        for horizon in horizons(material.rounds):
            states, labels = x[rows, : horizon + 1], prompts[rows]
            if not np.isfinite(states[:, horizon, 0]).any() or len(np.unique(labels)) < 2:
                continue
            late = separation(states[:, 1:], labels, resamples=RESAMPLES).late
            base = states[:, 0 if from_start else 1]
            away = curve(distance_from(states[:, horizon:], base), labels, bounds=(0.0, 2.0))
            drift = Estimate(
                float(away.mean[0]), float(away.low[0]), float(away.high[0]), int(away.prompts[0])
            )
            cells[arm, kind, horizon] = Cell(verdict(late).kind, late, drift)
    return cells


class Condition(NamedTuple):
    """One row of the table."""

    levels: list[str]
    verdicts: list[Agreement]
    """At each horizon."""
    drift: Estimate
    memory: Estimate
    contraction: Estimate
    prior: str
    """How the arm moves against the world of its generator; empty where that is not known."""


class Level(NamedTuple):
    """What the conditions that share one level came to."""

    factor: str
    level: str
    conditions: int
    verdicts: Counter[str]
    memory: tuple[float, float]
    """The lowest and the highest of the conditions."""


class Factorial(NamedTuple):
    """The whole table."""

    names: list[str]
    horizons: list[int]
    rows: list[Condition]
    levels: list[Level]
    seen: str
    """What drift, memory and contraction are seen with."""


def make_factorial(
    material: Material,
    factors: Factors,
    seen: Sequence[tuple[str, str, Mapping[Any, Cell]]],
    priors: Mapping[str, str],
) -> Factorial | None:
    """Put the cells of all encoders together.

    Args:
        material: The run as it was read.
        factors: In what its arms differ.
        seen: Family, title and cells of each encoder; numbers are those of the first one that sees
            the most arms, so that rows can be compared.
        priors: By arm, how it moves against the world of its generator.

    Returns:
        None where there is one condition only.
    """
    kinds = list(styles(material)) or [""]
    if not seen or len(material.arms) * len(kinds) < 2:
        return None
    names = factors.names if len(factors.names) > 1 else []
    titles = [*(names or ["arm"]), *([STYLE] if kinds != [""] else [])]
    steps = horizons(material.rounds)
    rows = []
    _, title, first = max(seen, key=lambda one: len({arm for arm, _, _ in one[2]}))
    for arm in _in_order(material, factors, names):
        own = factors.levels.get(arm, {})
        for kind in kinds:
            last = max((h for h in steps if (arm, kind, h) in first), default=None)
            if last is None:
                continue
            cell = first[arm, kind, last]
            # A control stands in the table by its name.
            cells = [own[name] for name in names] if own and names else [arm]
            cells += ["–"] * (max(len(names), 1) - len(cells))
            rows.append(Condition(
                cells + ([kind] if kinds != [""] else []),
                [_together(seen, (arm, kind, h)) for h in steps],
                cell.drift, cell.late.memory, cell.late.contraction, priors.get(arm, ""),
            ))  # fmt: skip
    return Factorial(titles, steps, rows, _by_level(titles, rows), title)


def _in_order(material: Material, factors: Factors, names: Sequence[str]) -> list[str]:
    places = {name: ordered([row[name] for row in factors.levels.values()]) for name in names}

    def rank(arm: str) -> tuple[int, ...]:
        row = factors.levels.get(arm)
        if row is None or not names:
            return (1, material.arms.index(arm))
        return (0, *(places[name].index(row[name]) for name in names))

    return sorted(material.arms, key=rank)


def _together(
    seen: Sequence[tuple[str, str, Mapping[Any, Cell]]], key: tuple[str, str, int]
) -> Agreement:
    votes = [
        Vote(family, None if cells[key].says == "undecided" else cells[key].says)
        for family, _, cells in seen
        if key in cells
    ]
    return agree(votes)


def _by_level(titles: Sequence[str], rows: Sequence[Condition]) -> list[Level]:
    found = []
    for at, title in enumerate(titles):
        levels = ordered([row.levels[at] for row in rows if "–" not in row.levels])
        if len(levels) < 2 or len(titles) < 2:
            continue
        for level in levels:
            own = [row for row in rows if row.levels[at] == level and "–" not in row.levels]
            left = [row.memory.value for row in own if np.isfinite(row.memory.value)]
            found.append(Level(
                title, level, len(own),
                Counter(row.verdicts[-1].says or "undecided" for row in own),
                (min(left), max(left)) if left else (np.nan, np.nan),
            ))  # fmt: skip
    return found
