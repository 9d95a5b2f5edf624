"""Numbers, and what was read, as a reader wants them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..measures import Estimate
from ..steps import Reading

WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def say_share(estimate: Estimate) -> str:
    """A share with its interval, in percent.

    >>> say_share(Estimate(0.25, 0.1, 0.4, 24))
    '25 % [10, 40]'
    """
    if estimate.value != estimate.value:
        return "–"
    # Adding 0 takes the sign off a rounded "-0".
    value, low, high = (round(part * 100) + 0 if part == part else None for part in estimate[:3])
    return f"{value} %" if low is None else f"{value} % [{low}, {high}]"


def say_estimate(estimate: Estimate) -> str:
    """A number with its interval.

    >>> say_estimate(Estimate(0.25, 0.1, 0.4, 24))
    '0.25 [0.10, 0.40]'
    """
    if estimate.value != estimate.value:
        return "–"
    # Adding 0 takes the sign off a rounded "-0".
    value, low, high = (f"{round(part, 2) + 0:.2f}" for part in estimate[:3])
    return value if estimate.low != estimate.low else f"{value} [{low}, {high}]"


def number(amount: int) -> str:
    """A number as a word up to ten, else in figures."""
    return WORDS[amount] if 0 <= amount < len(WORDS) else f"{amount:,}"


def count(amount: int, noun: str) -> str:
    """A number of things.

    >>> count(1, "prompt"), count(48, "trajectory"), count(2, "time")
    ('one prompt', '48 trajectories', 'two times')
    """
    if amount == 1:
        return f"one {noun}"
    plural = noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
    return f"{number(amount)} {plural}"


def same_readings(rows: Sequence[dict[str, Any]]) -> list[tuple[Reading, str]]:
    """What the text encoders of a generator read, once for those that read the same.

    Args:
        rows: The column ``readings`` of a step.

    Returns:
        A reading of each group with the names of those who had it, empty where all did.
    """
    groups: dict[Reading, list[str]] = {}
    for row in rows:
        reading = Reading(**row)
        groups.setdefault(reading._replace(text_encoder=""), []).append(reading.text_encoder)
    return [
        (reading, " and ".join(names) if len(groups) > 1 else "")
        for reading, names in groups.items()
    ]
