"""How long meaning lasts and whose prior it ends in, in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from ..measures import MARGIN, Decay, EnergyTest, Estimate
from ._assess import Drift
from ._gather import Material
from ._phrases import say_estimate
from ._voices import Vote, agree

LOST = 0.05
"""Likeness that is lost from generation 1 on, below which there is no rate of losing it."""


class FidelityRow(NamedTuple):
    """Similarity to generation 0 of one arm under one encoder."""

    arm: str
    seen: str
    baseline: str
    mean: str
    control: str
    rate: str
    """SDR, per round."""
    by_half_rounds: str
    """The same as UCF's code counts: a generation is half a round there."""
    half: str
    """Rounds until half of what gets lost is lost, or why that is not known."""
    floor: str


class PriorRow(NamedTuple):
    """One arm's captions against the world of one of its models, under one encoder."""

    arm: str
    seen: str
    whose: str
    first: str
    late: str
    margin: str
    chance: str
    p: str


class PriorAnswer(NamedTuple):
    """Whether one arm comes nearer to a model's world."""

    arm: str
    whose: str
    sentence: str
    sure: str


class Priors(NamedTuple):
    """Answers, and the numbers they rest on."""

    answers: list[PriorAnswer]
    rows: list[PriorRow]


def seen_in(material: Material, drift: Drift) -> str:
    """What an encoder looks at, with the kind of state."""
    return f"{material.noun(drift.kind)}s: {drift.title}"


def say_fidelity(material: Material, drifts: Sequence[Drift]) -> list[FidelityRow]:
    """A row an arm and encoder."""
    return [
        FidelityRow(
            arm,
            seen_in(material, drift),
            "the prompt" if found.from_prompt else f"the first {material.noun(drift.kind)}",
            say_estimate(found.mean),
            say_estimate(found.control),
            say_estimate(found.decay.rate),
            say_estimate(_by_half_rounds(found.decay.rate)),
            _half(found.decay, material.rounds),
            say_estimate(found.decay.floor),
        )
        for arm in material.arms
        for drift in drifts
        if (found := drift.fidelity.get(arm)) is not None
    ]


def _by_half_rounds(rate: Estimate) -> Estimate:
    return Estimate(rate.value / 2, rate.low / 2, rate.high / 2, rate.prompts)


def _half(decay: Decay, rounds: int) -> str:
    """Half-life from a rate of decay: ln 2 / b, its interval turned round.

    >>> from driftloop.measures import Estimate
    >>> rate = Estimate(math.log(2), math.log(2) / 2, 2 * math.log(2), 24)
    >>> _half(Decay(rate, Estimate(0.8, 0.7, 0.9, 24), Estimate(0.1, 0.0, 0.2, 24)), 20)
    '1.0 [0.5, 2.0]'
    """
    rate = decay.rate

    def one(value: float) -> str:
        half = math.log(2) / value if value > 0 else math.inf
        return f"{half:.1f}" if half <= rounds else f"over {rounds}"

    if decay.reason:
        return decay.reason
    if decay.drop.value * math.exp(-rate.value) < LOST:
        return f"less than {LOST} is lost after generation 1"
    value, low, high = one(rate.value), one(rate.high), one(rate.low)
    return value if math.isnan(rate.low) or value == low == high else f"{value} [{low}, {high}]"


def say_priors(material: Material, drifts: Sequence[Drift]) -> Priors:
    """An answer an arm and model, from all encoders of captions."""
    answers, rows = [], []
    for arm in material.arms:
        seen = [(drift, prior) for drift in drifts for prior in drift.priors.get(arm, [])]
        for model in dict.fromkeys(prior.model for _, prior in seen):
            own = [(drift, prior) for drift, prior in seen if prior.model == model]
            whose = f"{own[0][1].role} {model}"
            found = agree([Vote(d.family, _moves(p.first, p.late)) for d, p in own])
            answers.append(PriorAnswer(arm, whose, _sentence(found.says, whose), found.sure))
            rows += [
                PriorRow(
                    arm,
                    seen_in(material, drift),
                    whose,
                    _say(prior.first),
                    _say(prior.late),
                    f"{MARGIN * prior.late.scale:.3f}",
                    f"{max(prior.chance, 0.0):.3f}",
                    f"{prior.late.p:.3f}",
                )
                for drift, prior in own
            ]
    return Priors(answers, rows)


def prior_cells(material: Material, drifts: Sequence[Drift]) -> dict[str, str]:
    """By arm, in a few words, how it moves against the world of its generator."""
    words = {
        "stays": "like it from the start", "arrives": "comes to be like it", "nearer": "nearer",
        "away": "further away", "apart": "differs", "mixed": "mixed",
    }  # fmt: skip
    cells = {}
    for arm in material.arms:
        seen = [(d, p) for d in drifts for p in d.priors.get(arm, []) if p.role == "generator"]
        if not seen:
            continue
        found = agree([Vote(d.family, _moves(p.first, p.late)) for d, p in seen])
        first, late = seen[0][1].first, seen[0][1].late
        told = words.get(found.says or "", "too few to tell")
        cells[arm] = f"{told}: {first.distance:.2f} to {_say(late)}"
    return cells


def _moves(first: EnergyTest, late: EnergyTest) -> str | None:
    """What late states do against where they began; None where there are too few to tell."""
    if late.alike:
        return "stays" if first.alike else "arrives"
    if late.high < first.low:
        return "nearer"
    if late.low > first.high:
        return "away"
    return "apart" if late.differ else None


def _sentence(says: str | None, whose: str) -> str:
    return {
        "stays": (
            f"Captions are like those of the world that {whose} was trained on, and were so in "
            "round 1 already."
        ),
        "arrives": f"Captions come to be like those of the world that {whose} was trained on.",
        "nearer": (
            f"Captions come nearer to the world that {whose} was trained on, and are not shown to "
            "be like it."
        ),
        "apart": (
            f"Captions differ from those of the world that {whose} was trained on, and are not "
            "shown to come nearer to it."
        ),
        "away": f"Captions move away from the world that {whose} was trained on.",
        "mixed": f"Encoders disagree on the world that {whose} was trained on.",
    }.get(
        says or "",
        f"There is too little to tell whether captions are like those of the world that {whose} "
        "was trained on.",
    )


def _say(test: EnergyTest) -> str:
    return f"{test.distance:.3f} [{max(test.low, 0.0):.3f}, {max(test.high, 0.0):.3f}]"
