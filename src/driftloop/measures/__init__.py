"""Measures: pure functions, arrays in, a small record with its interval out.

They know nothing of runs, stores or models. States are unit vectors, missing ones are NaN, and
the unit of resampling is always the prompt, never the step.

Drift (``_drift``):

* :func:`cosine_distance` of two states.
* :func:`distance_from` a baseline (the start, or round 1), :func:`distance_per_step`.
* :func:`strangers_from`: the same distance to the baselines of *other* prompts, its control.

Uncertainty (``_bootstrap``):

* :func:`curve`: mean over prompts with a 95 % interval, and quartiles, per round (:class:`Curve`).
* :func:`share`: the same for a yes-or-no property of trajectories (:class:`Estimate`).
* :data:`RESAMPLES`: how many bootstrap resamples they take by default.

Repetition (``_repeats``), exact and without a threshold:

* :func:`repetition` of one sequence of states (:class:`Repetition`): first repeat, and the fixed
  point or cycle that its end has settled in.
* :func:`novelty`: which states of a sequence are new, and which lie in that cycle.
"""

from ._bootstrap import RESAMPLES, Curve, Estimate, curve, share
from ._drift import cosine_distance, distance_from, distance_per_step, strangers_from
from ._repeats import Repetition, novelty, repetition

__all__ = [
    "RESAMPLES",
    "Curve",
    "Estimate",
    "Repetition",
    "cosine_distance",
    "curve",
    "distance_from",
    "distance_per_step",
    "novelty",
    "repetition",
    "share",
    "strangers_from",
]
