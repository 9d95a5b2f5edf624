"""How a run was made: players, sessions, settings, times."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any, NamedTuple

from ..store import STEPS_ASKED
from ._gather import Material, columns_of


class PlayerFacts(NamedTuple):
    """A player as it was set up, and how long it took."""

    model: str
    role: str
    fingerprint: str
    settings: list[tuple[str, str]]
    limits: list[tuple[str, str]]
    invariance: str
    trusted: bool
    """Whether its answers are its own whatever they were computed beside."""
    calls: int
    seconds: float | None
    """In all, of calls that were computed for this run; None where no time is known."""


class SessionFacts(NamedTuple):
    """One sitting."""

    number: int
    started: str
    lasted: str
    outcome: str
    environment: list[tuple[str, str]]


def describe_players(material: Material) -> list[PlayerFacts]:
    """Players in the order they were introduced."""
    seconds: defaultdict[str, float] = defaultdict(float)
    calls: defaultdict[str, set[str]] = defaultdict(set)
    for print_, call, took in columns_of(material.steps, ("fingerprint", "call", "seconds")):
        if call not in calls[print_]:
            calls[print_].add(call)
            # A clock that was set back has given times below nothing.
            if took is not None and took >= 0:
                seconds[print_] += took
    facts = []
    for player in material.players:
        details, print_ = player["details"], player["fingerprint"]
        words, trusted = say_invariance(
            details.get("invariance"), answers_the_same=details.get("answers_the_same", True)
        )
        settings = {"batch_size": player["batch_size"], **details.get("settings", {})}
        settings["batch_size"] = player["batch_size"]
        facts.append(
            PlayerFacts(
                player["model"], player["role"], print_, _pairs(settings),
                _pairs(details.get("limits", {})), words, trusted,
                len(calls[print_]), seconds.get(print_),
            )
        )  # fmt: skip
    return facts


def say_invariance(
    found: dict[str, Any] | None, *, answers_the_same: bool = True
) -> tuple[str, bool]:
    """Put the verdict of the batch test into words, and say whether it is a good one.

    Args:
        found: The verdict, as the run has it.
        answers_the_same: Whether the player answers the same call in the same way each time.
    """
    if not found:
        return "not tested", False
    if found.get("verdict") == "unknown":
        return "not known, since it played elsewhere", False
    if found.get("verdict") == "untested":
        return "not tested, since this player cannot be", False
    different, compared = found.get("different", 0), found.get("compared", 0)
    if found.get("verdict") == "bit-exact":
        return f"bit-exact: all {compared} answers the same alone, in company, in other order", True
    if found.get("verdict") == "within":
        return (
            f"the same to the eye: {different} of {compared} pictures differed with their company, "
            f"by at most {found.get('largest', 0.0):.2g} of 255 levels on average",
            True,
        )
    if not answers_the_same:
        return (
            f"not known: {different} of {compared} answers changed when the player was asked "
            "again, which does not promise the same answer twice; a run holds the one that it got",
            False,
        )
    return (
        f"not independent: {different} of {compared} answers changed with the company they were "
        "computed in, so that a run cannot be repeated exactly in another order",
        False,
    )


def describe_sessions(material: Material) -> list[SessionFacts]:
    """Sittings, oldest first."""
    facts = []
    for row in material.sessions:
        environment = dict(row["environment"])
        versions = environment.pop("versions", {})
        environment.pop(STEPS_ASKED, None)
        memory = environment.pop("memory_bytes", None)
        if memory:
            environment["memory"] = f"{memory / 2**30:.0f} GiB"
        environment.update(versions)
        facts.append(
            SessionFacts(
                row["id"],
                say_time(row["started"]),
                _lasted(row["started"], row["ended"]),
                row["outcome"] or "in play, or killed",
                _pairs(environment),
            )
        )
    return facts


def study_text(material: Material) -> str:
    """The study as it was last asked for; local folders of prompt pictures are left out."""
    if not material.studies:
        return ""
    study = dict(material.studies[-1])
    study["prompts"] = [
        {**prompt, "image": PurePath(prompt["image"]).name}
        if isinstance(prompt, dict) and prompt.get("image")
        else prompt
        for prompt in study.get("prompts", [])
    ]
    return json.dumps(study, indent=2, ensure_ascii=False)


def say_time(seconds: float) -> str:
    """A moment, to the minute, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def say_seconds(seconds: float) -> str:
    """A duration in its natural unit.

    >>> say_seconds(0.42), say_seconds(75), say_seconds(7320)
    ('0.4 s', '1 min 15 s', '2 h 2 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def _lasted(started: float, ended: float | None) -> str:
    if ended is None:
        return "not ended"
    return say_seconds(ended - started) if ended >= started else "not known: the clock was set back"


def _pairs(values: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (key.replace("_", " "), value if isinstance(value, str) else json.dumps(value))
        for key, value in values.items()
        if value is not None and value != []
    ]
