"""The answers of a report: does it collapse, and how fast is the prompt forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..measures import Curve, Reason
from ._assess import Drift
from ._atlas import say_motifs
from ._endings import Ending, all_the_same, left_of_the_prompt
from ._finals import horizon
from ._gather import Material
from ._meaning import seen_in
from ._phrases import count, number, say_estimate, say_share
from ._voices import agree, cast_vote

MEANS = {
    "collapses": "Different prompts come together, and where each started is forgotten.",
    "contracts": "Different prompts come closer together, but each keeps something of its own.",
    "wanders": "Where each started is forgotten, but different prompts do not come together.",
    "remembers": "Different prompts stay apart, and each keeps to its own.",
    "undecided": "It cannot be told from this run.",
}
ALL_THE_SAME = "all the way: they are the same"
NOTHING = "nothing"


REASONS: dict[Reason, str] = {
    "one prompt": "No late round has states of two prompts.",
    "no baseline": (
        "There are too few rounds to say how much closer prompts have come: the late half begins "
        "before the round that it would be measured from."
    ),
    "no twins": "Memory needs twins: several trajectories of the same prompt.",
    "twins apart": (
        "How much of the prompt is left cannot be told: twins have no late round in common."
    ),
    "identical twins": (
        "How much of the prompt is left cannot be told: twins are identical in every round. "
        "Nothing random sets them apart, so they would be identical in any loop."
    ),
    "no neighbours": (
        "How much of the prompt is left cannot be told: too few late rounds follow each other to "
        "know how noisy a single step is."
    ),
}
INTERVALS: dict[Reason, str] = {
    "contraction": "how much closer prompts have come",
    "memory": "how much of the prompt is left",
}


class Row(NamedTuple):
    """One arm under one encoder."""

    seen: str
    kind: str
    contraction: str
    memory: str
    control: str
    """Memory with trajectories shuffled."""
    twins: str
    strangers: str
    prompts: int
    motifs: str
    """How many motifs, or why none."""
    forgotten: str
    """When half of the prompt is gone."""


class Answer(NamedTuple):
    """What one arm does."""

    arm: str
    kind: str
    """The verdict, or ``mixed`` where encoders contradict each other."""
    means: str
    sure: str
    """How far encoders agree."""
    robust: bool
    horizon: int
    blank: str
    """From when on texts are empty, which no encoder sees; empty where they are not."""
    rows: list[Row]


def answer(material: Material, drifts: Sequence[Drift]) -> list[Answer]:
    """A verdict an arm, with what every encoder says."""
    answers = []
    for arm in material.arms:
        seen = [(drift, drift.endings[arm]) for drift in drifts if arm in drift.endings]
        if not seen:
            continue
        found = agree([cast_vote(drift.family, ending.verdict) for drift, ending in seen])
        last = max(ending.rounds for _, ending in seen)
        kind = found.says or "undecided"
        means = MEANS.get(kind, "It depends on what one looks at.")
        if kind == "undecided":
            means = f"{means} {_why_undecided([ending for _, ending in seen])}".rstrip()
        drift, ending = seen[0]
        means = f"{means} {_say_rounds(ending, material.since(arm, drift.kind))}".rstrip()
        rows = [_row(material, drift, ending) for drift, ending in seen]
        answers.append(
            Answer(
                arm, kind, means, found.sure, found.robust, last, _blank(material, arm, seen), rows
            )
        )
    return answers


def _why_undecided(endings: Sequence[Ending]) -> str:
    """What the first encoder that cannot tell does know, and why it knows no more."""
    ending = next((ending for ending in endings if ending.verdict.kind == "undecided"), None)
    if ending is None:
        return ""
    found = ending.verdict
    sentences = []
    if found.falls is not None:
        sentences.append(f"Different prompts {'' if found.falls else 'do not '}come together.")
    if found.forgets is not None:
        left = "less" if found.forgets else "more"
        sentences.append(f"Of what set the prompts apart, {left} than a third is left.")
    sentences += [REASONS[reason] for reason in found.reasons if reason in REASONS]
    wide = [INTERVALS[reason] for reason in found.reasons if reason in INTERVALS]
    if wide:
        sentences.append(
            f"The interval is too wide for {' and for '.join(wide)}; more prompts narrow it."
        )
    return " ".join(sentences)


def _say_rounds(ending: Ending, since: int) -> str:
    """Which rounds were skipped, and whether states alternate; empty for a plain run."""
    late = ending.separation.late
    sentences = []
    if late.baseline is not None and late.baseline > since:
        sentences.append(
            f"How much closer prompts have come is measured from round {late.baseline + 1}: "
            f"too few trajectories were recorded before it."
        )
    skipped = late.rounds - late.first - late.counted
    if skipped:
        sentences.append(
            f"{count(skipped, 'late round').capitalize()} {'was' if skipped == 1 else 'were'} not "
            f"recorded, or by less than half of the prompts, and {'is' if skipped == 1 else 'are'} "
            f"left out."
        )
    if late.period > 1:
        sentences.append(
            f"States alternate: every {number(late.period)} rounds they are back near where they "
            f"were. This counts neither as noise nor as forgetting."
        )
    return " ".join(sentences)


def _blank(material: Material, arm: str, seen: Sequence[tuple[Drift, Ending]]) -> str:
    """What is said where trajectories went on with empty texts after the last round measured."""
    last = max((ending.rounds for drift, ending in seen if drift.kind == "text"), default=0)
    texts = "text" in material.kinds_of[arm]
    if not texts or horizon(material.of_arm(arm), "text") <= last:
        return ""
    noun = material.noun("text")
    return f"From round {last + 1} on most {noun}s are empty: there is nothing in them to measure."


def _row(material: Material, drift: Drift, ending: Ending) -> Row:
    late = ending.separation.late
    return Row(
        seen_in(material, drift),
        ending.verdict.kind,
        ALL_THE_SAME if all_the_same(ending) else say_share(late.contraction),
        NOTHING if all_the_same(ending) else say_share(late.memory),
        NOTHING if all_the_same(ending) else say_share(ending.control),
        say_estimate(late.twins),
        say_estimate(late.strangers),
        late.contraction.prompts,
        say_motifs(ending.motifs),
        say_forgotten(left_of_the_prompt(ending.separation)),
    )


def say_forgotten(memory: Curve) -> str:
    """When half of the prompt is gone, with the rounds that the interval allows.

    >>> import numpy as np
    >>> low, mean, high = (np.array(row) for row in ([.7, .3, .1], [.8, .4, .2], [.9, .6, .3]))
    >>> say_forgotten(Curve(mean, low, high, mean, mean, mean, mean, mean))
    'by round 2 [2, 3]'
    """

    def first(values: np.ndarray[tuple[int, ...], np.dtype[np.floating]]) -> int | None:
        below = np.flatnonzero(values < 0.5)
        return int(below[0]) + 1 if len(below) else None

    if not np.isfinite(memory.mean).any():
        return "–"
    at, earliest, latest = first(memory.mean), first(memory.low), first(memory.high)
    last = len(memory.mean)
    if at is None:
        return f"not by round {last}" + ("" if earliest is None else f" [{earliest}, later]")
    return f"by round {at} [{earliest or at}, {latest or 'later'}]"
