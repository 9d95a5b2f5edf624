"""Strangers and twins, memory, variety: a curve an arm, with its control."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...measures import Curve
from ._chart import NO_VALUE, Chart, describe


class EndingLine(NamedTuple):
    """One curve of a figure, with what it is read against."""

    name: str
    """The arm's."""
    curve: Curve
    control: Curve | None = None
    """Another curve, drawn dashed."""
    level: float | None = None
    """A constant, drawn dotted: a noise floor, a control."""


def ending_figure(
    lines: Sequence[EndingLine],
    *,
    label: str,
    rounds: int,
    top: float,
    bottom: float = 0.0,
    control: str = "",
    level: str = "",
    colours: Sequence[int] = (),
    empty: str = NO_VALUE,
) -> str:
    """Draw a curve an arm with its 95 % interval, from round 1 on.

    Args:
        lines: The curves; values outside of the axis are drawn at its edge.
        label: What it shows, for those who cannot see it.
        rounds: Last round of the axis.
        top: Largest value to show.
        bottom: Smallest value to show.
        control: What the dashed curves are, for the reading.
        level: What the dotted lines are.
        colours: Numbers of the lines' colours; by default their positions.
        empty: What stands there where no curve has a value.

    Returns:
        An ``<svg>`` element.
    """
    chart = Chart((1, max(rounds, 2)), top, label, bottom=bottom)
    chart.explain([line.curve for line in lines], empty)
    faint = " faint" if len(lines) > 1 else ""
    marked = list(zip(lines, colours or range(len(lines)), strict=True))

    def inside(values: Sequence[float] | npt.NDArray[Any]) -> list[float]:
        return [float(value) for value in np.clip(values, bottom, top)]

    for line, colour in marked:
        kind = f"c{colour % 8}"
        if line.level is not None and np.isfinite(line.level):
            chart.line(1, inside([line.level] * len(line.curve.mean)), f"level {kind}")
        if line.control is not None:
            chart.line(1, inside(line.control.mean), f"others {kind}")
    for line, colour in marked:
        kind = f"c{colour % 8}"
        chart.band(1, inside(line.curve.low), inside(line.curve.high), f"ci{faint} {kind}")
        chart.line(1, inside(line.curve.mean), f"mean {kind}")
    longest = max((len(line.curve.mean) for line in lines), default=0)

    def tell(round: int) -> str:
        parts = []
        for line in lines:
            value = describe(line.curve, round - 1)
            if not value:
                continue
            text = f"{line.name}: {value}"
            if line.control is not None and (other := describe(line.control, round - 1)):
                text += f"; {control} {other}"
            if line.level is not None and np.isfinite(line.level):
                text += f"; {level} {line.level:.2f}"
            parts.append(text)
        return f"Round {round} · {' · '.join(parts)}" if parts else ""

    return chart.svg(range(1, longest + 1), tell)
