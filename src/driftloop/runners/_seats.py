"""A player to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..models import Backend, Located, Settings
from ..network import Rounds
from ..steps import Needs, Role


@dataclass(frozen=True)
class SeatSpec:
    """A player to be: a model with the settings that it has in some arms."""

    name: str
    model: str
    backend: Backend
    settings: Settings
    role: Role
    located: Located
    reader: str | None = None
    """The seat of the generator that a captioner's captions have to fit, if any."""

    @property
    def needs(self) -> Needs:
        """What its calls take besides the output of the turn before."""
        return self.backend.needs(self.settings)

    @property
    def rounds(self) -> Rounds:
        """The rounds in which it plays."""
        return self.backend.rounds(self.settings)

    @property
    def choices(self) -> dict[str, Any]:
        """The settings that decide how long a call takes, and so its micro-batch."""
        return self.settings.pace
