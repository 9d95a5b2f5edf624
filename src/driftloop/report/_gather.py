"""A run as a report reads it: trajectories in the study's order, by round."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from ..network import Turn
from ..steps import Kind, Role, Trajectory, whole_text
from ..store import STEPS_ASKED, Run
from ..study import Study

if TYPE_CHECKING:
    import pyarrow as pa
ROWS = 5_000
"""Steps that are in Python at once."""


class Start(NamedTuple):
    """What trajectories start from."""

    id: str
    kind: Kind
    value: str
    """The text, or the picture's digest."""
    source: str
    flags: tuple[str, ...] = ()
    """What was done to the picture when it was read."""


@dataclass(frozen=True)
class Track:
    """One trajectory: what came out, by round."""

    name: Trajectory
    rows: range
    """Its rows in the table of steps."""
    pictures: tuple[str | None, ...]
    """Digests; the first is round 1. None where the round has no picture (yet)."""
    captions: tuple[str | None, ...]
    failure: str | None = None
    """Why it stopped, where it did."""

    @property
    def rounds(self) -> int:
        """Rounds that have begun."""
        return len(self.pictures)

    def states(self, kind: Kind) -> tuple[str | None, ...]:
        """Captions or pictures, by round, without rounds at the end that lack one."""
        states = self.captions if kind == "text" else self.pictures
        length = max((at for at, state in enumerate(states, 1) if state is not None), default=0)
        return states[:length]


@dataclass(frozen=True)
class Material:
    """Everything a report is made of."""

    title: str
    studies: list[dict[str, Any]]
    starts: dict[str, Start]
    arms: list[str]
    tracks: list[Track]
    steps: pa.Table
    players: list[dict[str, Any]]
    sessions: list[dict[str, Any]]
    failures: list[dict[str, Any]]
    study: Study | None
    """What was asked for last; None where it cannot be read."""

    @property
    def asked(self) -> int | None:
        """Steps that the study asks for; None where it cannot be read, or no session has begun."""
        if self.sessions and (told := self.sessions[-1]["environment"].get(STEPS_ASKED)):
            return int(told)
        # Of a run of an older version, in whose networks each turn was taken in each round.
        study, roles = self.study, self.roles
        arms = study.expanded_arms() if study else []
        if study is None or not all(model in roles for arm in arms for model in arm.models):
            return None
        turns = ([Turn(model, roles[model]) for model in arm.models] for arm in arms)
        return study.steps(arm.seated(taken) for arm, taken in zip(arms, turns, strict=True))

    @cached_property
    def roles(self) -> dict[str, Role]:
        """The role of each model that was loaded."""
        return {model_of(player["model"]): Role(player["role"]) for player in self.players}

    @cached_property
    def rounds(self) -> int:
        """Rounds of the longest trajectory."""
        return max((track.rounds for track in self.tracks), default=0)

    @cached_property
    def twins(self) -> int:
        """Trajectories of the prompt that has most in an arm."""
        return max(self._twins.values(), default=0)

    @cached_property
    def fewest_twins(self) -> int:
        """Those of the prompt that has fewest."""
        return min(self._twins.values(), default=0)

    @cached_property
    def _twins(self) -> Counter[tuple[str, str]]:
        return Counter((track.name.arm, track.name.prompt) for track in self.tracks)

    @cached_property
    def kinds(self) -> frozenset[Kind]:
        """What there is of pictures and captions: imported chains may have one kind only."""
        return frozenset(kind for arm in self.arms for kind in self.kinds_of[arm])

    @cached_property
    def kinds_of(self) -> dict[str, frozenset[Kind]]:
        """The same of each arm: one without a captioner has no captions."""
        kinds: tuple[Kind, ...] = ("text", "image")
        return {
            arm: frozenset(k for k in kinds if any(track.states(k) for track in self.of_arm(arm)))
            for arm in self.arms
        }

    def noun(self, kind: Kind) -> str:
        """What a state of a kind is called: a text is a caption only where there are pictures."""
        if kind == "image":
            return "picture"
        return "caption" if "image" in self.kinds else "text"

    @cached_property
    def again(self) -> str:
        """What sets twins apart, as far as it is known: an import seldom knows of seeds."""
        seeded = len(self.steps) > 0 and self.steps["seed"].null_count == 0
        return "with other random numbers" if seeded else "played again"

    @cached_property
    def elsewhere(self) -> int:
        """Steps that were played elsewhere, of which little is known."""
        return int(self.steps["started"].null_count)

    def since(self, arm: str, kind: Kind) -> int:
        """The first round (from 0) of an arm whose states of a kind are the loop's own.

        The second where the loop starts from the other kind: what it makes of prompts first, the
        pictures of texts or the captions of pictures, is in the prompts' register and not its own.
        """
        starts = (self.starts.get(track.name.prompt) for track in self.of_arm(arm))
        return int(any(start.kind != kind for start in starts if start))

    def of_arm(self, arm: str) -> list[Track]:
        """An arm's trajectories."""
        return self._by_arm.get(arm, [])

    @cached_property
    def _by_arm(self) -> dict[str, list[Track]]:
        found: dict[str, list[Track]] = {}
        for track in self.tracks:
            found.setdefault(track.name.arm, []).append(track)
        return found


