"""Where an arm goes: its motifs, with pictures, words and numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..measures import Estimate, Motif, Motifs
from ._assess import Drift
from ._endings import Ending
from ._gather import Material
from ._phrases import count, say_share


class MotifCard(NamedTuple):
    """One motif of the atlas."""

    number: int
    words: str
    pictures: list[tuple[str, int, str]]
    """Digest, round and the prompt that it came from, of typical states."""
    occupancy: str
    reach: str
    came: str
    """How much of its prompts' closeness the loop made."""
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
        atlases.append(Atlas(arm, drift.title, motifs.claimed, say_where(motifs), agrees, cards))
    return atlases


def say_where(motifs: Motifs) -> str:
    """Whether there are motifs and how sure that is, or why there are none."""
    others = sum(not motif.come_to for motif in motifs.motifs)
    if motifs.claimed and len(motifs.motifs) == 1:
        return (
            f"One motif: {say_share(motifs.covered)} of late states lie in one place that was "
            "found with other prompts, and less than a fifth is left there of what set prompts "
            "apart at first."
        )
    if motifs.claimed:
        rest = f" {_places(others)} that nobody came to: prompts began together there."
        noun = "motif" if motifs.number.value == 1 else "motifs"
        return (
            f"{_many(motifs.number)} {noun}. Regions that were found with some prompts are found "
            f"again with others (agreement {motifs.score:.2f} of 1; states without "
            f"structure reach {motifs.null:.2f}), hold {say_share(motifs.covered)} of the "
            f"other prompts’ late states, and are stayed in: {100 * motifs.stays:.0f} % of steps, "
            f"where shuffled trajectories have {100 * motifs.chance:.0f} %." + rest * (others > 0)
        )
    if motifs.k.value == 1 or motifs.k.low < 2:
        return (
            "No motifs: no division into regions is found again when it is fitted on some prompts "
            "and judged on others."
        )
    k = _many(motifs.k)
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
    if motifs.covered.value >= 0.5:
        return (
            f"No motifs: {k} places are stayed in, but prompts did not come together there: those "
            "in a place began as near each other, or one prompt is alone in it. The places are of "
            "the prompts, not of the loop."
        )
    return (
        f"No motifs: {k} places are stayed in, but they are not shared: "
        f"{say_share(motifs.covered)} of late states lie in places that were found with other "
        f"prompts."
    )


def _many(k: Estimate) -> str:
    return f"{k.value:.0f} [{k.low:.0f}, {k.high:.0f}]"


def _places(amount: int) -> str:
    return "There is one more place" if amount == 1 else f"There are {amount} more places"


def _cards(material: Material, arm: str, ending: Ending, motifs: Motifs) -> list[MotifCard]:
    tracks = material.of_arm(arm)
    prompts = len({track.name.prompt for track in tracks})
    cards: list[MotifCard] = []
    for number, motif in enumerate(motifs.motifs):
        if not motif.come_to:
            continue
        pictures = []
        for row, round in ending.exemplars[number]:
            digest = tracks[row].pictures[round - 1]
            start = material.starts.get(tracks[row].name.prompt)
            told = start.value if start and start.kind == "text" else tracks[row].name.prompt
            if digest is not None:
                pictures.append((digest, round, told))
        cards.append(
            MotifCard(
                len(cards) + 1,
                ", ".join(ending.words[number]),
                pictures,
                say_share(motif.occupancy),
                f"{motif.reach} of {prompts} prompts",
                say_share(motif.came),
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


def say_motifs(motifs: Motifs | None) -> str:
    if motifs is None:
        return "too few prompts"
    if not motifs.claimed:
        return "none claimed"
    return "1" if len(motifs.motifs) == 1 else _many(motifs.number)
