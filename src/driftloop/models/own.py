"""Players of a user's own, without a package.

Two ways, neither of which a study can take by itself, since a study may come from a stranger:

* as an object: ``driftloop.run(study, players={"mine": MyCaptioner()})`` for a study whose model
  ``mine`` has ``backend = "own"``;
* as a class in a file that :func:`driftloop.include` (``--include FILE``) runs: its name is then a
  backend, and what a study says of the model besides is what the class is called with.
"""

from __future__ import annotations

import inspect
from typing import Any

from pydantic import ConfigDict

from ..errors import DriftloopError, ModelError
from ..network import EVERY_ROUND, Rounds
from ..seeds import digest
from ..steps import Needs, Role
from ._backend import Backend
from ._player import Player, as_player, check_class
from ._probe import is_out_of_memory
from ._protocols import Located, Settings

INCLUDED = "driftloop_included_"
"""What the module of an included file is called, before a hash of where the file is."""


class OwnSettings(Settings):
    """Whatever the class of the player is called with."""

    model_config = ConfigDict(extra="allow", frozen=True)

    path: str = ""


class Handed(Backend):
    """A player that is there already.

    Args:
        player: The player.
    """

    settings = OwnSettings

    def __init__(self, player: object) -> None:
        self.player = as_player(player)
        self.is_rule = self.player.is_rule

    def role(self, settings: OwnSettings) -> Role:
        """The player's."""
        return self.player.role

    def needs(self, settings: OwnSettings) -> Needs:
        """The player's."""
        return self.player.needs

    def rounds(self, settings: OwnSettings) -> Rounds:
        """The player's."""
        return self.player.rounds

    def locate(self, settings: OwnSettings) -> Located:
        """Name it by what decides its answers and, as the study does not say it, when it plays.

        Raises:
            ModelError: The study has settings for it, which an object has already.
        """
        if settings.model_extra:
            raise ModelError(
                f"'{min(settings.model_extra)}' is a setting, and a player that is handed over as "
                f"an object has its own; leave it out"
            )
        when = "" if self.player.rounds == EVERY_ROUND else f" {self.player.rounds}"
        return Located(None, f"own {self.player.resized(1).fingerprint}{when}", None)

    def load(self, settings: OwnSettings, located: Located) -> Player:
        """The player, at the micro-batch of the study where that says one."""
        size = settings.batch_size
        return self.player if size is None else as_player(self.player.resized(size))


class Made(Backend):
    """A class of players.

    Args:
        kind: The class.
    """

    settings = OwnSettings

    def __init__(self, kind: type[Player]) -> None:
        self.kind = kind

    def role(self, settings: OwnSettings) -> Role:
        """That of the class, or of a player made for this.

        Raises:
            ModelError: It cannot be made, or has no role.
        """
        role = getattr(self.kind, "role", None)
        return role if isinstance(role, Role) else self._make(settings).role

    def needs(self, settings: OwnSettings) -> Needs:
        """Those of the class."""
        return self.kind.needs

    def rounds(self, settings: OwnSettings) -> Rounds:
        """Those of the class."""
        return self.kind.rounds

    def locate(self, settings: OwnSettings) -> Located:
        """Name it by the code of its class, so that a run does not go on with another."""
        try:
            code = inspect.getsource(self.kind)
        except (OSError, TypeError):
            code = ""
        return Located(None, f"own {digest(self.kind.__qualname__, code).hex()}", None)

    def load(self, settings: OwnSettings, located: Located) -> Player:
        """Make a player.

        Raises:
            ModelError: The class takes other settings, or what it makes is no player.
        """
        player = self._make(settings)
        size = settings.batch_size
        return player if size is None else as_player(player.resized(size))

    def _make(self, settings: OwnSettings) -> Player:
        given: dict[str, Any] = dict(settings.model_extra or {})
        if settings.path:
            given["path"] = settings.path
        check_class(self.kind)
        try:
            inspect.signature(self.kind).bind(**given)
        except TypeError as error:
            raise ModelError(
                f"{self.kind.__qualname__}{inspect.signature(self.kind)} is called with the "
                f"settings of the study ({', '.join(given) or 'none'}): {error}"
            ) from error
        try:
            made = self.kind(**given)
        except DriftloopError:
            raise
        except Exception as error:
            # What does not fit into memory is told as that, elsewhere.
            if is_out_of_memory(error):
                raise
            raise ModelError(
                f"{self.kind.__qualname__} cannot be made: {type(error).__name__}: {error}"
            ) from error
        return as_player(made)


class Missing(Backend):
    """Stands for players that are handed over, where none was."""

    settings = OwnSettings

    def role(self, settings: OwnSettings) -> Role:
        """Not known."""
        raise ModelError(_HOW)

    def locate(self, settings: OwnSettings) -> Located:
        """Not there."""
        raise ModelError(_HOW)

    def load(self, settings: OwnSettings, located: Located) -> Player:
        """Not there."""
        raise ModelError(_HOW)


_HOW = (
    "backend 'own' is a player of yours that is handed over: driftloop.run(study, players={NAME: "
    "player}); on the command line name a class instead, and its file with --include"
)

backend = Missing()
