"""A map of the states that the page shows: like states near each other, as far as a plane can."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..steps import Kind
from ._choice import Choice
from ._gather import Material
from ._strips import frames_wanted
from .figures import Spot, map_figure


class Places(NamedTuple):
    """Where the shown states lie in the plane of one encoder."""

    spots: list[Spot]
    explained: float
    """Share of their variance that the plane shows."""


class MapPanel(NamedTuple):
    """One map."""

    title: str
    svg: str
    explained: float
    spots: int


def place_states(
    material: Material, choice: Choice, states: Mapping[str, npt.NDArray[Any]]
) -> Places | None:
    """Lay the shown states out by their two principal components.

    A linear view: distances in it are never larger than real ones, nothing is torn apart or
    clumped by the method, and how much it hides is known.

    Args:
        material: The run as it was read.
        choice: What the page shows.
        states: ``(trajectories, rounds + 1, d)`` of each arm.

    Returns:
        None where there are fewer than three states.
    """
    at = {
        track.name: row for arm in material.arms for row, track in enumerate(material.of_arm(arm))
    }
    found = [
        (
            key,
            round,
            material.arms.index(track.name.arm),
            states[track.name.arm][at[track.name], round],
        )
        for key, track in enumerate(choice.tracks)
        for round in frames_wanted(track, choice)
        if track.name.arm in states
    ]
    found = [item for item in found if np.isfinite(item[3][0])]
    if len(found) < 3:
        return None
    x = np.stack([item[3] for item in found]).astype(np.float64)
    x -= x.mean(axis=0)
    values, axes = np.linalg.eigh(x.T @ x)
    total = float(values.sum())
    if x.shape[1] < 2 or total <= 0:
        return None
    plane = x @ axes[:, [-1, -2]]
    # The sign of a component is arbitrary: its largest weight is made positive.
    plane *= np.sign([axes[np.argmax(np.abs(axes[:, c])), c] for c in (-1, -2)])
    spots = [
        Spot(key, round, arm, float(place[0]), float(place[1]))
        for (key, round, arm, _), place in zip(found, plane, strict=True)
    ]
    return Places(spots, float(values[-2:].sum()) / total)


def draw_maps(
    material: Material, seen: Sequence[tuple[Kind, str, Places | None]]
) -> list[MapPanel]:
    """One map of captions and one of pictures, each by the first encoder that has any.

    Args:
        material: The run as it was read.
        seen: Kind, title and places of each encoder.
    """
    panels: dict[str, MapPanel] = {}
    for kind, title, places in seen:
        if places is None or kind in panels:
            continue
        noun = f"{material.noun(kind)}s".capitalize()
        svg = map_figure(
            places.spots,
            rounds=material.rounds,
            label=f"Map of {noun.lower()} by {title}: {len(places.spots)} states",
        )
        panels[kind] = MapPanel(f"{noun}: {title}", svg, places.explained, len(places.spots))
    return list(panels.values())
