"""Whose prior? How far the end of a loop is from what its models were trained on."""

from __future__ import annotations

import random
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..encoders import Encoder, embed
from ..measures import EnergyTest, energy_distance
from ..postcards import bundled_names, caption, home_world, sample_scene
from ..store import Run
from ._gather import Material

SCENES = 200
"""Scenes that stand for a world."""
FULL = 60
"""Words of a caption where no budget is set: room for all that there is to tell of a scene."""
MOST_ROUNDS = 10
"""Late rounds that are compared: more of the same trajectories add little."""
BUNDLED = "bundled:"


class Prior(NamedTuple):
    """How far one arm is from the world of one of its models."""

    role: str
    model: str
    late: EnergyTest
    """Late captions against captions of that world's scenes, told within the arm's budget."""
    first: EnergyTest
    """The same of round 1: where it came from."""
    chance: float
    """The distance between two samples of that world, of as many: what 0 looks like."""


def measure_priors(
    run: Run, material: Material, encoder: Encoder, arm: str, x: npt.NDArray[Any]
) -> list[Prior]:
    """Compare one arm's captions with the worlds that its bundled models were trained on.

    Args:
        run: Where vectors are kept.
        material: The run as it was read.
        encoder: Of texts.
        arm: Its name.
        x: ``(trajectories, rounds + 1, d)`` its states.

    Returns:
        One for each bundled generator and captioner; none where no bundled model plays.
    """
    prompts = np.array([track.name.prompt for track in material.of_arm(arm)])
    found = []
    for role, model, name, words in _bundled(material, arm):
        texts = scene_captions(name, words)
        reference = embed(run, encoder, texts).of(texts)
        reference = reference[np.isfinite(reference[:, 0])]
        late = _against(x[:, 1 + x.shape[1] // 2 :], prompts, reference)
        first = _against(x[:, 1:2], prompts, reference)
        if late is None or first is None:
            continue
        half = len(reference) // 2
        chance = energy_distance(reference[:half], reference[half:], permutations=1, resamples=0)
        found.append(Prior(role, model, late, first, chance.distance))
    return found


@cache
def scene_captions(model: str, words: int) -> list[str]:
    """Captions of scenes of the world that a bundled model was trained on, always the same."""
    rng = random.Random(f"{model}|{words}")
    world = home_world(model)
    return [caption(sample_scene(rng, world=world), words, rng) for _ in range(SCENES)]


def _bundled(material: Material, arm: str) -> list[tuple[str, str, str, int]]:
    """Role, model, its bundled name and the arm's budget of words, of each bundled player."""
    study = material.study
    chosen = next((a for a in study.expanded_arms() if a.name == arm), None) if study else None
    if study is None or chosen is None:
        return []
    roles = material.roles
    settings = {
        model: {**study.models[model].settings, **chosen.settings.get(model, {})}
        for model in dict.fromkeys(chosen.models)
    }
    budgets = [s["words"] for s in settings.values() if s.get("words")]
    found: list[tuple[str, str, str, int]] = []
    for model, own in settings.items():
        name = str(own.get("path", "")).removeprefix(BUNDLED)
        if f"{BUNDLED}{name}" == own.get("path") and name in bundled_names() and model in roles:
            found.append((roles[model], model, name, int(min(budgets, default=FULL))))
    return found


def _against(
    x: npt.NDArray[Any], prompts: npt.NDArray[Any], reference: npt.NDArray[Any]
) -> EnergyTest | None:
    stride = max(1, x.shape[1] // MOST_ROUNDS)
    x = x[:, ::-stride]
    here = np.isfinite(x[:, :, 0])
    units = np.broadcast_to(prompts[:, None], here.shape)[here]
    if len(np.unique(units)) < 2 or len(reference) < 4:
        return None
    return energy_distance(x[here], reference, x_units=units)
