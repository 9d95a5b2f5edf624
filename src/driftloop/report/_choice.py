"""Which trajectories and rounds a page has room for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from ._gather import Track

MOSAIC_ROUNDS = (1, 2, 5, 10)
MOST_ROUNDS = 40
"""Rounds a film strip shows."""
MOST_PICTURES = 3000
"""Pictures a page holds at a size that can be looked at."""


class Choice(NamedTuple):
    """What is shown."""

    mosaic_rounds: tuple[int, ...]
    rounds: tuple[int, ...]
    """Rounds of a film strip, those of the mosaic among them."""
    tracks: tuple[Track, ...]
    """Trajectories that have a strip, in the order of the report."""
    left_out: int
    """Trajectories that have none."""


def choose(
    tracks: Sequence[Track], *, most_rounds: int = MOST_ROUNDS, most_pictures: int = MOST_PICTURES
) -> Choice:
    """Choose rounds that are dense at first, and trajectories evenly over arms and prompts.

    Args:
        tracks: All trajectories, in the order of the report.
        most_rounds: Rounds a strip may have.
        most_pictures: Pictures all strips may have together.
    """
    last = max((track.rounds for track in tracks), default=0)
    # The last round of the mosaic is one that most have reached, also while a run is in play.
    common = sorted(track.rounds for track in tracks)[len(tracks) // 4] if tracks else 0
    mosaic = tuple(sorted({r for r in MOSAIC_ROUNDS if r < common} | ({common} - {0})))
    rounds = thin(last, most_rounds, keep=mosaic)
    room = max(1, most_pictures // max(len(rounds), 1))
    # First twins of every prompt in every arm before second twins of any.
    by_twin = sorted(range(len(tracks)), key=lambda index: tracks[index].name.twin)
    stride = max(1.0, len(tracks) / room)
    if stride > 1 and sum(track.name.twin == 0 for track in tracks) > room:
        chosen = [by_twin[int(number * stride)] for number in range(room)]
    else:
        chosen = by_twin[:room]
    shown = tuple(tracks[index] for index in sorted(set(chosen)))
    return Choice(mosaic, rounds, shown, len(tracks) - len(shown))


def thin(last: int, most: int, *, keep: Sequence[int] = ()) -> tuple[int, ...]:
    """At most so many of the rounds ``1 .. last``: every early one, then ever wider apart.

    >>> thin(5, 40)
    (1, 2, 3, 4, 5)
    >>> thin(1000, 8)
    (1, 3, 7, 19, 52, 139, 373, 1000)
    """
    if last <= most:
        return tuple(range(1, last + 1))
    kept = {round for round in keep if round <= last} | {1, last}
    for count in range(most, 1, -1):
        spread = {round(math.exp(math.log(last) * i / (count - 1))) for i in range(count)}
        if len(spread | kept) <= most:
            break
    rounds = spread | kept
    # The logarithm repeats itself at the start; what that saves goes to the first rounds.
    for number in range(1, last + 1):
        if len(rounds) >= most:
            break
        rounds.add(number)
    return tuple(sorted(rounds))
