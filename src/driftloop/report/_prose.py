"""What a run shows, in a few plain sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..measures import Curve
from ..steps import Kind
from ._assess import Drift, Repeats
from ._gather import Material
from ._phrases import count, number
from .figures._chart import describe


def say_what(material: Material) -> str:
    """One sentence: what was played."""
    prompts = len({track.name.prompt for track in material.tracks})
    what = count(prompts, "prompt")
    pictures = any(start.kind == "image" for start in material.starts.values())
    played = "described and drawn in turn" if pictures else "drawn and described in turn"
    if len(material.kinds) == 1:
        played = f"{'rewritten' if 'text' in material.kinds else 'drawn'} again and again"
    sentence = (
        f"{what[0].upper()}{what[1:]}{' was' if prompts == 1 else ' were'} {played} for "
        f"{count(material.rounds, 'round')}"
    )
    if material.twins > 1:
        numbers = " with different random numbers" * ("numbers" in material.again)
        most = "up to " * (material.fewest_twins < material.twins)
        sentence += f", {most}{count(material.twins, 'time')} each{numbers}"
    if len(material.arms) > 1:
        sentence += f", in {count(len(material.arms), 'arm')}"
    silent = sum("text" not in kinds for kinds in material.kinds_of.values())
    if "text" in material.kinds and silent:
        sentence += f", {number(silent)} of them without captions"
    made = sum(picture is not None for track in material.tracks for picture in track.pictures)
    said = "no pictures" if material.kinds == {"text"} else count(made, "picture")
    return f"{sentence}: {count(len(material.tracks), 'trajectory')}, {said}."


class ArmWords(NamedTuple):
    """What one arm came to, in a few words."""

    arm: str
    rounds: int
    """The round that the distances are of."""
    own: str
    """Distance from its own prompts."""
    others: str
    """Distance from other prompts: the control."""
    settled: str
    """How many trajectories ended in an exact repetition of captions; of pictures where there are
    none."""


def say_arms(
    material: Material, drifts: Sequence[Drift], repeats: Sequence[Repeats]
) -> tuple[list[ArmWords], str]:
    """How far each arm got and whether it settled, by the first encoder that sees the start.

    Returns:
        A row an arm, and the name of what the distances look at (empty where there are none).
    """
    drift = next((d for d in drifts if any(arm.start for arm in d.arms.values())), None)
    rows, kind = [], _repeating(material)
    for arm in material.arms:
        measured = drift.arms.get(arm) if drift is not None else None
        start = measured.start if measured is not None else None
        at = _last(start.own) if start else 0
        own, others = (describe(part, at) for part in start) if start and at else ("", "")
        found = next((r for r in repeats if r.arm == arm and r.kind == kind), None)
        settled = ""
        if found is not None:
            settled = f"{sum(found.periods.values()) or 'none'} of {len(found.each):,}"
        rows.append(ArmWords(arm, at, own, others, settled))
    return rows, drift.title if drift is not None else ""


def say_missing(material: Material) -> str:
    """Which arms have no captions, or no pictures, where others do; empty where all have the same.

    What is measured on a kind leaves out the arms that lack it, and a reader should know which.
    """
    nouns: dict[Kind, str] = {"text": "captions", "image": "pictures"}
    sentences = []
    for kind, noun in nouns.items():
        lacking = [arm for arm in material.arms if kind not in material.kinds_of[arm]]
        if kind in material.kinds and lacking:
            arms = f"Arm {lacking[0]} has" if len(lacking) == 1 else f"{_listed(lacking)} have"
            them = "it" if len(lacking) == 1 else "them"
            sentences.append(f"{arms} no {noun}: whatever is measured on {noun} leaves {them} out.")
    return " ".join(sentences)


def _listed(names: Sequence[str]) -> str:
    shown = [*names[:3], f"{count(len(names) - 3, 'arm')} more"] if len(names) > 4 else [*names]
    return f"The arms {', '.join(shown[:-1])} and {shown[-1]}"


def say_findings(material: Material, words: ArmWords, seen: str) -> list[str]:
    """The same in sentences, where there is one arm.

    Args:
        material: The run.
        words: The arm.
        seen: What the distances look at.
    """
    pictures = any(start.kind == "image" for start in material.starts.values())
    kind = material.noun("image" if pictures else "text")
    sentences = []
    if words.own:
        sentence = (
            f"After {count(words.rounds, 'round')} a {kind} is {words.own} away from its own prompt"
        )
        if words.others:
            sentence += f", and {words.others} from the other prompts"
        sentences.append(
            f"{sentence} (cosine distance in {seen}: 0 is the same; in brackets the 95 % interval)."
        )
    if words.settled:
        noun = material.noun(_repeating(material))
        settled = f"{words.settled[0].upper()}{words.settled[1:]}"
        sentences.append(
            f"{settled} trajectories ended in a {noun}, or a cycle of them, that repeats exactly."
        )
    return sentences


def _repeating(material: Material) -> Kind:
    """What exact repeats are counted of: texts, and pictures where there are no texts."""
    return "text" if "text" in material.kinds else "image"


def _last(curve: Curve) -> int:
    """Position of the last round that most trajectories have reached; 0 where there is none."""
    enough = 0.75 * max(curve.trajectories, default=0)
    return max((at for at, n in enumerate(curve.trajectories) if n and n >= enough), default=0)
