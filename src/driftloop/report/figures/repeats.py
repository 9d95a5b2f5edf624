"""Which rounds of each trajectory brought something new."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from html import escape
from math import ceil

from ...measures import Novelty, novelty
from ._chart import LEFT, RIGHT, WIDTH, round_ticks

ROW = 7
GAP = 5
"""Between prompts."""
NARROWEST = 1.0
"""Width of a cell: where rounds have less, several share one."""


def repeats_figure(
    rows: Sequence[tuple[str, Sequence[Hashable]]], *, rounds: int, label: str
) -> str:
    """Draw a row of cells a trajectory, a cell a round: new, seen before, settled.

    Where there are more rounds than have room, a cell is of several and shows every kind in it.

    Args:
        rows: The prompt of each trajectory, and its states.
        rounds: Rounds of the axis.
        label: What it shows, for those who cannot see it.

    Returns:
        An ``<svg>`` element; twins stand together.
    """
    cell = (WIDTH - LEFT - RIGHT) / max(rounds, 1)
    each = ceil(NARROWEST / cell)
    parts: list[str] = []
    y, before = 2.0, None
    for prompt, states in rows:
        if before is not None and prompt != before:
            y += GAP
        before = prompt
        kinds = novelty(states)
        cells = []
        shown = [_in_order(kinds[at : at + each]) for at in range(0, len(kinds), each)]
        start = 0
        for stop in range(1, len(shown) + 1):
            if stop < len(shown) and shown[stop] == shown[start]:
                continue
            # Equal neighbours are one rectangle: a page may hold thousands of trajectories.
            x, width = LEFT + start * each * cell, (min(stop * each, rounds) - start * each) * cell
            height = (ROW - 1.2) / len(shown[start])
            cells += [
                f'<rect class="{kind}" x="{x:.1f}" y="{y + height * at:g}"'
                f' width="{max(width - 0.6, 0.1):.1f}" height="{height:g}"/>'
                for at, kind in enumerate(shown[start])
            ]
            start = stop
        parts.append(f"<g><title>{escape(prompt)}</title>{''.join(cells)}</g>")
        y += ROW
    ticks = "".join(
        f'<text class="tick mid" x="{LEFT + (r - 0.5) * cell:.1f}" y="{y + 13:g}">{r}</text>'
        for r in round_ticks(1, rounds)
    )
    return (
        f'<svg class="chart repeats" viewBox="0 0 {WIDTH} {y + 30:g}" role="img"'
        f' aria-label="{escape(label)}">{"".join(parts)}{ticks}'
        f'<text class="tick mid" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{y + 27:g}">round</text></svg>'
    )


def _in_order(kinds: Sequence[Novelty]) -> list[Novelty]:
    order: tuple[Novelty, ...] = ("new", "seen", "settled")
    return [kind for kind in order if kind in kinds]
