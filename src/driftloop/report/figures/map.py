"""States as dots in a plane."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

SIDE = 480
EDGE = 12
FAINT = 0.25
"""Opacity of the first round; the last is opaque."""


class Spot(NamedTuple):
    """A state."""

    key: int
    """Of its film strip."""
    round: int
    arm: int
    x: float
    y: float


def map_figure(spots: Sequence[Spot], *, rounds: int, label: str) -> str:
    """Draw a dot a state, in its arm's colour, the later the darker; each opens its round.

    Args:
        spots: The states; both axes get the same scale.
        rounds: The last round.
        label: What it shows, for those who cannot see it.

    Returns:
        An ``<svg>`` element.
    """
    xs, ys = [spot.x for spot in spots], [spot.y for spot in spots]
    span = max(max(xs) - min(xs), max(ys) - min(ys), 1e-9)
    scale = (SIDE - 2 * EDGE) / span
    middle = (max(xs) + min(xs)) / 2, (max(ys) + min(ys)) / 2
    radius = 4 if len(spots) <= 600 else 2.8 if len(spots) <= 2000 else 2.2
    dots = []
    # Late states lie on top of early ones.
    for spot in sorted(spots, key=lambda spot: spot.round):
        x = SIDE / 2 + (spot.x - middle[0]) * scale
        y = SIDE / 2 - (spot.y - middle[1]) * scale
        shade = FAINT + (1 - FAINT) * (spot.round - 1) / max(rounds - 1, 1)
        dots.append(
            f'<circle class="c{spot.arm % 8}" data-goto="{spot.key}-{spot.round}"'
            f' cx="{x:.1f}" cy="{y:.1f}" r="{radius}" opacity="{shade:.2f}"/>'
        )
    return (
        f'<svg class="map" viewBox="0 0 {SIDE} {SIDE}" role="img" aria-label="{escape(label)}">'
        f'{"".join(dots)}<polyline class="trail" points=""/></svg>'
    )
