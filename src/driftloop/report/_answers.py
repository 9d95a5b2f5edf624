"""The answers of a report: does it collapse, how fast is the prompt forgotten, where does it go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..measures import Curve, Motif, Motifs, Reason
from ._assess import Drift
from ._endings import Ending
from ._gather import Material
from ._phrases import count, number, say_estimate, say_share
from ._voices import agree, cast_vote

MEANS = {
    "collapses": "Different prompts come together, and where each started is forgotten.",
    "contracts": "Different prompts come closer together, but each keeps something of its own.",
    "wanders": "Where each started is forgotten, but different prompts do not come together.",
    "remembers": "Different prompts stay apart, and each keeps to its own.",
    "undecided": "It cannot be told from this run.",
}


REASONS: dict[Reason, str] = {
    "one prompt": "No late round has states of two prompts.",
    "no baseline": (
        "There are too few rounds to say how much closer prompts have come: the late half begins "
        "before the round that it would be measured from."
    ),
    "no twins": "Memory needs twins: trajectories of the same prompt with other random numbers.",
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
    rows: list[Row]


class MotifCard(NamedTuple):
    """One motif of the atlas."""

    number: int
    words: str
    pictures: list[tuple[str, int, str]]
    """Digest, round and the prompt that it came from, of typical states."""
    occupancy: str
    reach: str
    dwell: str
    entered: str
    stability: str


class Atlas(NamedTuple):
    """Where one arm goes."""

    arm: str
    seen: str
    claimed: bool
    sentence: str
    agrees: str
    cards: list[MotifCard]


def answer(material: Material, drifts: Sequence[Drift]) -> list[Answer]:
    """A verdict an arm, with what every encoder says."""
    answers = []
    for arm in material.arms:
        seen = [(drift, drift.endings[arm]) for drift in drifts if arm in drift.endings]
        if not seen:
            continue
        found = agree([cast_vote(drift.family, ending.verdict) for drift, ending in seen])
        horizon = max(ending.rounds for _, ending in seen)
        kind = found.says or "undecided"
        means = MEANS.get(kind, "It depends on what one looks at.")
        if kind == "undecided":
            means = f"{means} {_why_undecided([ending for _, ending in seen])}".rstrip()
        drift, ending = seen[0]
        means = f"{means} {_say_rounds(ending, material.since(arm, drift.kind))}".rstrip()
        rows = [_row(drift, ending) for drift, ending in seen]
        answers.append(Answer(arm, kind, means, found.sure, found.robust, horizon, rows))
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


def _row(drift: Drift, ending: Ending) -> Row:
    late = ending.separation.late
    return Row(
        f"{'captions' if drift.kind == 'text' else 'pictures'}: {drift.title}",
        ending.verdict.kind,
        say_share(late.contraction),
        say_share(late.memory),
        say_share(ending.control),
        say_estimate(late.twins),
        say_estimate(late.strangers),
        late.contraction.prompts,
        _say_motifs(ending.motifs),
        say_forgotten(ending.separation.memory),
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


def _say_motifs(motifs: Motifs | None) -> str:
    if motifs is None:
        return "too few prompts"
    if not motifs.claimed:
        return "none claimed"
    return f"{motifs.k.value:.0f} [{motifs.k.low:.0f}, {motifs.k.high:.0f}]"


def make_atlases(material: Material, drifts: Sequence[Drift]) -> list[Atlas]:
    """The motif atlas of every arm, by the first encoder that claims any, else by the first."""
    atlases = []
    for arm in material.arms:
        seen = [
            (drift, ending, ending.motifs)
            for drift in drifts
            if (ending := drift.endings.get(arm)) is not None and ending.motifs is not None
        ]
        if not seen:
            continue
        claims = [(d, e, m) for d, e, m in seen if m.claimed]
        drift, ending, motifs = (claims or seen)[0]
        families = len({drift.family for drift, _, _ in claims})
        agrees = f"{len(claims) or 'None'} of {count(len(seen), 'encoder')} finds motifs here"
        if families > 1:
            agrees = f"Robust: {agrees}, of {count(families, 'family')}"
        elif claims:
            agrees = f"Not robust: {agrees}, of one family ({drift.family})"
        cards = _cards(material, arm, ending, motifs) if motifs.claimed else []
        atlases.append(Atlas(arm, drift.title, motifs.claimed, _sentence(motifs), agrees, cards))
    return atlases


def _sentence(motifs: Motifs) -> str:
    k = f"{motifs.k.value:.0f} [{motifs.k.low:.0f}, {motifs.k.high:.0f}]"
    if motifs.claimed:
        return (
            f"{k} motifs. Regions that were found with some prompts are found again with others "
            f"(agreement {motifs.score:.2f} of 1; states without structure reach "
            f"{motifs.null:.2f}), hold {say_share(motifs.covered)} of the other prompts’ late "
            f"states, and are stayed in: "
            f"{100 * motifs.stays:.0f} % of steps, where shuffled trajectories have "
            f"{100 * motifs.chance:.0f} %."
        )
    if motifs.k.value == 1 or motifs.k.low < 2:
        return (
            "No motifs: no division into regions is found again when it is fitted on some prompts "
            "and judged on others."
        )
    if not motifs.score > motifs.null:
        return (
            f"No motifs: {k} regions can be drawn, but other prompts find them again no better "
            f"than states without structure would ({motifs.score:.2f} against {motifs.null:.2f})."
        )
    if not motifs.stayed_in:
        return (
            f"No motifs: states lie in {k} places, but trajectories do not stay in them: "
            f"{100 * motifs.stays:.0f} % of steps do, and of shuffled ones "
            f"{100 * motifs.chance:.0f} %."
        )
    return (
        f"No motifs: {k} places are stayed in, but they are not shared: "
        f"{say_share(motifs.covered)} of late states lie in places that were found with other "
        f"prompts."
    )


def _cards(material: Material, arm: str, ending: Ending, motifs: Motifs) -> list[MotifCard]:
    tracks = material.of_arm(arm)
    prompts = len({track.name.prompt for track in tracks})
    cards = []
    for at, motif in enumerate(motifs.motifs):
        pictures = []
        for row, round in ending.exemplars[at]:
            digest = tracks[row].pictures[round - 1]
            start = material.starts.get(tracks[row].name.prompt)
            told = start.value if start and start.kind == "text" else tracks[row].name.prompt
            if digest is not None:
                pictures.append((digest, round, told))
        cards.append(
            MotifCard(
                at + 1,
                ", ".join(ending.words[at]) or "no words of its own",
                pictures,
                say_share(motif.occupancy),
                f"{motif.reach} of {prompts} prompts",
                _say_dwell(motif, ending.rounds),
                "–" if np.isnan(motif.entered) else f"round {motif.entered + 1:.0f}",
                f"{motif.stability:.2f}",
            )
        )
    return cards


def _say_dwell(motif: Motif, rounds: int) -> str:
    if not motif.escapes:
        return f"never seen to leave in {rounds} rounds"
    return f"{motif.dwell:.1f} rounds ({count(motif.escapes, 'escape')})"


def atlas_pictures(atlases: Sequence[Atlas]) -> list[str]:
    """Digests of the pictures that the atlases show."""
    return [digest for atlas in atlases for card in atlas.cards for digest, _, _ in card.pictures]
