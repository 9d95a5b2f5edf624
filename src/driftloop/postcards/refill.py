"""What would the prior refill where a caption says nothing? Exactly, for the setting."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations, product

import numpy as np

from .parser import Parsed
from .scenes import crowd_prior, prior, thing_prior
from .world import SETTINGS, WORLD, World


def refill(said: Parsed, role: str, *, world: World = WORLD) -> dict[str, float]:
    """How likely each setting of a role is in a scene of which this much is told.

    What a generator with exactly this world as its prior would draw where the caption leaves the
    role open: settings by Bayes' rule from the settings and the objects that are told (a whale
    makes the sea likely, the sea a storm). That the caption *could* have said more is not held
    against it.

    Args:
        said: A caption, parsed.
        role: One of ``SETTINGS``.
        world: Whose prior.

    Returns:
        Probabilities by name, which sum to 1.

    Raises:
        ValueError: What is told cannot be together in any scene of the world.

    >>> from driftloop.postcards import parse
    >>> open_ground = refill(parse("A whale in a storm."), "ground")
    >>> max(open_ground, key=open_ground.get)
    'sea'
    """
    names = [name for name in said.names if name in world.things]
    tinted = any(thing.tint not in (None, "natural") for thing in said.objects)
    told = {r: getattr(said, r) for r in SETTINGS}
    table = dict.fromkeys(world.settings(role), 0.0)
    grounds = prior(world, "ground")
    for ground in [told["ground"]] if told["ground"] else grounds:
        conditional = {r: prior(world, r, ground) for r in ("time", "weather", "season")}
        conditional["style"] = dict(prior(world, "style"))
        if tinted:
            conditional["style"]["sepia"] = 0.0
        kept = {
            r: {told[r]: values[told[r]]} if told[r] else values
            for r, values in conditional.items()
        }
        for time, weather in product(kept["time"], kept["weather"]):
            weight = grounds[ground] * kept["time"][time] * kept["weather"][weather]
            if weight:
                weight *= _together(world, names, ground, time, weather)
            for season, style in product(kept["season"], kept["style"]):
                there = dict(zip(SETTINGS, (ground, time, weather, season, style), strict=True))
                table[there[role]] += weight * kept["season"][season] * kept["style"][style]
    total = sum(table.values())
    if not total:
        raise ValueError("no scene of this world has all that is told")
    return {name: weight / total for name, weight in table.items()}


def _together(world: World, names: Sequence[str], ground: str, time: str, weather: str) -> float:
    """The probability that a scene of this setting has all these objects."""
    total = 0.0
    layers = [
        ([name for name in names if world.things[name].sky == sky], sky) for sky in (False, True)
    ]
    for crowd, share in crowd_prior(world, ground).items():
        for (wanted, sky), draws in zip(layers, crowd, strict=True):
            if not wanted or not share:
                continue
            all_names, weights = thing_prior(world, ground, time, weather, sky)
            share *= _included(np.array(weights), [all_names.index(n) for n in wanted], draws)
        total += share
    return total


def _included(weights: np.ndarray, wanted: list[int], draws: int) -> float:
    """The probability that draws without replacement (three at the most) take all the wanted."""
    spare = draws - len(wanted)
    if spare < 0:
        return 0.0
    rest = np.delete(weights, wanted)
    total = 0.0
    for pattern in set(permutations([*wanted, *[-1] * spare])):
        # Sum over which others fill the free draws: one axis of `left` for each of them.
        share, left = np.ones(()), np.ones(())
        others: list[np.ndarray] = []
        for at in pattern:
            if at >= 0:
                share, left = share * weights[at] / left, left - weights[at]
                continue
            axis = rest.reshape(-1, *[1] * len(others))
            share, left = share * axis / left, left - axis
            others.append(axis)
        if len(others) == 2:
            # The same thing is not drawn twice.
            share = share * (1 - np.eye(len(rest)))
        total += float(np.sum(share))
    return total
