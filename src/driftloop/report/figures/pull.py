"""Where a number goes: its value at the end against its value at first, a dot a trajectory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape

from ._chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, nice_ticks

SOLID = 12
"""Faint dots of one place that look like one without any see-through: 0.55 to the twelfth of what
is behind them is less than a level of 255."""


def pull_figure(
    first: Sequence[float],
    last: Sequence[float],
    *,
    slope: float,
    cut: float,
    label: str,
    across: str,
    up: str,
) -> str:
    """Draw ends against beginnings, with the line through them and the one of no change.

    Args:
        first: A value a trajectory.
        last: Its value at the end.
        slope: Of the line through them; NaN where there is none.
        cut: Where that line begins, at 0.
        label: What it shows, for those who cannot see it.
        across: What lies across.
        up: What goes up.

    Returns:
        An ``<svg>`` element.
    """
    ticks = nice_ticks(max([*first, *last, 1.0]))
    top = ticks[-1]

    def x(value: float) -> float:
        return LEFT + value / top * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM)

    def line(kind: str, ends: Sequence[tuple[float, float]]) -> str:
        points = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in ends)
        return f'<polyline class="{kind}" points="{points}"/>'

    parts = []
    for value in ticks:
        kind = "axis" if value == 0 else "grid"
        parts.append(
            f'<line class="{kind}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}"'
            f' y2="{y(value):.1f}"/>'
            f'<text class="tick end" x="{LEFT - 6}" y="{y(value) + 4:.1f}">{value:g}</text>'
            f'<text class="tick mid" x="{x(value):.1f}" y="{HEIGHT - BOTTOM + 16}">{value:g}</text>'
        )
    parts.append(
        f'<text class="tick mid" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 3}">'
        f"{escape(across)}</text>"
    )
    parts.append(f'<text class="tick" x="{LEFT + 4}" y="{TOP + 9}">{escape(up)}</text>')
    parts.append(line("others", [(0.0, 0.0), (top, top)]))
    drawn: Counter[tuple[float, float]] = Counter()
    for a, b in zip(first, last, strict=True):
        drawn[a, b] += 1
        if drawn[a, b] <= SOLID:
            parts.append(f'<circle class="dot faint c0" cx="{x(a):.1f}" cy="{y(b):.1f}" r="3"/>')
    if slope == slope:
        left, right = min(first), max(first)
        ends = [(a, cut + slope * a) for a in (left, right)]
        parts.append(line("mean c0", [(a, min(max(b, 0.0), top)) for a, b in ends]))
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        f' aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )
