"""What a run shows, in a few plain sentences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..measures import Estimate
from ._assess import Drift, Repeats
from ._gather import Material
from .figures._chart import describe

WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def say_what(material: Material) -> str:
    """One sentence: what was played."""
    prompts = len({track.name.prompt for track in material.tracks})
    what = count(prompts, "prompt")
    pictures = any(start.kind == "image" for start in material.starts.values())
    played = "described and drawn" if pictures else "drawn and described"
    sentence = (
        f"{what[0].upper()}{what[1:]}{' was' if prompts == 1 else ' were'} {played} in turn for "
        f"{count(material.rounds, 'round')}, nobody touching the loop"
    )
    if material.twins > 1:
        sentence += f", {count(material.twins, 'time')} each with different random numbers"
    if len(material.arms) > 1:
        sentence += f", in {count(len(material.arms), 'arm')}"
    made = sum(picture is not None for track in material.tracks for picture in track.pictures)
    return f"{sentence}: {count(len(material.tracks), 'trajectory')}, {count(made, 'picture')}."


def say_drift(material: Material, drifts: Sequence[Drift]) -> list[str]:
    """How far captions got, one sentence an arm, by the first encoder that can tell."""
    for drift in drifts:
        if not any(arm.start for arm in drift.arms.values()):
            continue
        sentences: list[str] = []
        for name, arm in drift.arms.items():
            if arm.start is None:
                continue
            at = _last(arm.start.own.mean)
            own, others = describe(arm.start.own, at), describe(arm.start.others, at)
            if not own:
                continue
            noun = "caption" if drift.kind == "text" else "picture"
            where = f"In arm {name}, after" if len(material.arms) > 1 else "After"
            sentence = f"{where} {count(at, 'round')} a {noun} is {own} away from its own prompt"
            if others:
                sentence += f", and {others} from the other prompts"
            sentences.append(f"{sentence}{'' if sentences else _explained(drift)}.")
        return sentences
    return []


def say_repeats(material: Material, repeats: Sequence[Repeats]) -> list[str]:
    """How many trajectories ended up repeating themselves."""
    sentences = []
    for found in repeats:
        if found.kind != "text":
            continue
        total, settled = len(found.each), sum(found.periods.values())
        where = f"In arm {found.arm}, " if len(material.arms) > 1 else ""
        who = f"{settled} of {count(total, 'trajectory')} ended" if settled else (
            f"none of {count(total, 'trajectory')} ended"
        )  # fmt: skip
        sentence = f"{where}{who} in a caption, or a cycle of captions, that repeats exactly."
        sentences.append(sentence[0].upper() + sentence[1:])
    return sentences


def say_share(estimate: Estimate) -> str:
    """A share with its interval, in percent.

    >>> say_share(Estimate(0.25, 0.1, 0.4, 24))
    '25 % [10, 40]'
    """
    if estimate.value != estimate.value:
        return "–"
    text = f"{estimate.value * 100:.0f} %"
    if estimate.low == estimate.low:
        text += f" [{estimate.low * 100:.0f}, {estimate.high * 100:.0f}]"
    return text


def count(number: int, noun: str) -> str:
    """A number of things.

    >>> count(1, "prompt"), count(48, "trajectory"), count(2, "time")
    ('one prompt', '48 trajectories', 'two times')
    """
    word = WORDS[number] if 0 <= number < len(WORDS) else f"{number:,}"
    if number == 1:
        return f"{word} {noun}"
    plural = noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
    return f"{word} {plural}"


def _explained(drift: Drift) -> str:
    return f" (cosine distance in {drift.title}: 0 is the same; in brackets the 95 % interval)"


def _last(values: Iterable[float]) -> int:
    """Position of the last value that is one; 0 where there is none."""
    return max((at for at, value in enumerate(values) if value == value), default=0)
