"""Where do numbers go? How long captions are, and how many things they name, first and last."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..measures import Attractor, Estimate, attractor
from ..postcards import parse
from ._finals import horizon
from ._gather import Material, Track
from ._phrases import say_estimate, say_share
from .figures import pull_figure

Count = Callable[[str], float]
SURE = 0.05
"""A pull whose interval begins below this is not told from none."""


class Pull(NamedTuple):
    """One number of an arm's texts, first and last."""

    unit: str
    """What is counted, in the plural."""
    beginning: str
    """What it is counted in first: the prompts, or round 1."""
    round: int
    """The round that counts as the end."""
    first: npt.NDArray[np.float64]
    last: npt.NDArray[np.float64]
    found: Attractor
    strength: Estimate
    """1 - |slope| with its interval."""
    mean: float
    """Mean at the end."""


class PullRow(NamedTuple):
    """One number of an arm's texts, as the page shows it."""

    arm: str
    sentence: str
    unit: str
    beginning: str
    strength: str
    position: str
    spreads: str
    """Standard deviations: at first, and at the end around the line."""
    svg: str


def measure_pulls(material: Material, arm: str, postcards: bool) -> list[Pull]:
    """Regress the last on the first of what can be counted in an arm's texts.

    Args:
        material: The run.
        arm: Its name.
        postcards: Whether texts are of the world that the parser knows.

    Returns:
        For every number: from the prompts, where they are texts, and from round 1; nothing where
        there are fewer than two rounds of texts.
    """
    tracks = material.of_arm(arm)
    end = horizon(tracks, "text")
    if "text" not in material.kinds_of[arm] or end < 2:
        return []
    counts: dict[str, Count] = {"words": lambda text: float(len(text.split()))}
    if postcards:
        counts["objects"] = lambda text: float(len(parse(text).names))
    starts = {s.id: s.value for s in material.starts.values() if s.kind == "text"}
    pulls = []
    for unit, how in counts.items():
        last = _values([_at(track, end) for track in tracks], how)
        begun = {"prompt": [starts.get(track.name.prompt) for track in tracks]} if starts else {}
        begun["round 1"] = [_at(track, 1) for track in tracks]
        for beginning, texts in begun.items():
            first = _values(texts, how)
            both = np.isfinite(first) & np.isfinite(last)
            if not both.any():
                continue
            labels = np.array([track.name.prompt for track in tracks])[both]
            found = attractor(first[both], last[both], labels)
            pulls.append(
                Pull(
                    unit, beginning, end, first[both], last[both], found, _strength(found),
                    float(last[both].mean()),
                )
            )  # fmt: skip
    return pulls


def _at(track: Track, round: int) -> str | None:
    return track.captions[round - 1] if round <= track.rounds else None


def _values(texts: list[str | None], how: Count) -> npt.NDArray[np.float64]:
    return np.array([np.nan if text is None else how(text) for text in texts])


def _strength(found: Attractor) -> Estimate:
    """1 - |slope|: the interval's ends are those of the |slope| that the slope's allows."""
    slope = found.slope
    most = max(abs(slope.low), abs(slope.high))
    least = 0.0 if slope.low <= 0 <= slope.high else min(abs(slope.low), abs(slope.high))
    return Estimate(found.strength, max(0.0, 1 - most), max(0.0, 1 - least), slope.prompts)


def say_pull(pull: Pull, noun: str) -> str:
    """Where a number goes, in plain words.

    Args:
        pull: What was found.
        noun: What a text is called.
    """
    unit, found = pull.unit, pull.found
    where = "the prompts" if pull.beginning == "prompt" else "round 1"
    verb = "have" if unit == "words" else "name"
    if np.isnan(found.slope.value):
        spread = float(np.std(pull.first))
        why = (
            f"all began with {pull.first[0]:.0f} {unit}"
            if spread < 1e-9
            else "there are fewer than three prompts"
        )
        return (
            f"After {pull.round} rounds {noun}s {verb} {pull.mean:.1f} {unit} on average. Whether "
            f"they are pulled there from {where} is not known: {why}."
        )
    if not pull.strength.low > SURE:
        return (
            f"No pull of {unit} is shown: {noun}s that {verb} more of them in {where} "
            f"{verb} more of them after {pull.round} rounds (pull {say_share(pull.strength)})."
            if found.slope.low > 0
            else f"Whether {unit} are pulled anywhere from {where} cannot be told "
            f"(pull {say_share(pull.strength)})."
        )
    near = f"{found.position.value:.1f} [{found.position.low:.1f}, {found.position.high:.1f}]"
    end = {"words": f"{noun}s of about {near} words", "objects": f"{noun}s that name about {near}"}
    begin = {"words": "any number of words", "objects": "any number of objects"}[unit]
    prompts = pull.beginning == "prompt"
    what = f"Prompts that {verb}" if prompts else f"{noun.capitalize()}s that in round 1 {verb}"
    told = (
        f"{what} {begin} end in {end[unit]}: pull {say_share(pull.strength)}, where 100 % is that "
        "nothing of a difference at first is left."
    )
    if found.spread >= np.std(pull.first):
        told += (
            f" Ends scatter as widely as beginnings ({found.spread:.1f} against "
            f"{np.std(pull.first):.1f}), so that this may be noise at each end and not a pull."
        )
    return told


def _say_spreads(pull: Pull) -> str:
    last = pull.found.spread
    return f"{np.std(pull.first):.1f}, {'–' if np.isnan(last) else f'{last:.1f}'}"


def pull_rows(material: Material, postcards: bool) -> list[PullRow]:
    """What the page shows: a row for each number, beginning and arm."""
    noun = material.noun("text")
    rows = []
    for arm in material.arms:
        for pull in measure_pulls(material, arm, postcards):
            found = pull.found
            position = found.position.value
            cut = (
                position * (1 - found.slope.value)
                if np.isfinite(position)
                else pull.mean - found.slope.value * float(pull.first.mean())
            )
            svg = pull_figure(
                pull.first.tolist(), pull.last.tolist(), slope=found.slope.value, cut=cut,
                label=f"{pull.unit} of {noun}s at the end against {pull.beginning}, arm {arm}",
                across=f"{pull.unit}: {pull.beginning}", up=f"round {pull.round}",
            )  # fmt: skip
            rows.append(
                PullRow(
                    arm, say_pull(pull, noun), pull.unit, pull.beginning,
                    say_share(pull.strength), say_estimate(found.position),
                    _say_spreads(pull), svg,
                )
            )  # fmt: skip
    return rows
