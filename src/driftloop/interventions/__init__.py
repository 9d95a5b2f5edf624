"""Interventions: rules that take a turn in a network to keep a loop alive.

A rule is a player like any other, one module and one backend each, so that a study names it under
``[models]`` and puts it into a network::

    [models.anchor]
    backend = "anchor"
    every = 5

    [[arms]]
    name = "anchored"
    network = ["sdxl", "llava", "anchor"]

* :class:`Rule` and :class:`RuleSettings` are what a rule inherits from, :class:`Given` is what it
  is told, :class:`RuleBackend` makes it known under a name.
* ``anchor``: the prompt comes back.
* ``inject``: a text of a collection comes in.
* ``novelty``: of several captions the one is kept that is farthest from what was there.

What a rule did stands in its step: what went in, what came out, and a flag that says why.
"""

from ._rule import Given, Rule, RuleBackend, RuleSettings

__all__ = ["Given", "Rule", "RuleBackend", "RuleSettings"]
