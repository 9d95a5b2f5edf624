"""Which part matters? The variance of end positions over prompt, models, settings and dice."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..measures import Estimate, attribution
from ._factors import Factors
from ._gather import Material

DEALT = 20
"""How often labels are dealt out anew for the control."""


class Share(NamedTuple):
    """How much of the variance one part explains."""

    part: str
    share: Estimate
    control: float
    """The same with labels dealt out anew, a prompt's among all trajectories and a model's among
    those of a prompt: what chance explains."""
    without_style: Estimate | None
    """With each captioner's mean vector, its writing style, taken out; None for one captioner."""


class Parts(NamedTuple):
    """The attribution of one encoder."""

    round: int
    shares: list[Share]


def measure_parts(
    material: Material, factors: Factors, states: dict[str, npt.NDArray[Any]]
) -> Parts | None:
    """Attribute end positions.

    Args:
        material: The run.
        factors: In what its arms differ.
        states: ``(trajectories, rounds + 1, d)`` of each arm.

    Returns:
        None where there is one arm, or no prompt has twins in all of them that have a round in
        common.
    """
    arms = [arm for arm in factors.levels if arm in states]
    if len(arms) < 2:
        return None
    names = factors.names if factors.crossed() else ["arm"]
    last = _last_round([states[arm] for arm in arms])
    if last is None:
        return None
    x = np.concatenate([states[arm][:, last] for arm in arms]).astype(float)
    prompts = [track.name.prompt for arm in arms for track in material.of_arm(arm)]
    labels: dict[str, npt.NDArray[Any]] = {
        name: np.repeat(
            [arm if name == "arm" else factors.levels[arm][name] for arm in arms],
            [len(states[arm]) for arm in arms],
        )
        for name in names
    }
    try:
        found = attribution(x, {"prompt": prompts, **labels})
        bare = (
            attribution(x, {"prompt": prompts, **labels}, without="captioner")
            if "captioner" in names
            else None
        )
    except ValueError:
        return None
    control = _dealt(x, np.array(prompts), labels)
    shares = [
        Share(name, share, control.get(name, np.nan), bare[name] if bare else None)
        for name, share in found.items()
    ]
    return Parts(last, shares)


def _last_round(states: list[npt.NDArray[Any]]) -> int | None:
    """The last round that most trajectories have reached, in every arm; None where there is none.

    Most are three in four of those that ever get as far together. Round 0 is no round: prompts
    are all there from the start, whatever becomes of them.
    """
    common = np.min([np.isfinite(x[:, 1:, 0]).mean(axis=0) for x in states], axis=0)
    enough = np.flatnonzero((common > 0) & (common >= 0.75 * common.max(initial=0.0)))
    return int(enough[-1]) + 1 if len(enough) else None


def _dealt(
    x: npt.NDArray[Any], prompts: npt.NDArray[Any], labels: dict[str, npt.NDArray[Any]]
) -> dict[str, float]:
    rng = np.random.default_rng(0)
    sums: dict[str, float] = {}
    for _ in range(DEALT):
        order = np.arange(len(x))
        for prompt in np.unique(prompts):
            rows = np.flatnonzero(prompts == prompt)
            order[rows] = rng.permutation(rows)
        within = attribution(x[order], {"prompt": prompts, **labels})
        among = attribution(x[rng.permutation(len(x))], {"prompt": prompts})
        for name, share in [("prompt", among["prompt"]), *((n, within[n]) for n in labels)]:
            sums[name] = sums.get(name, 0.0) + share.value / DEALT
    return sums
