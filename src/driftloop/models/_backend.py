"""What a backend is: it checks and loads the models of one library."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from ..network import EVERY_ROUND, Rounds
from ..steps import ONE_INPUT, Needs, Role
from ._player import Player
from ._protocols import Contact, Located, Settings


class Backend(ABC):
    """Checks and loads the models of one library.

    A backend of your own sets ``settings``, and has ``role``, ``locate`` and ``load``.
    """

    settings: type[Settings]
    """The pydantic model of its settings."""
    tells_reading: bool = False
    """Whether its generators tell what they take of a text, each by its ``reader``."""

    is_rule: bool = False
    """As :attr:`Player.is_rule` of its players."""

    @abstractmethod
    def role(self, settings: Any) -> Role:
        """The role that a model with these settings plays; imports nothing heavy."""

    def needs(self, settings: Any) -> Needs:
        """As :attr:`Player.needs` of its player."""
        return ONE_INPUT

    def rounds(self, settings: Any) -> Rounds:
        """As :attr:`Player.rounds` of its player."""
        return EVERY_ROUND

    @abstractmethod
    def locate(self, settings: Any) -> Located:
        """Find the model without loading it; asked once for each of its settings in a study.

        Raises:
            ModelError: It does not exist, is not of a kind that this backend runs, or cannot do
                what the settings ask.
        """

    @abstractmethod
    def load(self, settings: Any, located: Located) -> Player:
        """Load the model; its micro-batch is the settings', or 1 where they leave it open.

        Args:
            settings: Those of one replica, see :meth:`Settings.replicas`.
            located: What :meth:`fetch` gave.

        Raises:
            ModelError: With what is missing and how to get it.
        """

    def recognises(self, folder: str) -> bool:
        """Whether a folder looks like a model of this backend; by default none does."""
        return False

    def contact(self, settings: Any) -> Contact | None:
        """Connect to the model's server and ask it nothing; None, as here, where it has none."""
        return None

    def fetch(self, settings: Any, located: Located) -> Located:
        """Bring a model to this machine that was located elsewhere; nothing is loaded.

        All of a study's are fetched before the first is loaded. By default there is nothing to do.

        Returns:
            What was located, with the folder that it now lies in.

        Raises:
            ModelError: It cannot be fetched, or is not what its settings need.
        """
        return located
