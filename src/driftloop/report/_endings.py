"""How an arm ends, as one encoder sees it: the verdict, memory, variety, motifs, near repeats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..measures import (
    Curve,
    Estimate,
    Late,
    Motifs,
    Separation,
    Verdict,
    alike,
    class_words,
    dealt_out,
    find_motifs,
    periods,
    repetition,
    separation,
    share,
    variety,
    verdict,
)
from ._gather import Track

ENOUGH = 0.75
"""Share of the trajectories that must have reached the last round that is measured."""
LOOK = 2.0
"""States closer than so many noise floors are the same place seen twice."""
NEAR = 0.5
"""States are the same place only if nearer than so much of the distance between strangers."""
EXEMPLARS = 4


NOT_TOLD = Estimate(np.nan, np.nan, np.nan, 0)


class Ending(NamedTuple):
    """One arm under one encoder."""

    rounds: int
    """The horizon: the last round that most trajectories have reached."""
    separation: Separation
    verdict: Verdict
    control: Estimate
    """Memory of trajectories that were shuffled at every round, by the real noise floor: shuffling
    turns all movement into noise, and memory by a floor of that kind has nothing to be a share
    of."""
    variety: Curve
    motifs: Motifs | None
    """None where there are too few prompts to look for any."""
    words: list[list[str]]
    """Of each motif, the most telling first."""
    exemplars: list[list[tuple[int, int]]]
    """Of each motif: trajectory and round (from 1) of typical states, each of another prompt."""
    returning: Estimate
    """Share of trajectories that end in an approximate fixed point or cycle; NaN where states so
    near each other need not be the same place (:data:`NEAR`)."""
    returning_control: Estimate
    """The same with trajectories shuffled."""
    periods: Counter[int]
    """Trajectories by the period of a noisy cycle."""


def measure_ending(
    tracks: Sequence[Track],
    x: npt.NDArray[Any],
    since: int = 0,
    start: npt.NDArray[Any] | None = None,
) -> Ending | None:
    """Measure one arm.

    Args:
        tracks: Its trajectories.
        x: ``(trajectories, rounds, d)`` their states from round 1 on.
        since: The first round (from 0) whose states are the loop's own; see :func:`separation`.
        start: ``(trajectories, d)`` the prompts, where they are states of the same kind.

    Returns:
        None where there are fewer than two prompts or rounds.
    """
    prompts = np.array([track.name.prompt for track in tracks])
    reached = np.isfinite(x[:, :, 0]).sum(axis=0)
    enough = np.flatnonzero(reached >= ENOUGH * max(reached.max(initial=0), 1))
    rounds = int(enough[-1]) + 1 if len(enough) else 0
    x = x[:, :rounds]
    if rounds < 2 or len(np.unique(prompts[np.isfinite(x[:, :, 0]).any(axis=1)])) < 2:
        return None
    found = separation(x, prompts, since=since)
    try:
        motifs = find_motifs(x, prompts, start=start)
    except ValueError:
        motifs = None
    radius = LOOK * max(found.noise.value if np.isfinite(found.noise.value) else 0.0, 0.0)
    # Where a look scatters as far as strangers are apart, all places are near each other.
    told = radius <= NEAR * found.late.strangers.value or radius == 0.0
    with dealt_out(x):
        control = _control(found, separation(x[:, rounds // 2 :], prompts, late=1.0).late)
        returning_control = _returning(x, radius, prompts) if told else NOT_TOLD
    return Ending(
        rounds,
        found,
        verdict(found.late),
        control,
        variety(x, prompts),
        motifs,
        _words(tracks, motifs) if motifs else [],
        _exemplars(x, prompts, motifs) if motifs else [],
        _returning(x, radius, prompts) if told else NOT_TOLD,
        returning_control,
        Counter(period for period in periods(x) if period is not None),
    )


def _returning(x: npt.NDArray[Any], radius: float, prompts: npt.NDArray[Any]) -> Estimate:
    return share([repetition(alike(row, radius)).period is not None for row in x], prompts)


def all_the_same(ending: Ending) -> bool:
    """Whether late states have become one: no distance is left for anything to be a share of."""
    return ending.separation.late.strangers.value == 0.0


def left_of_the_prompt(found: Separation) -> Curve:
    """Memory round by round; none is left where all states are the same."""
    same = found.strangers.mean == 0.0
    parts = [np.where(same, 0.0, part) for part in found.memory[:3]]
    return found.memory._replace(mean=parts[0], low=parts[1], high=parts[2])


def _control(real: Separation, dealt: Late) -> Estimate:
    strangers, noise = real.late.strangers.value, real.noise.value
    room = strangers - noise
    scale = strangers / room if room > 1e-6 else np.nan
    part = dealt.separation
    return Estimate(part.value * scale, part.low * scale, part.high * scale, part.prompts)


def _words(tracks: Sequence[Track], motifs: Motifs) -> list[list[str]]:
    late = motifs.labels.shape[1] // 2
    told = {
        (track.name.prompt, caption, int(motifs.labels[row, t]))
        for row, track in enumerate(tracks)
        for t, caption in enumerate(track.captions[: motifs.labels.shape[1]])
        if t >= late and caption is not None and motifs.labels[row, t] >= 0
    }
    # A caption counts once a prompt: one that stands still does not speak louder.
    texts, groups = [text for _, text, _ in sorted(told)], [group for *_, group in sorted(told)]
    words = class_words(texts, groups)
    return words + [[] for _ in range(len(motifs.motifs) - len(words))]


def _exemplars(
    x: npt.NDArray[Any], prompts: npt.NDArray[Any], motifs: Motifs
) -> list[list[tuple[int, int]]]:
    chosen = []
    for number, motif in enumerate(motifs.motifs):
        rows, rounds = np.nonzero(motifs.labels == number)
        found = [(motif.medoid[0], motif.medoid[1] + 1)]
        if len(rows):
            inside = motifs.labels == number
            centre = np.sum([part[own].sum(axis=0) for part, own in zip(x, inside, strict=True)], 0)
            along = np.einsum("ntd,d->nt", x, centre / len(rows))
            order = np.argsort(-along[inside], kind="stable")
            for place in order:
                seen = {prompts[row] for row, _ in found}
                if prompts[rows[place]] not in seen:
                    found.append((int(rows[place]), int(rounds[place]) + 1))
                if len(found) == EXEMPLARS:
                    break
        chosen.append(found)
    return chosen
