"""Under which conditions? A row for each arm and kind of prompt, at several horizons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..measures import Estimate, Late, Verdict, curve, distance_from, holm, separation, verdict
from ._factors import Factors, ordered
from ._gather import Material
from ._voices import Agreement, agree, cast_vote

FEWEST = 4
"""Prompts of a kind from which on they are looked at by themselves."""
SHORT = 4
"""Rounds that the shortest horizon has at least."""
FAMILYWISE = 0.05
"""Chance that any of an encoder's verdicts in the table is false, of those that stand for all."""
STYLE = "prompts"


class Cell(NamedTuple):
    """One condition at one horizon, as one encoder sees it."""

    verdict: Verdict
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
    material: Material, arm: str, x: npt.NDArray[Any], since: int, from_start: bool
) -> Cells:
    """Verdict, memory and drift of one arm, by kind of prompt and horizon.

    Args:
        material: The run as it was read.
        arm: Its name.
        x: ``(trajectories, rounds + 1, d)`` its states, the start first.
        since: The first round (from 0) whose states are the loop's own; see :func:`separation`.
        from_start: Whether the start is a state of this kind.
    """
    kinds = styles(material)
    conditions = len(material.arms) * max(len(kinds), 1)
    # Holm's first step wants a p-value that is this small, with as many again to be sure of it.
    resamples = max(500, round(2 * conditions / FAMILYWISE))
    prompts = np.array([track.name.prompt for track in material.of_arm(arm)])
    cells: Cells = {}
    for kind, ids in (kinds or {"": sorted(set(prompts))}).items():
        rows = np.isin(prompts, ids)
        for horizon in horizons(material.rounds):
            states, labels = x[rows, : horizon + 1], prompts[rows]
            recorded = np.flatnonzero(np.isfinite(states[:, 1:, 0]).any(axis=0)) + 1
            # A horizon is looked at where its last quarter was played, recorded or not.
            if not len(recorded) or recorded[-1] <= 0.75 * horizon or len(np.unique(labels)) < 2:
                continue
            late = separation(states[:, 1:], labels, since=since, resamples=resamples).late
            base = states[:, 0 if from_start else recorded[0]]
            away = curve(distance_from(states[:, recorded[-1:]], base), labels, bounds=(0.0, 2.0))
            drift = Estimate(
                float(away.mean[0]), float(away.low[0]), float(away.high[0]), int(away.prompts[0])
            )
            cells[arm, kind, horizon] = Cell(verdict(late), late, drift)
    return cells


class Condition(NamedTuple):
    """One row of the table."""

    levels: list[str]
    verdicts: list[Agreement]
    """At each horizon."""
    stands: bool
    """Whether the last is claimed as well where all conditions count as one question."""
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

    @property
    def claimed(self) -> int:
        """Conditions with a verdict at the last horizon, asked one by one."""
        return sum(row.verdicts[-1].says not in (None, "mixed") for row in self.rows)

    @property
    def standing(self) -> int:
        """Those of them that stand together."""
        return sum(row.stands for row in self.rows)


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
    together = [(family, name, _standing(cells)) for family, name, cells in seen]
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
            verdicts = [_together(seen, (arm, kind, h)) for h in steps]
            # Without the voices that are gone nothing new may be claimed.
            said = verdicts[-1].says
            stands = said == _together(together, (arm, kind, last)).says not in (None, "mixed")
            rows.append(Condition(
                cells + ([kind] if kinds != [""] else []), verdicts, stands,
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


def _standing(cells: Mapping[Any, Cell]) -> Cells:
    """The last horizon of every condition, undecided where its verdict does not stand for all."""
    last: dict[tuple[str, str], int] = {}
    for arm, kind, horizon in cells:
        last[arm, kind] = max(horizon, last.get((arm, kind), 0))
    keys = [(arm, kind, horizon) for (arm, kind), horizon in last.items()]
    adjusted = holm([cells[key].verdict.p for key in keys])
    return {
        key: cells[key]
        if p < FAMILYWISE
        else cells[key]._replace(verdict=cells[key].verdict._replace(kind="undecided"))
        for key, p in zip(keys, adjusted, strict=True)
    }


def _together(
    seen: Sequence[tuple[str, str, Mapping[Any, Cell]]], key: tuple[str, str, int]
) -> Agreement:
    votes = [cast_vote(family, cells[key].verdict) for family, _, cells in seen if key in cells]
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
