"""What a scheduler is given: trajectories to play, players, and steps that were played before."""

from __future__ import annotations

from dataclasses import dataclass

from ..network import Network
from ..steps import ONE_INPUT, Content, Needs, Trajectory


@dataclass(frozen=True, slots=True)
class Seat:
    """A player as the scheduler sees it."""

    model: str
    fingerprint: str
    batch_size: int
    needs: Needs = ONE_INPUT


@dataclass(frozen=True, slots=True)
class Course:
    """A trajectory to play: where it starts, who plays, how far it goes."""

    trajectory: Trajectory
    start: Content
    network: Network
    """Its players are seats."""
    rounds: int
    """Rounds in all, those already played included."""

    @property
    def steps(self) -> int:
        """Steps in all."""
        return self.network.steps(self.rounds)


@dataclass(frozen=True, slots=True)
class Played:
    """A step that an earlier session brought."""

    trajectory: Trajectory
    index: int
    key: str
    output: Content
