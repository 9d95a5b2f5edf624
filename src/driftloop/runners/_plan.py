"""What would a study take? Counted and remembered, not run."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from ..models import recall
from ..steps import Role
from ..store import open_run
from ..study import Study, load_study
from ._casting import UNREACHABLE, cast_study

BYTES_A_PIXEL = 1.5
"""Lossless pictures of photographic content; flat ones take a third of it."""
BYTES_A_STEP = 700
"""Rows of one step in the SQLite file, a 50-word caption included."""


@dataclass(frozen=True)
class PlanRow:
    """What is asked of one player."""

    seat: str
    role: Role
    calls: int
    """At most: arms share what they have in common."""
    seconds: float | None
    """A call, as measured on this machine; None where it never was."""
    weights_bytes: int | None
    price: float | None = 0.0
    """Money a call; None where the study does not tell it, or not enough is known."""


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

    @property
    def seconds(self) -> float | None:
        """Wall time of what is left; None where a player was never measured."""
        if not self.steps:
            return 0.0
        left = 1 - self.steps_done / self.steps
        times = [row.seconds for row in self.rows]
        if None in times:
            return None
        return sum(row.calls * (row.seconds or 0) for row in self.rows) * left

    @property
    def money(self) -> float | None:
        """What the calls that are left cost at most, in the study's currency; None if unknown."""
        if not self.steps:
            return 0.0
        left = 1 - self.steps_done / self.steps
        if any(row.price is None for row in self.rows):
            return None
        return sum(row.calls * (row.price or 0) for row in self.rows) * left

    @property
    def memory_bytes(self) -> int | None:
        """Weights of all players together, as they lie on disk."""
        sizes = [row.weights_bytes for row in self.rows]
        return None if None in sizes else sum(size or 0 for size in sizes)


def make_plan(
    study: Study | str | PathLike[str], folder: str | PathLike[str] | None = None
) -> Plan:
    """Say what a study would take; loads and runs nothing.

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
    a_network = len(study.prompts) * study.twins
    for network in casting.networks.values():
        for step in range(study.rounds * 2):
            calls[network[step % len(network)]] += a_network
    rows, pixels = [], 0.0
    for name, seat in casting.seats.items():
        known = recall(seat.located.identity, seat.choices)
        price = seat.settings.price(known)
        rows.append(
            PlanRow(name, seat.role, calls[name], known.get("seconds"), seat.located.size, price)
        )
        if seat.role is Role.GENERATOR:
            pixels += calls[name] * known.get("pixels", float("nan"))
    unchecked = {
        seat.settings.path
        for seat in casting.seats.values()
        if seat.located.identity.startswith(UNREACHABLE)
    }
    done, disk = 0, pixels * BYTES_A_PIXEL + study.steps * BYTES_A_STEP
    if folder is not None and (Path(folder) / "driftloop.sqlite").exists():
        with open_run(folder) as run:
            done = min(len(run), study.steps)
    return Plan(
        study.trajectories, study.rounds, study.steps, done, tuple(rows),
        None if disk != disk else int(disk), tuple(sorted(unchecked)),
    )  # fmt: skip
