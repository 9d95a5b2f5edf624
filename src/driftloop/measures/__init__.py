"""Measures: pure functions, arrays in, a small record with its interval out.

They know nothing of runs, stores or models. States are unit vectors, missing ones are NaN, and
the unit of resampling is always the prompt, never the step. docs/measures.md says how right they
are, by simulation.

Drift (``_drift``):

* :func:`cosine_distance` of two states.
* :func:`distance_from` a baseline (the start, or round 1), :func:`distance_per_step`.
* :func:`strangers_from`: the same distance to the baselines of *other* prompts, its control.

Coming together, and being forgotten (``_pairs``, ``_noise``, ``_verdict``):

* :func:`separation`: strangers, twins, memory, contraction, noise floor (:class:`Separation`).
* :func:`lag_distances`, :func:`noise_floor`, :func:`twin_distances`: what it rests on.
* :func:`shuffled`: the control, on arrays; :func:`dealt_out` makes it in place.
* :func:`verdict` from the late rounds (:class:`Late`) and their :class:`Pivot`: collapses,
  contracts, wanders, remembers, or undecided for a :data:`Reason` (:class:`Verdict`).

Variety (``_variety``):

* :func:`vendi` score of a set; :func:`variety` of one state a prompt, per round.

Motifs (``_motifs``, ``_words``):

* :func:`find_motifs`: fitted on some prompts, judged on others (:class:`Motifs`, :class:`Motif`).
* :func:`class_words`: the words that tell groups of captions apart.

Repetition (``_repeats``), exact first:

* :func:`repetition` of one sequence of states (:class:`Repetition`): first repeat, and the fixed
  point or cycle that its end has settled in.
* :func:`novelty`: which states of a sequence are new, and which lie in that cycle
  (:data:`Novelty`).
* :func:`alike`: approximate repeats as names; :func:`periods` of noisy cycles.

Scalars, meaning, origins (``_attractor``, ``_fidelity``, ``_energy``, ``_attribution``):

* :func:`attractor`, :func:`autoregression` of a property (:class:`Attractor`).
* :func:`mean_cumulative_drift`, :func:`semantic_drift_rate` (:class:`Decay`);
  :func:`similarity_to_others`, their control.
* :func:`energy_distance` of two sets with a permutation p, and whether they are alike within a
  :data:`MARGIN` (:class:`EnergyTest`).
* :func:`attribution` of variance to prompt, models and seed.

Uncertainty (``_bootstrap``):

* :func:`curve`: mean over prompts with a 95 % interval, and quartiles, per round (:class:`Curve`).
* :func:`share`: the same for a yes-or-no property of trajectories (:class:`Estimate`).
* :func:`holm`: p-values of several claims, so that none of them is false.
* :data:`RESAMPLES`: how many bootstrap resamples they take by default.
"""

from ._attractor import Attractor, attractor, autoregression
from ._attribution import attribution
from ._bootstrap import Curve, Estimate, curve, share
from ._drift import cosine_distance, distance_from, distance_per_step, strangers_from
from ._energy import MARGIN, EnergyTest, energy_distance
from ._fidelity import (
    Decay,
    mean_cumulative_drift,
    semantic_drift_rate,
    similarity_to_others,
)
from ._interval import RESAMPLES, Pivot, holm
from ._motifs import Motif, Motifs, find_motifs
from ._noise import lag_distances, noise_floor
from ._pairs import Late, Pivots, Separation, separation, twin_distances
from ._repeats import Novelty, Repetition, alike, novelty, periods, repetition
from ._shuffle import dealt_out, shuffled
from ._variety import variety, vendi
from ._verdict import Reason, Verdict, verdict
from ._words import class_words

__all__ = [
    "MARGIN",
    "RESAMPLES",
    "Attractor",
    "Curve",
    "Decay",
    "EnergyTest",
    "Estimate",
    "Late",
    "Motif",
    "Motifs",
    "Novelty",
    "Pivot",
    "Pivots",
    "Reason",
    "Repetition",
    "Separation",
    "Verdict",
    "alike",
    "attractor",
    "attribution",
    "autoregression",
    "class_words",
    "cosine_distance",
    "curve",
    "dealt_out",
    "distance_from",
    "distance_per_step",
    "energy_distance",
    "find_motifs",
    "holm",
    "lag_distances",
    "mean_cumulative_drift",
    "noise_floor",
    "novelty",
    "periods",
    "repetition",
    "semantic_drift_rate",
    "separation",
    "share",
    "shuffled",
    "similarity_to_others",
    "strangers_from",
    "twin_distances",
    "variety",
    "vendi",
    "verdict",
]
