"""Film strips and the mosaic: what a page shows of each trajectory."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..measures import novelty
from ..steps import Role
from ._choice import Choice
from ._gather import Material, Start, Track
from ._phrases import same_readings
from ._pictures import Album

VERBS = {
    Role.GENERATOR: "Drawn", Role.CAPTIONER: "Described", Role.EDITOR: "Edited",
    Role.WRITER: "Written", Role.CHOOSER: "Chosen",
}  # fmt: skip


class Frame(NamedTuple):
    """One round of a strip."""

    round: int
    picture: str | None
    """Class of the style sheet; None where the round has no picture."""
    unreadable: bool
    """There was one, and its file cannot be read."""
    link: str | None
    """Where the full picture is, from the page."""
    caption: str | None
    mark: str
    """Whether the caption is ``new``, ``seen`` before or in the ``settled`` end."""
    notes: list[str]
    """What is odd about it, in a word or two each."""
    facts: list[tuple[str, str]]
    """Who did what, with which seed."""


class Strip(NamedTuple):
    """One trajectory."""

    key: int
    arm: str
    twin: int
    start: Start
    start_picture: str | None
    frames: list[Frame]
    rounds: int
    failure: str | None

    def frame(self, round: int) -> Frame | None:
        """The frame of a round, or the last one before it where the trajectory is shorter."""
        return next((frame for frame in self.frames if frame.round == round), None)


class Group(NamedTuple):
    """Twins: the strips of one prompt in one arm."""

    arm: str
    start: Start
    start_picture: str | None
    strips: list[Strip]


def frames_wanted(track: Track, choice: Choice) -> list[int]:
    """Rounds that a trajectory's strip shows: those chosen, and its last."""
    return sorted({r for r in choice.rounds if r <= track.rounds} | ({track.rounds} - {0}))


def pictures_wanted(material: Material, choice: Choice) -> list[str]:
    """Digests of all pictures that the page shows."""
    starts = [start.value for start in material.starts.values() if start.kind == "image"]
    return starts + [
        digest
        for track in choice.tracks
        for round in frames_wanted(track, choice)
        if (digest := track.pictures[round - 1]) is not None
    ]


def make_groups(
    material: Material, choice: Choice, album: Album, links: dict[str, str]
) -> list[Group]:
    """Build the strips.

    Args:
        material: The run.
        choice: What of it is shown.
        album: Its pictures.
        links: Where full pictures are, by digest; none where the page lies elsewhere.
    """
    groups: dict[tuple[str, str], Group] = {}
    for key, track in enumerate(choice.tracks):
        name = track.name
        start = material.starts.get(name.prompt) or Start(name.prompt, "text", name.prompt, "")
        picture = album.classes.get(start.value) if start.kind == "image" else None
        group = groups.setdefault((name.arm, name.prompt), Group(name.arm, start, picture, []))
        frames = _frames(material, track, choice, album, links)
        group.strips.append(
            Strip(key, name.arm, name.twin, start, picture, frames, track.rounds, track.failure)
        )
    return list(groups.values())


def _frames(
    material: Material, track: Track, choice: Choice, album: Album, links: dict[str, str]
) -> list[Frame]:
    wanted = frames_wanted(track, choice)
    own = material.steps.slice(track.rows.start, len(track.rows))
    steps: dict[int, list[dict[str, Any]]] = {}
    shown = np.flatnonzero(np.isin(own["round"].to_numpy(), wanted)).tolist() if wanted else ()
    for row in own.take(shown).to_pylist() if shown else ():
        steps.setdefault(row["round"], []).append(row)
    marks = novelty(track.captions)
    frames = []
    for round in wanted:
        digest, caption = track.pictures[round - 1], track.captions[round - 1]
        picture = album.classes.get(digest) if digest else None
        rows = steps.get(round, [])
        frames.append(
            Frame(
                round,
                picture,
                digest is not None and picture is None,
                links.get(digest) if digest else None,
                caption,
                marks[round - 1] if caption is not None else "new",
                [note for row in rows for note in _notes(row)],
                [_fact(row) for row in rows],
            )
        )
    return frames


def _notes(row: dict[str, Any]) -> list[str]:
    notes = list(row["flags"])
    for reading, names in same_readings(row["readings"]):
        if reading.cut:
            who = f" by {names}" if names else ""
            notes.append(f"{reading.cut} tokens unread{who}")
    return notes


def _fact(row: dict[str, Any]) -> tuple[str, str]:
    parts = ["seed not known" if row["seed"] is None else f"seed {row['seed']}"]
    for reading, names in same_readings(row["readings"]):
        rest = f", not the {reading.cut} of “{reading.cut_text}”" if reading.cut else ""
        parts.append(f"{names} read {reading.tokens} tokens{rest}".lstrip())
    if row["role"] == Role.WRITER:
        parts.append(f"“{row['text']}”")
    if row["tokens_written"] is not None:
        parts.append(f"wrote {row['tokens_written']} tokens")
    if row["cut_text"]:
        parts.append(f"left out “{row['cut_text']}”")
    if row["flags"]:
        parts.append(", ".join(row["flags"]))
    if row["shared"]:
        parts.append("shared with another trajectory")
    if row["seconds"] is not None:
        parts.append(f"{row['seconds']:.2f}\u00a0s")
    return f"{VERBS[row['role']]} by {row['model']}", "; ".join(parts)
