"""A small chart: axes, bands and lines as SVG."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from html import escape
from textwrap import wrap

import numpy as np
import numpy.typing as npt

from ...measures import Curve

WIDTH, HEIGHT = 360, 236
LEFT, RIGHT, TOP, BOTTOM = 34, 10, 10, 34
COLUMN = 0.5
"""Width that is told apart: a pixel of a chart that is drawn twice as large as its units say."""
NO_VALUE = "Nothing to draw: no round has a value."


class Chart:
    """Rounds across, a quantity up; everything is drawn in the order it is added.

    Args:
        rounds: First and last round of the axis.
        top: Largest value that must fit.
        label: What it shows, for those who cannot see it.
        bottom: Smallest value that must fit, 0 or less.
    """

    def __init__(
        self, rounds: tuple[int, int], top: float, label: str, *, bottom: float = 0.0
    ) -> None:
        self._rounds = rounds
        self._ticks = nice_ticks(top)
        self._bottom = bottom
        self._label = label
        self._parts: list[str] = []

    def x(self, round: float) -> float:
        """Where a round is."""
        first, last = self._rounds
        return LEFT + (round - first) / max(last - first, 1) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Where a value is."""
        share = (value - self._bottom) / (self._ticks[-1] - self._bottom)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    def band(self, first: int, low: Sequence[float], high: Sequence[float], kind: str) -> None:
        """Fill between two rows of values, from round *first* on."""
        for start, stop in _runs(low, high):
            upper = self._points(first + start, high[start:stop])
            lower = self._points(first + start, low[start:stop])
            points = " ".join([*upper, *reversed(lower)])
            self._parts.append(f'<polygon class="{kind}" points="{points}"/>')

    def line(self, first: int, values: Sequence[float], kind: str) -> None:
        """Draw a row of values, from round *first* on, with gaps where there are none."""
        for start, stop in _runs(values):
            points = " ".join(self._points(first + start, values[start:stop]))
            self._parts.append(f'<polyline class="{kind}" points="{points}"/>')
            if stop - start == 1:
                x, y = self.x(first + start), self.y(values[start])
                self._parts.append(f'<circle class="{kind} dot" cx="{x:.1f}" cy="{y:.1f}" r="2"/>')

    def _points(self, first: int, values: Sequence[float]) -> list[str]:
        """Where the values of some rounds are; of those in one column, what shows."""
        columns = np.array([self._column(first + i) for i in range(len(values))])
        shown = telling(columns, np.asarray(values))
        return [f"{self.x(first + i):.1f},{self.y(values[i]):.1f}" for i in shown]

    def _column(self, round: int) -> int:
        return int((self.x(round) - LEFT) / COLUMN + 1e-9)

    def explain(self, curves: Sequence[Curve], why: str = NO_VALUE) -> None:
        """Say why nothing is drawn, where no curve has a value; on two lines where it is long."""
        if any(np.isfinite(curve.mean).any() for curve in curves):
            return
        x, y = (LEFT + WIDTH - RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2
        for number, part in enumerate(wrap(why, 46)):
            place = f'x="{x}" y="{y + 15 * number:.1f}"'
            self._parts.append(f'<text class="tick mid" {place}>{escape(part)}</text>')

    def svg(self, rounds: Iterable[int], tell: Callable[[int], str]) -> str:
        """The chart.

        Args:
            rounds: Those that may be pointed at: the first in each column can be.
            tell: What to say of one then; nothing where it has no value.
        """
        told: dict[int, tuple[str, str]] = {}
        for round in rounds:
            column = self._column(round)
            if column not in told and (text := tell(round)):
                told[column] = f"{self.x(round):.1f}", text
        data = json.dumps(list(told.values()), ensure_ascii=False)
        return (
            f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
            f' aria-label="{escape(self._label)}" data-readings="{escape(data)}">'
            f"{self._axes()}{''.join(self._parts)}"
            f'<line class="cursor" y1="{TOP}" y2="{HEIGHT - BOTTOM}" x1="-9" x2="-9"/></svg>'
        )

    def _axes(self) -> str:
        parts = []
        for value in self._ticks:
            y = self.y(value)
            kind = "axis" if value == 0 else "grid"
            parts.append(
                f'<line class="{kind}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
                f'<text class="tick end" x="{LEFT - 6}" y="{y + 4:.1f}">{value:g}</text>'
            )
        for round in round_ticks(*self._rounds):
            parts.append(
                f'<text class="tick mid" x="{self.x(round):.1f}" y="{HEIGHT - BOTTOM + 16}">'
                f"{round}</text>"
            )
        parts.append(
            f'<text class="tick mid" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 3}">round</text>'
        )
        return "".join(parts)


def crowded(rounds: int, width: float = COLUMN) -> bool:
    """Whether so many rounds have less room across than a width each.

    >>> crowded(600), crowded(20_000)
    (False, True)
    """
    return rounds * width > WIDTH - LEFT - RIGHT


def telling(columns: npt.NDArray[np.int64], values: npt.NDArray[np.floating]) -> list[int]:
    """Which points of a line show: the first, least, greatest and last of each column.

    The others lie between these, on pixels that are drawn anyway.

    Args:
        columns: The column of each point, in rising order.
        values: How high each is.

    >>> telling(np.array([0, 0, 0, 0, 0, 7]), np.array([1.0, 3.0, 2.0, 0.0, 1.0, 5.0]))
    [0, 1, 3, 4, 5]
    """
    ends = np.flatnonzero(np.diff(columns, append=np.nan) != 0)
    starts = np.concatenate([[0], ends[:-1] + 1])
    by_value = np.lexsort((values, columns))
    found: list[int] = np.unique([starts, by_value[starts], by_value[ends], ends]).tolist()
    return found


def nice_ticks(top: float) -> list[float]:
    """Round numbers from 0 to the first at or above *top*, at most five steps.

    >>> nice_ticks(0.83)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    top = top if math.isfinite(top) and top > 0 else 1.0
    magnitude = 10.0 ** math.floor(math.log10(top / 5))
    step = next(m * magnitude for m in (1, 2, 2.5, 5, 10) if m * magnitude * 5 >= top * 0.999)
    count = math.ceil(top / step - 1e-6)
    return [round(step * number, 10) for number in range(count + 1)]


def round_ticks(first: int, last: int) -> list[int]:
    """A few rounds to label, the last among them.

    >>> round_ticks(0, 20)
    [0, 5, 10, 15, 20]
    """
    span = max(last - first, 1)
    magnitude = 10 ** max(0, math.floor(math.log10(span / 5)))
    step = next(m * magnitude for m in (1, 2, 5, 10) if m * magnitude * 5 >= span)
    ticks = [first] + [r for r in range(0, last + 1, step) if first < r]
    if last - ticks[-1] > step / 2:
        ticks.append(last)
    elif ticks[-1] != last and len(ticks) > 1:
        ticks[-1] = last
    return ticks


def describe(curve: Curve, at: int) -> str:
    """A curve's value at a round with its interval, or the empty string.

    >>> import numpy as np
    >>> describe(Curve(*(np.array([0.5]) for _ in range(6)), np.array([3]), np.array([2])), 0)
    '0.50 [0.50, 0.50]'
    """
    if not 0 <= at < len(curve.mean) or not np.isfinite(curve.mean[at]):
        return ""
    text = f"{curve.mean[at]:.2f}"
    if np.isfinite(curve.low[at]):
        text += f" [{curve.low[at]:.2f}, {curve.high[at]:.2f}]"
    return text


def _runs(*rows: Sequence[float]) -> list[tuple[int, int]]:
    """Stretches where all rows have values."""
    fine = [all(math.isfinite(value) for value in column) for column in zip(*rows, strict=True)]
    edges = [
        i for i in range(len(fine) + 1) if (i < len(fine) and fine[i]) != (i > 0 and fine[i - 1])
    ]
    return list(zip(edges[::2], edges[1::2], strict=True))
