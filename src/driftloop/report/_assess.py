"""What a report measures: drift under every encoder, and exact repeats, arm by arm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from statistics import median_low
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from ..encoders import Encoder, default_encoders, embed_in_place
from ..measures import (
    Curve,
    Estimate,
    Repetition,
    curve,
    distance_from,
    distance_per_step,
    repetition,
    share,
    strangers_from,
)
from ..steps import Kind
from ..store import Run
from ._choice import Choice
from ._conditions import Cells, measure_conditions, styles
from ._endings import Ending, measure_ending
from ._factors import Factors, is_control
from ._fidelity import Fidelity, measure_fidelity
from ._gather import Material, Track
from ._map import Places, place_states
from ._parts import Parts, measure_parts
from ._priors import Prior, measure_priors

Matrix: TypeAlias = npt.NDArray[np.float32]

Advance = Callable[[str, int, int], None]
"""Told what is being done, how much more of it is done, and how much there is."""


class Baseline(NamedTuple):
    """Drift from one baseline."""

    own: Curve
    """From the trajectory's own baseline."""
    others: Curve
    """From those of other prompts."""


class ArmDrift(NamedTuple):
    """How one arm drifts."""

    first_round: int
    """The round that the curves begin with: 0 where the start is a state too, else 1."""
    start: Baseline | None
    """From the start; None where it is of the other kind (a text and pictures)."""
    first: Baseline
    """From round 1."""
    step: Curve
    """From the round before; begins a round later."""


class Drift(NamedTuple):
    """Drift as one encoder sees it."""

    encoder: str
    family: str
    title: str
    kind: Kind
    identity: str
    arms: dict[str, ArmDrift]
    """Those that have states of the kind."""
    endings: dict[str, Ending]
    """How each arm ends; arms with fewer than two prompts or rounds are not here."""
    fidelity: dict[str, Fidelity]
    """How similar each arm stays to generation 0; arms without a later generation are not here."""
    priors: dict[str, list[Prior]]
    """How far each arm's captions are from what its bundled models were trained on."""
    parts: Parts | None
    """Which part matters, where arms differ in several."""
    cells: Cells
    """Conditions: arms by kinds of prompts and horizons."""
    places: Places | None
    missing: int
    """Different texts or pictures that have no vector."""
    cut: dict[str, int]
    """Tokens that the encoder did not read, by content."""


class Repeats(NamedTuple):
    """Exact repeats of one arm's captions or pictures."""

    arm: str
    kind: Kind
    each: list[Repetition]
    """In the order of the arm's trajectories."""
    repeated: Estimate
    """Share in which some state came back."""
    settled: Estimate
    """Share that ended in a fixed point or cycle."""
    periods: Counter[int]
    """Trajectories by the period they settled in."""
    entered: float | None
    """Median round in which the settled end began."""


def measure_drift(
    run: Run,
    material: Material,
    choice: Choice,
    factors: Factors,
    advance: Advance,
    encoders: Sequence[Encoder] | None = None,
) -> list[Drift]:
    """Embed everything and measure drift with every encoder.

    Args:
        run: Where the vectors are kept.
        material: The run as it was read.
        choice: What of it the page shows.
        factors: In what its arms differ.
        advance: Told of the progress.
        encoders: Who embeds; by default those at hand that ship.
    """
    kinds: tuple[Kind, ...] = ("text", "image")
    eye = on_postcards(material)
    return [
        _drift(run, material, choice, factors, encoder, advance)
        for kind in kinds
        if kind in material.kinds
        for encoder in (default_encoders(kind, postcards=eye) if encoders is None else encoders)
        if encoder.kind == kind
    ]


def on_postcards(material: Material) -> bool:
    """Whether bundled models played, and none but controls beside them.

    The eye, and the parser of captions, know no other world than theirs.
    """
    paths = [
        str(player["details"].get("settings", {}).get("path", ""))
        for player in material.players
        if not is_control(material.study, player["model"])
    ]
    return bool(paths) and all(path.startswith("bundled:") for path in paths)


def measure_repeats(material: Material) -> list[Repeats]:
    """Find exact repeats, in captions and in pictures."""
    kinds: tuple[Kind, ...] = ("text", "image")
    return [
        _repeats(arm, kind, [track for track in material.of_arm(arm) if track.states(kind)])
        for kind in kinds
        for arm in material.arms
        if kind in material.kinds_of[arm]
    ]


