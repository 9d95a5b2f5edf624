"""The page's figures, put together from what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..measures import Curve
from ..steps import Kind
from ._assess import ArmDrift, Drift, Repeats
from ._gather import Material
from ._meaning import seen_in
from ._phrases import say_share
from .figures import Line, drift_figure, repeats_figure
from .figures._chart import describe
from .figures.drift import highest

MOST_ARMS = 8
"""Arms in one chart: as many as there are colours that can be told apart."""
MOST_ROWS = 120
"""Trajectories in the figure of repeats."""
TABLE_ROUNDS = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


class Panel(NamedTuple):
    """A chart under its title."""

    title: str
    svg: str


class DriftBlock(NamedTuple):
    """Drift under one encoder."""

    heading: str
    encoder: str
    overview: list[Panel]
    """All arms together; with one arm, that arm."""
    arms: list[tuple[str, list[Panel]]]
    """Each arm with its spread; empty where there is one arm."""
    header: list[str]
    rows: list[list[str]]
    """The numbers, arm by arm and round by round."""
    falling: bool
    """Whether later rounds rest on fewer trajectories."""


class RepeatsBlock(NamedTuple):
    """Repeats of one kind of state."""

    heading: str
    rows: list[tuple[str, str, str, str, str, str]]
    """Arm, repeated, settled, fixed points, cycles, when entered."""
    panels: list[Panel]
    left_out: int
    """Trajectories that the figures had no room for."""


def drift_blocks(material: Material, drifts: Sequence[Drift]) -> list[DriftBlock]:
    """Charts and numbers for every encoder."""
    return [_drift_block(material, drift) for drift in drifts]


def repeats_blocks(material: Material, repeats: Sequence[Repeats]) -> list[RepeatsBlock]:
    """Charts and numbers for captions and for pictures."""
    blocks = []
    kinds: tuple[Kind, ...] = ("text", "image")
    for kind in kinds:
        heading = f"{material.noun(kind)}s".capitalize()
        found = [row for row in repeats if row.kind == kind]
        panels, left_out = [], 0
        for row in found:
            if not any(one.first is not None for one in row.each):
                continue
            tracks = [track for track in material.of_arm(row.arm) if track.states(row.kind)]
            shown = tracks[:MOST_ROWS]
            left_out += len(tracks) - len(shown)
            svg = repeats_figure(
                [(_words(material, track.name.prompt), track.states(row.kind)) for track in shown],
                rounds=material.rounds,
                label=f"{heading} of arm {row.arm}: which rounds of each trajectory repeat",
            )  # fmt: skip
            panels.append(Panel(row.arm if len(material.arms) > 1 else heading, svg))
        if found:
            blocks.append(RepeatsBlock(heading, [_row(row) for row in found], panels, left_out))
    return blocks


def returns_rows(material: Material, drifts: Sequence[Drift]) -> list[list[str]]:
    """Approximate repeats: encoder, arm, share that settled, the control, noisy cycles."""
    rows = []
    for drift in drifts:
        for arm, ending in drift.endings.items():
            cycles = ", ".join(f"{n} of period {p}" for p, n in sorted(ending.periods.items()))
            told = [say_share(ending.returning), say_share(ending.returning_control)]
            if np.isnan(ending.returning.value):
                told[0] = "cannot be told: one look scatters as far as strangers are apart"
            rows.append([seen_in(material, drift), arm, *told, cycles or "none"])
    return rows


def _drift_block(material: Material, drift: Drift) -> DriftBlock:
    names = [name for name in material.arms[:MOST_ARMS] if name in drift.arms]
    several = len(drift.arms) > 1
    overview = _panels(material, drift, names)
    arms = [(name, _panels(material, drift, [name])) for name in drift.arms] if several else []
    with_start = any(arm.start for arm in drift.arms.values())
    header = ["arm"] * several + ["round", "trajectories"]
    header += ["from its start", "from other starts"] * with_start
    header += ["from round 1", "from others' round 1", "from the round before"]
    rows = [
        row
        for name, arm in drift.arms.items()
        for row in _rows(name if several else None, arm, material.rounds, with_start)
    ]
    counts = [arm.first.own.trajectories for arm in drift.arms.values()]
    falling = any(len(set(row.tolist())) > 1 for row in counts)
    heading = seen_in(material, drift)
    heading = heading[0].upper() + heading[1:]
    return DriftBlock(heading, drift.encoder, overview, arms, header, rows, falling)


def _panels(material: Material, drift: Drift, names: Sequence[str]) -> list[Panel]:
    everything = [
        curve
        for arm in drift.arms.values()
        for part in (arm.start, arm.first)
        if part is not None
        for curve in part
    ] + [arm.step for arm in drift.arms.values()]
    top = highest(everything)
    order = material.arms
    arms = {name: drift.arms[name] for name in names}
    first = min((arm.first_round for arm in drift.arms.values()), default=1)
    axis = (first, max(material.rounds, first + 1))
    noun = f"{material.noun(drift.kind)}s"

    def panel(title: str, begin: int, lines: list[tuple[str, Curve, Curve | None]]) -> Panel:
        svg = drift_figure(
            [Line(*line) for line in lines],
            first=begin,
            label=f"Distance of {noun} {title.lower()}, round by round, {drift.title}",
            axis=axis,
            top=top,
            colours=[order.index(name) for name, _, _ in lines],
        )
        return Panel(title, svg)

    panels = []
    started = [(name, arm.start.own, arm.start.others) for name, arm in arms.items() if arm.start]
    if started:
        panels.append(panel("From its start", 0, list(started)))
    panels.append(
        panel("From round 1", 1, [(n, arm.first.own, arm.first.others) for n, arm in arms.items()])
    )
    begin = first + 1
    steps: list[tuple[str, Curve, Curve | None]] = [
        (n, _shifted(arm, first), None) for n, arm in arms.items()
    ]
    panels.append(panel("From the round before", begin, steps))
    return panels


def _shifted(arm: ArmDrift, first: int) -> Curve:
    """Steps that all begin at the same round: an arm without a start lacks the first."""
    if arm.first_round == first:
        return arm.step
    return Curve(*(np.concatenate([[np.nan], np.asarray(part, dtype=float)]) for part in arm.step))


def _rows(name: str | None, arm: ArmDrift, last: int, with_start: bool) -> list[list[str]]:
    rows = []
    for round in sorted({r for r in TABLE_ROUNDS if arm.first_round <= r < last} | {last}):
        at = round - 1
        row = [] if name is None else [name]
        # Only an arm that has a start has a round 0.
        counted = arm.first.own if round or arm.start is None else arm.start.own
        row += [str(round), str(counted.trajectories[at if round else 0])]
        if with_start:
            parts = (arm.start.own, arm.start.others) if arm.start else ()
            row += [describe(part, round) for part in parts] or ["", ""]
        row += [describe(part, at) if round else "" for part in arm.first]
        row.append(describe(arm.step, round - arm.first_round - 1))
        rows.append([cell or "–" for cell in row])
    return rows


def _row(found: Repeats) -> tuple[str, str, str, str, str, str]:
    cycles = {period: n for period, n in sorted(found.periods.items()) if period > 1}
    listed = ", ".join(f"{n} of period {period}" for period, n in cycles.items())
    return (
        found.arm,
        say_share(found.repeated),
        say_share(found.settled),
        str(found.periods[1] or "none"),
        listed or "none",
        f"{found.entered:g}" if found.entered is not None else "–",
    )


def _words(material: Material, prompt: str) -> str:
    start = material.starts.get(prompt)
    return start.value if start is not None and start.kind == "text" else prompt
