"""Charts of how arms end: strangers and twins, memory, variety, under every encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..measures import Curve
from ._assess import Drift
from ._charts import MOST_ARMS, Panel
from ._endings import Ending, left_of_the_prompt
from ._gather import Material
from ._meaning import seen_in
from .figures import EndingLine, ending_figure
from .figures.drift import highest

WIDE = 1.5
"""Width of an interval of memory from which on it says nothing."""


class EndingBlock(NamedTuple):
    """The charts of one encoder."""

    apart: Panel
    """Strangers and twins."""
    variety: Panel | None
    memory: Panel | None
    """None without twins."""


def ending_blocks(material: Material, drifts: Sequence[Drift]) -> list[EndingBlock]:
    """Charts of all arms together, an encoder each."""
    return [_block(material, drift) for drift in drifts if drift.endings]


def _block(material: Material, drift: Drift) -> EndingBlock:
    arms = material.arms
    shown = [arm for arm in arms[:MOST_ARMS] if arm in drift.endings]
    endings = [drift.endings[arm] for arm in shown]
    colours = [arms.index(arm) for arm in shown]
    rounds = max(ending.rounds for ending in endings)
    heading = seen_in(material, drift)
    heading = heading[0].upper() + heading[1:]

    def lines(
        curves: Sequence[Curve], controls: Sequence[Curve | None], levels: Sequence[float | None]
    ) -> list[EndingLine]:
        return [EndingLine(*row) for row in zip(shown, curves, controls, levels, strict=True)]

    parts = [ending.separation for ending in endings]
    top = min(highest([p.strangers for p in parts] + [p.twins for p in parts]), 2.0)
    apart = ending_figure(
        lines(
            [p.strangers for p in parts], [p.twins for p in parts], [p.noise.value for p in parts]
        ),
        label=f"Distance of strangers and of twins, round by round, {drift.title}",
        rounds=rounds, top=top, control="twins", level="noise", colours=colours,
    )  # fmt: skip
    prompts = max(int(e.variety.prompts.max(initial=0)) for e in endings)
    variety = None
    if prompts >= 2:
        svg = ending_figure(
            lines([e.variety for e in endings], [None] * len(endings), [None] * len(endings)),
            label=f"How many different things there are, round by round, {drift.title}",
            rounds=rounds, top=float(prompts), colours=colours,
        )  # fmt: skip
        variety = Panel(f"{heading}; {prompts} at most", svg)
    memory = None
    if any(np.isfinite(left_of_the_prompt(p).mean).any() for p in parts):
        controls = [_control(ending) for ending in endings]
        svg = ending_figure(
            lines([_telling(left_of_the_prompt(p)) for p in parts], [None] * len(parts), controls),
            label=f"How much of the prompt is left, round by round, {drift.title}",
            rounds=rounds, top=1.2, bottom=-0.2, level="shuffled", colours=colours,
            empty="Nothing to draw: every round’s interval is too wide to say anything.",
        )  # fmt: skip
        memory = Panel(heading, svg)
    return EndingBlock(Panel(heading, apart), variety, memory)


def _telling(memory: Curve) -> Curve:
    """Memory without rounds whose interval is wider than all it could be: noise over noise."""
    wide = ~(memory.high - memory.low < WIDE)
    gaps = [np.where(wide, np.nan, part) for part in (memory.mean, memory.low, memory.high)]
    return memory._replace(mean=gaps[0], low=gaps[1], high=gaps[2])


def _control(ending: Ending) -> float:
    """Memory of shuffled trajectories: of no memory at all, and of what noise makes of it."""
    value = ending.control.value
    return float(np.clip(value, -0.2, 1.2)) if np.isfinite(value) else np.nan