def _drift(
    run: Run,
    material: Material,
    choice: Choice,
    factors: Factors,
    encoder: Encoder,
    advance: Advance,
) -> Drift:
    kind = encoder.kind
    seen = [arm for arm in material.arms if kind in material.kinds_of[arm]]
    starts = [start.value for start in material.starts.values() if start.kind == kind]
    states = [
        state
        for arm in seen
        for track in material.of_arm(arm)
        for state in _states(material, track, kind)
    ]
    # Prompts that nothing was played of are embedded too: what has no vector is counted.
    contents = [*starts, *states]
    total = len(set(contents) - {None})
    stage = f"{encoder.name}: {material.noun(kind)}s"
    vectors = embed_in_place(run, encoder, contents, advance=lambda n: advance(stage, n, total))
    rest = vectors.matrix[len(starts) :]
    del states, contents
    arms, endings, fidelity, priors, all_states = {}, {}, {}, {}, {}
    cells: Cells = {}
    several = len(material.arms) > 1 or bool(styles(material))
    stage = f"{encoder.name}: measures"
    for arm in seen:
        tracks = material.of_arm(arm)
        size = len(tracks) * (material.rounds + 1)
        x, rest = rest[:size].reshape(len(tracks), material.rounds + 1, -1), rest[size:]
        from_start = any(_begins(material, track, kind) for track in tracks)
        arms[arm] = _arm_drift(x, tracks, from_start)
        since = material.since(arm, kind)
        ending = measure_ending(tracks, x[:, 1:], since, x[:, 0] if from_start else None)
        if ending is not None:
            endings[arm] = ending
        kept = measure_fidelity(x, np.array([track.name.prompt for track in tracks]), from_start)
        if kept is not None:
            fidelity[arm] = kept
        if kind == "text" and (found := measure_priors(run, material, encoder, arm, x)):
            priors[arm] = found
        if several:
            cells |= measure_conditions(material, arm, x, since, from_start)
        all_states[arm] = x
        advance(stage, 1, len(seen))
    return Drift(
        encoder.name, encoder.family, encoder.title, kind, encoder.identity, arms, endings,
        fidelity, priors, measure_parts(material, factors, all_states), cells,
        place_states(material, choice, all_states), len(vectors.missing), vectors.cut,
    )  # fmt: skip


def _begins(material: Material, track: Track, kind: Kind) -> str | None:
    """What a trajectory starts from, where it is of a kind."""
    start = material.starts.get(track.name.prompt)
    return start.value if start and start.kind == kind else None


def _states(material: Material, track: Track, kind: Kind) -> list[str | None]:
    """The start (round 0) and every round of the longest trajectory; None where there is none."""
    states = [_begins(material, track, kind), *track.states(kind)]
    return states + [None] * (material.rounds + 1 - len(states))


def _arm_drift(x: Matrix, tracks: list[Track], with_start: bool) -> ArmDrift:
    prompts = [track.name.prompt for track in tracks]
    bounds = (0.0, 2.0)
    from_start = None
    if with_start:
        from_start = Baseline(
            curve(distance_from(x, x[:, 0]), prompts, bounds=bounds),
            strangers_from(x, x[:, 0], prompts),
        )
    first_round = 0 if from_start else 1
    x = x[:, first_round:]
    one = x[:, 1 - first_round]
    later = x[:, 1 - first_round :]
    from_first = Baseline(
        curve(distance_from(later, one), prompts, bounds=bounds),
        strangers_from(later, one, prompts),
    )
    step = curve(distance_per_step(x), prompts, bounds=bounds)
    return ArmDrift(first_round, from_start, from_first, step)


def _repeats(arm: str, kind: Kind, tracks: list[Track]) -> Repeats:
    each = [repetition(track.states(kind)) for track in tracks]
    prompts = np.array([track.name.prompt for track in tracks])
    entered = [found.entered + 1 for found in each if found.entered is not None]
    return Repeats(
        arm,
        kind,
        each,
        share([found.first is not None for found in each], prompts),
        share([found.period is not None for found in each], prompts),
        Counter(found.period for found in each if found.period is not None),
        float(median_low(entered)) if entered else None,
    )
