"""How long does meaning last? MCD and SDR, and object by object where the world is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..measures import (
    Decay,
    Estimate,
    curve,
    distance_from,
    mean_cumulative_drift,
    semantic_drift_rate,
    similarity_to_others,
)
from ..postcards import Parsed, parse, score
from ._gather import Material, Track

LOOKED_AT = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
FIGURES = {
    "objects found": "objects of the prompt that are still named",
    "objects right": "named objects that are of the prompt",
    "counts right": "right number",
    "tints right": "right colour",
    "places right": "right place",
    "ground right": "right setting",
    "time right": "right time of day",
    "weather right": "right weather",
}


class Fidelity(NamedTuple):
    """How similar one arm's states stay to generation 0, as one encoder sees it."""

    from_prompt: bool
    """Whether generation 0 is the prompt; else it is what round 1 made."""
    mean: Estimate
    """MCD: over all generations."""
    control: Estimate
    """The same to generation 0 of *other* prompts."""
    decay: Decay
    """SDR."""


class Kept(NamedTuple):
    """One figure of object-level fidelity in one arm."""

    figure: str
    each: list[tuple[int, Estimate, Estimate]]
    """Round, share, and the share against another prompt: the control."""


def measure_fidelity(
    x: npt.NDArray[Any], prompts: npt.NDArray[Any], from_start: bool
) -> Fidelity | None:
    """MCD and SDR of one arm.

    Args:
        x: ``(trajectories, rounds + 1, d)`` the start and every round.
        prompts: ``(trajectories,)`` labels.
        from_start: Whether the start is a state of this kind; else generation 0 is round 1.

    Returns:
        None where there is no generation after the first, or fewer than two prompts have the first:
        imported chains may begin late.
    """
    zero = 0 if from_start else 1
    later, first = x[:, zero + 1 :], x[:, zero]
    here = np.isfinite(first[:, 0])
    if not np.isfinite(later[here, :, 0]).any() or len(np.unique(prompts[here])) < 2:
        return None
    similarity = 1.0 - distance_from(later, first)
    return Fidelity(
        from_start,
        mean_cumulative_drift(similarity, prompts),
        mean_cumulative_drift(similarity_to_others(later, first, prompts), prompts),
        semantic_drift_rate(similarity, prompts),
    )


def measure_objects(material: Material, arm: str) -> list[Kept]:
    """What the parser of Postcards still finds of each prompt in its captions, round by round.

    The control reads every caption against the prompt after its own: what is found there is found
    by chance.

    Returns:
        The figures that were tried at all; none where prompts are pictures.
    """
    starts = [s for s in material.starts.values() if s.kind == "text"]
    said = {start.id: parse(start.value) for start in starts}
    ids = list(said)
    other = dict(zip(ids, [*ids[1:], *ids[:1]], strict=True))
    tracks = [track for track in material.of_arm(arm) if track.name.prompt in said]
    rounds = sorted({r for r in LOOKED_AT if r < material.rounds} | {material.rounds})
    if len(ids) < 2 or not tracks or not rounds:
        return []
    read: dict[str, Parsed] = {}
    own = [_scores(track, said[track.name.prompt], rounds, read) for track in tracks]
    strange = [_scores(track, said[other[track.name.prompt]], rounds, read) for track in tracks]
    prompts = [track.name.prompt for track in tracks]
    found = []
    for figure in FIGURES:
        parts = [_shares(rows, figure, prompts) for rows in (own, strange)]
        each = [(round, mine, theirs) for round, mine, theirs in zip(rounds, *parts, strict=True)]
        if any(mine.prompts >= 2 for _, mine, _ in each):
            found.append(Kept(figure, each))
    return found


def _scores(
    track: Track, reference: Parsed, rounds: Sequence[int], read: dict[str, Parsed]
) -> list[dict[str, float]]:
    rows: list[dict[str, float]] = []
    for round in rounds:
        caption = track.captions[round - 1] if round <= track.rounds else None
        if caption is None:
            rows.append({})
            continue
        if caption not in read:
            read[caption] = parse(caption)
        rows.append({name: part.share for name, part in score(read[caption], reference).items()})
    return rows


def _shares(
    rows: Sequence[Sequence[dict[str, float]]], figure: str, prompts: Sequence[str]
) -> list[Estimate]:
    table = np.array([[row.get(figure, np.nan) for row in track] for track in rows])
    found = curve(table, prompts, bounds=(0.0, 1.0))
    return [
        Estimate(float(value), float(low), float(high), int(count))
        for value, low, high, count in zip(
            found.mean, found.low, found.high, found.prompts, strict=True
        )
    ]
