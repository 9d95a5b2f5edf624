"""What was cut, empty, flat or failed, counted."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from ..pictures import NOTES
from ._assess import Drift
from ._gather import Material, columns_of
from ._phrases import same_readings

MEANINGS = {
    "empty": "the caption is empty",
    "empty prompt": "the generator was given an empty text",
    "flat": "the picture is of one colour",
    "nan": "the model computed NaN",
    "filtered": "a safety filter replaced the picture, or cut the caption",
    "unfinished": "the caption ended at the token limit, in mid-sentence",
    "over budget": "the caption was cut back to its word budget",
    "shortened": "the caption was cut back to what the next generator reads",
    "reasoning": "the model's reasoning was taken out, so that only its answer is the caption",
    "special tokens": "special tokens were taken off the ends of the caption",
    "code fence": "the fence around the whole caption was taken off",
    "too long": "the caption was cut to the most that is kept of one",
    "parts left out": "the answer had parts that are no text",
    "pictures left out": "the server gave more pictures than one",
    "rewritten prompt": "the server drew another text than it was given",
    "half character": "the caption held half a character, which became a question mark",
    **NOTES,
}
"""What a flag means, for those that the shipped backends set."""
EXAMPLE_LENGTH = 160


class Loss(NamedTuple):
    """One kind of loss at one model."""

    who: str
    what: str
    times: int
    of: int
    """Steps of the model, or contents of the encoder."""
    detail: str


def count_losses(material: Material, drifts: Sequence[Drift]) -> list[Loss]:
    """Count what models did not read, what is odd about their answers, what encoders left out.

    Returns:
        Only what occurred.
    """
    steps = material.steps
    names = ("model", "readings", "cut_text", "flags")
    total: Counter[str] = Counter()
    times: Counter[tuple[str, str]] = Counter()
    tokens: Counter[tuple[str, str]] = Counter()
    flags: Counter[tuple[str, str]] = Counter()
    examples: dict[tuple[str, str], str] = {}
    over: dict[str, str] = {}
    for model, readings, text, marks in columns_of(steps, names):
        total[model] += 1
        for reading, who in same_readings(readings):
            if reading.cut:
                times[model, who] += 1
                tokens[model, who] += reading.cut
                examples.setdefault((model, who), reading.cut_text)
        if text:
            over.setdefault(model, text)
        # Behind a colon it says how much.
        flags.update((model, mark.partition(":")[0]) for mark in marks)
    losses = []
    for (model, who), count in sorted(times.items()):
        what = f"text its {who} had no room to read" if who else "text it had no room to read"
        detail = f"{tokens[model, who]:,} tokens in all{_for_example(examples[model, who])}"
        losses.append(Loss(model, what, count, total[model], detail))
    for (model, mark), count in sorted(flags.items()):
        detail = MEANINGS.get(mark, "")
        if mark == "over budget":
            detail += _for_example(over.get(model, ""))
        losses.append(Loss(model, mark, count, total[model], detail))
    pictured = [start for start in material.starts.values() if start.kind == "image"]
    marked = Counter(mark for start in pictured for mark in start.flags)
    for mark, count in sorted(marked.items()):
        losses.append(Loss("prompts", mark, count, len(pictured), MEANINGS.get(mark, "")))
    for drift in drifts:
        noun = f"{material.noun(drift.kind)}s"
        if drift.cut:
            detail = f"{sum(drift.cut.values()):,} tokens in all; measured on what was read"
            losses.append(
                Loss(f"{drift.encoder} (encoder)", f"{noun} longer than it reads", len(drift.cut),
                     distinct(material, drift), detail)
            )  # fmt: skip
        if drift.missing:
            why = "blank" if drift.kind == "text" else "nothing in them to see, or unreadable"
            losses.append(
                Loss(f"{drift.encoder} (encoder)", f"{noun} without a vector", drift.missing,
                     distinct(material, drift), f"{why}; left out of the measures")
            )  # fmt: skip
    return losses


def distinct(material: Material, drift: Drift) -> int:
    """Different contents that an encoder was given."""
    states = {state for track in material.tracks for state in track.states(drift.kind)}
    starts = {start.value for start in material.starts.values() if start.kind == drift.kind}
    return len((states | starts) - {None})


class Stops(NamedTuple):
    """Failures of the same reason."""

    model: str
    reason: str
    where: list[str]


def group_failures(material: Material) -> list[Stops]:
    """Failures that are still open, by reason, the most frequent first."""
    found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for row in material.failures:
        place = f"{row['arm']}, {row['prompt']}, twin {row['twin'] + 1}, round {row['round']}"
        found[row["model"], row["reason"]].append(place)
    ranked = sorted(found.items(), key=lambda item: -len(item[1]))
    return [Stops(model, reason, places) for (model, reason), places in ranked]


def _for_example(text: str) -> str:
    if not text:
        return ""
    short = text if len(text) <= EXAMPLE_LENGTH else text[: EXAMPLE_LENGTH - 1] + "…"
    return f"; e.g. “{short}”"
