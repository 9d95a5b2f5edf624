"""What would a study take? Counted and remembered, not run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from ..models import recall
from ..steps import Role
from ..store import is_run, open_run
from ..study import Study, load_study
from ._casting import UNREACHABLE, cast_study, steps_done
from ._published import Published, published_for
from ._seats import SeatSpec
from ._servers import ServerRow, ask_servers

BYTES_A_PIXEL = 1.5
"""Lossless pictures of photographic content; flat ones take a third of it."""
BYTES_A_STEP = 700
"""Rows of one step in the SQLite file, a 50-word caption included."""


@dataclass(frozen=True)
class PlanRow:
    """What is asked of one player."""

    seat: str
    model: str
    """Its name in the study, which its settings in other arms share."""
    role: Role
    calls: int
    """At most: arms share what they have in common."""
    seconds: float | None
    """A call, as measured on this machine; None where it never was."""
    device: str | None
    """What that was measured on."""
    published: tuple[Published, ...]
    """What others say that a call takes elsewhere."""
    identity: str
    """Of the weights, which players with other settings share."""
    weights_bytes: int | None
    price: float | None = 0.0
    """Money a call; None where the study does not tell it, or not enough is known."""

    def seconds_on(self, device: str) -> float | None:
        """A call on a named device: as measured, else as published; None where nobody says."""
        if self.device == device and self.seconds is not None:
            return self.seconds
        return next((one.seconds for one in self.published if one.device == device), None)


@dataclass(frozen=True)
class Elsewhere:
    """What is known of a study's time on a named device."""

    device: str
    seconds: float
    """Of the calls that are left, for the models that something is known of."""
    figures: dict[str, Published]
    """By model."""
    unknown: tuple[str, ...]
    """Models that nothing is known of there."""


@dataclass(frozen=True)
class Plan:
    """What a study takes."""

    trajectories: int
    rounds: int
    steps: int
    steps_done: int
    """Steps that the run folder holds already."""
    rows: tuple[PlanRow, ...]
    disk_bytes: int | None
    """Pictures and rows; None where the size of the pictures is not known."""
    unchecked: tuple[str, ...] = ()
    """Models that are not on this machine while the hub cannot be asked for them."""
    servers: tuple[ServerRow, ...] = ()
    """Servers that models are on: which key goes there, and whether they can be reached."""

    @property
    def left(self) -> float:
        """Share of the steps that is not in the run folder yet."""
        return 1 - self.steps_done / self.steps

    @property
    def seconds(self) -> float | None:
        """Wall time of what is left; None where a player was never measured."""
        times = [row.seconds for row in self.rows]
        if None in times:
            return None
        return sum(row.calls * (row.seconds or 0) for row in self.rows) * self.left

    @property
    def money(self) -> float | None:
        """What the calls that are left cost at most, in the study's currency; None if unknown."""
        if any(row.price is None for row in self.rows):
            return None
        return sum(row.calls * (row.price or 0) for row in self.rows) * self.left

    @property
    def elsewhere(self) -> list[Elsewhere]:
        """Time on each device that somebody published a figure of, by its name."""
        found = []
        for device in sorted({one.device for row in self.rows for one in row.published}):
            known = [(row, row.seconds_on(device)) for row in self.rows]
            figures = {
                row.model: one for row in self.rows for one in row.published if one.device == device
            }
            found.append(
                Elsewhere(
                    device,
                    sum(row.calls * (seconds or 0) for row, seconds in known) * self.left,
                    figures,
                    tuple(dict.fromkeys(row.model for row, seconds in known if seconds is None)),
                )
            )
        return found

    @property
    def memory_bytes(self) -> int | None:
        """Weights of all players together, as they lie on disk; those that are shared once."""
        sizes = {row.identity: row.weights_bytes for row in self.rows}.values()
        return None if None in sizes else sum(size or 0 for size in sizes)


def make_plan(
    study: Study | str | PathLike[str], folder: str | PathLike[str] | None = None
) -> Plan:
    """Say what a study would take; loads and runs nothing, and asks no model anything.

    Args:
        study: A study, the path of its file, or the name of one that ships.
        folder: A run folder, whose steps then count as done.

    Raises:
        StudyError: The study cannot be played.
    """
    where = "study" if isinstance(study, Study) else str(study)
    study = study if isinstance(study, Study) else load_study(Path(study))
    casting = cast_study(study, where, unreachable=True)
    calls = dict.fromkeys(casting.seats, 0)
    a_network, pixels = len(study.prompts) * study.twins, 0.0
    own = {name: _own_pixels(seat) for name, seat in casting.seats.items()}
    for network in casting.networks.values():
        size = math.nan
        for step in range(network.steps(study.rounds)):
            turn = network.at(step).turn
            calls[turn.player] += a_network
            if turn.role.writes == "image":
                kept = size if turn.role is Role.EDITOR else math.nan
                size = float(own[turn.player] or kept)
                pixels += size * a_network
    rows = []
    for name, seat in casting.seats.items():
        known = recall(seat.located.identity, seat.choices)
        # Next to a model a rule takes no time, and nobody has to measure that first.
        seconds = known.get("seconds", 0.0 if seat.backend.is_rule else None)
        price = seat.settings.price(known)
        rows.append(
            PlanRow(
                name, seat.model, seat.role, calls[name], seconds,
                known.get("device"), published_for(seat.settings), seat.located.identity,
                seat.located.size, price,
            )
        )  # fmt: skip
    unchecked = {
        seat.settings.path
        for seat in casting.seats.values()
        if seat.located.identity.startswith(UNREACHABLE)
    }
    done, disk = 0, pixels * BYTES_A_PIXEL + casting.steps * BYTES_A_STEP
    if folder is not None and is_run(folder):
        with open_run(folder) as run:
            done = steps_done(casting, run)
    return Plan(
        study.trajectories, study.rounds, casting.steps, done, tuple(rows),
        None if disk != disk else int(disk), tuple(sorted(unchecked)),
        tuple(ask_servers(casting)),
    )  # fmt: skip


def _own_pixels(seat: SeatSpec) -> float | None:
    """Pixels of a picture, by what was seen, the study or what is published; None where none says.

    An editor's are mostly those of what it is given.
    """
    known: int | None = recall(seat.located.identity, seat.choices).get("pixels")
    sides = seat.settings.model_dump(include={"width", "height"})
    if known is None and all(sides.values()) and len(sides) == 2:
        known = sides["width"] * sides["height"]
    return known or next((one.pixels for one in published_for(seat.settings)), None)
