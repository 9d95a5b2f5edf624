"""In what do arms differ? Generator, captioner, and the settings that are not the same in all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..steps import Role
from ..study import PlayedArm, Study
from ._gather import Material, model_of

FREE = "free"
"""What a setting that an arm leaves out is called."""
NOBODY = "none"
"""Who plays a role that an arm does not have, and what is set of a model that it does not have."""
CONTROLS = "controls"
TAKEN = {*Role, "arm", "prompt", "prompts", "interactions", "seed"}
"""What tables call something else; a setting of that name is told with its model's."""


class Factors(NamedTuple):
    """What sets arms apart."""

    names: list[str]
    """Factors with two levels or more."""
    levels: dict[str, dict[str, str]]
    """By arm, the level of each factor; control arms are not here."""

    def crossed(self) -> bool:
        """Whether every combination of levels is an arm, once."""
        cells = [tuple(row[name] for name in self.names) for row in self.levels.values()]
        size = 1
        for name in self.names:
            size *= len({row[name] for row in self.levels.values()})
        return bool(self.names) and len(set(cells)) == len(cells) == size


def find_factors(material: Material) -> Factors:
    """Compare the arms that were played, leaving out those of controls.

    A setting whose levels follow from another's (an instruction that goes with a budget) is not a
    factor of its own.
    """
    study = material.study
    if study is None:
        return Factors([], {})
    arms = [
        arm
        for arm in study.expanded_arms()
        if arm.name in material.arms and not any(is_control(study, name) for name in arm.models)
    ]
    rows = {arm.name: _describe(study, arm, material.roles) for arm in arms}
    names = [
        name
        for name in dict.fromkeys(name for row in rows.values() for name in row)
        if len({row.get(name) for row in rows.values()}) > 1
    ]
    absent = {name: NOBODY if name in set(Role) else FREE for name in names}
    levels = {
        arm: {name: row.get(name, absent[name]) for name in names} for arm, row in rows.items()
    }
    # The setting with most levels first: what follows from it says nothing more.
    kept: list[str] = [name for name in names if name in set(Role)]
    settings = [name for name in names if name not in kept]
    for name in sorted(settings, key=lambda n: -len({row[n] for row in levels.values()})):
        if not any(_follows(levels, name, other) for other in kept if other in settings):
            kept.append(name)
    return Factors(kept, {arm: {name: row[name] for name in kept} for arm, row in levels.items()})


def is_control(study: Study | None, player: str) -> bool:
    """Whether a player does nothing, as far as the study says."""
    model = study.models.get(model_of(player)) if study else None
    return model is not None and model.backend == CONTROLS


def _describe(study: Study, arm: PlayedArm, roles: dict[str, Role]) -> dict[str, str]:
    row: dict[str, str] = {}
    swept: dict[str, set[str]] = {}
    for model, key in (
        (model, key)
        for other in study.expanded_arms()
        for model, part in other.settings.items()
        for key in part
    ):
        swept.setdefault(key, set()).add(model)
    called = {
        key: f"{' + '.join(sorted(models))}.{key}" if key in TAKEN else key
        for key, models in swept.items()
    }
    for role in Role:
        models = [name for name in arm.models if roles.get(name) == role]
        if not models:
            continue
        row[role] = " + ".join(models)
        for key in sorted(swept):
            values = [
                {**study.models[name].settings, **arm.settings.get(name, {})}.get(key)
                for name in models
            ]
            if any(value is not None for value in values):
                told = " + ".join(_say(value) for value in values)
                name = called[key]
                row[name] = told if name not in row else f"{row[name]}, {told}"
    for key, name in called.items():
        if name not in row and swept[key].isdisjoint(arm.models):
            row[name] = NOBODY
    return row


def _say(value: Any) -> str:
    return FREE if value is None else str(value)


def _follows(levels: dict[str, dict[str, str]], name: str, other: str) -> bool:
    pairs = {(row[other], row[name]) for row in levels.values()}
    return len(pairs) == len({first for first, _ in pairs})


def ordered(values: Sequence[str]) -> list[str]:
    """Levels in the order a reader expects: numbers by size, then words as they come."""

    def rank(item: tuple[int, str]) -> tuple[int, float]:
        try:
            return 0, float(item[1])
        except ValueError:
            return 1, float(item[0])

    return [value for _, value in sorted(enumerate(dict.fromkeys(values)), key=rank)]
