"""Which rounds of each trajectory brought something new."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from html import escape

from ...measures import novelty
from ._chart import LEFT, RIGHT, WIDTH, round_ticks

ROW = 7
GAP = 5
"""Between prompts."""


def repeats_figure(
    rows: Sequence[tuple[str, Sequence[Hashable]]], *, rounds: int, label: str
) -> str:
    """Draw a row of cells a trajectory, a cell a round: new, seen before, settled.

    Args:
        rows: The prompt of each trajectory, and its states.
        rounds: Rounds of the axis.
        label: What it shows, for those who cannot see it.

    Returns:
        An ``<svg>`` element; twins stand together.
    """
    cell = (WIDTH - LEFT - RIGHT) / max(rounds, 1)
    parts: list[str] = []
    y, before = 2.0, None
    for prompt, states in rows:
        if before is not None and prompt != before:
            y += GAP
        before = prompt
        kinds = novelty(states)
        cells = []
        start = 0
        for stop in range(1, len(kinds) + 1):
            if stop < len(kinds) and kinds[stop] == kinds[start]:
                continue
            # Equal neighbours are one rectangle: a page may hold thousands of trajectories.
            cells.append(
                f'<rect class="{kinds[start]}" x="{LEFT + start * cell:.1f}" y="{y:g}"'
                f' width="{(stop - start) * cell - 0.6:.1f}" height="{ROW - 1.2}"/>'
            )
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
