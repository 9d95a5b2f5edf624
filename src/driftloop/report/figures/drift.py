"""Distance per round."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ...measures import Curve
from ._chart import Chart, describe


class Line(NamedTuple):
    """One curve of the figure."""

    name: str
    """The arm's."""
    curve: Curve
    others: Curve | None = None
    """The control: distance from the baselines of other prompts."""


def drift_figure(
    lines: Sequence[Line],
    *,
    first: int,
    label: str,
    axis: tuple[int, int],
    top: float,
    colours: Sequence[int] = (),
) -> str:
    """Draw how far trajectories are, round by round.

    One line comes with the interquartile range of its trajectories; several come with the
    intervals of their means only.

    Args:
        lines: The curves.
        first: The round of their first value.
        label: What it shows, for those who cannot see it.
        axis: First and last round to show, the same in charts that stand side by side.
        top: Largest value to show, likewise.
        colours: Numbers of the lines' colours; by default their positions.

    Returns:
        An ``<svg>`` element.
    """
    chart = Chart(axis, top, label)
    chart.explain([line.curve for line in lines])
    alone = len(lines) == 1
    colours = colours or range(len(lines))
    for line, colour in zip(lines, colours, strict=True):
        if line.others is not None:
            chart.line(
                first, _list(line.others.mean), f"others {'' if alone else f'c{colour % 8}'}"
            )
        if alone:
            chart.band(first, _list(line.curve.q25), _list(line.curve.q75), f"iqr c{colour % 8}")
    for line, colour in zip(lines, colours, strict=True):
        faint = "" if alone else " faint"
        chart.band(first, _list(line.curve.low), _list(line.curve.high), f"ci{faint} c{colour % 8}")
        chart.line(first, _list(line.curve.mean), f"mean c{colour % 8}")
    rounds = range(first, first + max((len(line.curve.mean) for line in lines), default=0))
    return chart.svg(rounds, lambda round: _reading(lines, round, round - first))


LOWEST_TOP = 0.01


def highest(curves: Sequence[Curve | None]) -> float:
    """The largest value that a figure of these curves has to show."""
    values = [
        float(np.max(row, where=np.isfinite(row), initial=-np.inf))
        for curve in curves
        if curve is not None
        for row in (curve.mean, curve.high, curve.q75)
    ]
    found = max(values, default=-np.inf)
    # Where everything is the same, what rounding leaves must not fill the figure.
    return max(found if np.isfinite(found) else 1.0, LOWEST_TOP)


def _reading(lines: Sequence[Line], round: int, at: int) -> str:
    parts = []
    for line in lines:
        value = describe(line.curve, at)
        if not value:
            continue
        text = f"{line.name}: {value}" if len(lines) > 1 else f"mean {value}"
        if len(lines) == 1 and np.isfinite(line.curve.q25[at]):
            text += (
                f", middle half {line.curve.q25[at]:.2f} to {line.curve.q75[at]:.2f}"
                f", {line.curve.trajectories[at]} trajectories"
            )
        if line.others is not None and (stranger := describe(line.others, at)):
            text += f"; other prompts {stranger}"
        parts.append(text)
    return f"Round {round} · {' · '.join(parts)}" if parts else ""


def _list(
    values: Sequence[float] | np.ndarray[tuple[int, ...], np.dtype[np.floating]],
) -> list[float]:
    return [float(value) for value in values]