def model_of(player: str) -> str:
    """The model in a player's name, which also says what an arm changed and for whom it writes.

    >>> model_of("llava [temperature=1.0] → sdxl"), model_of("llava → sdxl [steps=30]")
    ('llava', 'llava')
    """
    return player.partition(" [")[0].partition(" → ")[0]


def gather(run: Run) -> Material:
    """Read a run."""
    studies = run.studies()
    study = _latest(studies)
    steps = run.steps()
    starts = {row["id"]: Start(**{**row, "flags": tuple(row["flags"])}) for row in run.prompts()}
    failures = run.failures()
    stopped = {
        Trajectory(row["arm"], row["prompt"], row["twin"]): row["reason"] for row in failures
    }
    tracks = list(_tracks(steps, stopped))
    seen = {track.name for track in tracks}
    tracks += [
        Track(name, range(0), (), (), why) for name, why in stopped.items() if name not in seen
    ]
    declared = [arm.name for arm in study.expanded_arms()] if study else []
    played = dict.fromkeys(track.name.arm for track in tracks)
    arms = [arm for arm in declared if arm in played] + [a for a in played if a not in declared]
    rank = {id: number for number, id in enumerate(starts)}
    tracks.sort(
        key=lambda track: (
            arms.index(track.name.arm),
            rank.get(track.name.prompt, len(rank)),
            track.name.twin,
        )
    )
    title = str(studies[-1].get("title") or "" if studies else "")
    # A folder's name may be bytes that are no text.
    title = title or whole_text(run.folder.resolve().name)
    return Material(
        title, studies, starts, arms, tracks, steps, run.players(), run.sessions(), failures,
        study,
    )  # fmt: skip


def _latest(studies: list[dict[str, Any]]) -> Study | None:
    try:
        return Study.model_validate(studies[-1]) if studies else None
    except ValidationError:
        return None


def columns_of(steps: pa.Table, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """Some columns of the table of steps, row by row, few of which are in Python at once."""
    for batch in steps.select(list(names)).to_batches(max_chunksize=ROWS):
        yield from zip(*(batch[name].to_pylist() for name in names), strict=True)


def _tracks(steps: pa.Table, stopped: dict[Trajectory, str]) -> Iterable[Track]:
    rows = columns_of(steps, ("arm", "prompt", "twin", "round", "role", "text", "image"))
    first = 0
    # Many a caption comes again, and is kept once.
    texts: dict[str, str] = {}
    for (arm, prompt, twin), own in groupby(rows, key=lambda row: row[:3]):
        captions: dict[int, str] = {}
        pictures: dict[int, str] = {}
        length = count = 0
        for *_, round, role, text, image in own:
            if text is not None:
                # What a rule made of a caption is none: it may be the prompt that it put back.
                if role != Role.WRITER or round not in captions:
                    captions[round] = texts.setdefault(text, text)
            else:
                pictures[round] = image
            length, count = max(length, round), count + 1
        name = Trajectory(arm, prompt, twin)
        rounds = range(1, length + 1)
        yield Track(
            name, range(first, first + count), tuple(map(pictures.get, rounds)),
            tuple(map(captions.get, rounds)), stopped.get(name),
        )  # fmt: skip
        first += count
