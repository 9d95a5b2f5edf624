"""Whose weights are on a device: those of all who play there, or of one model at a time."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from ..models import Around, Player, Weights, free_memory, is_out_of_memory
from ..steps import Failure, Output

log = logging.getLogger(__name__)


class Turns:
    """Weights that share a device, and which of them have to wait in main memory.

    Args:
        everywhere: Only one model's weights are on a device at a time, from the start. Else all
            are, until memory runs out.

    Attributes:
        everywhere: The same.
    """

    def __init__(self, *, everywhere: bool = False) -> None:
        self.everywhere = everywhere
        self._short: set[str] = set()
        """Devices on which memory ran out."""
        self._weights: defaultdict[str, list[Weights]] = defaultdict(list)

    def seat(self, player: Player) -> Player:
        """Bring a player's weights onto its device.

        Returns:
            The player, which sees to it that they are there whenever it plays; as it is where it
            has none that can be moved.
        """
        if player.weights is None:
            return player
        known = self._weights[_device(player)]
        if player.weights not in known:
            known.append(player.weights)
        self.enter(player)
        return InTurn(player, self)

    def taken(self, device: str | None) -> bool:
        """Whether those who play on a device take turns with its memory."""
        return device is not None and (self.everywhere or device in self._short)

    def begin(self, player: Player) -> bool:
        """Take turns from now on where memory ran out for a player; nobody may play there.

        Returns:
            Whether that helps: others' weights were on its device, and need not be.
        """
        device = _device(player)
        # Who computes on the CPU is in main memory already.
        if self.taken(device) or device.startswith("cpu") or not self._others(player):
            return False
        self._short.add(device)
        log.warning(
            "%s has too little memory for all models at the same time: from now on they take "
            "turns there and wait in main memory, which is slower (--overlap turns does so from "
            "the start, and finds the micro-batches that are best then)",
            device,
        )
        return True

    def enter(self, player: Player) -> None:
        """Bring a player's weights onto its device, the others' out of it where turns are taken."""
        weights = player.weights
        if weights is None:
            return
        if self.taken(_device(player)):
            self._make_room(player)
        try:
            weights.move_in()
            return
        except Exception as error:
            if not is_out_of_memory(error) or not self.begin(player):
                raise
        # Outside of the handler, where nothing holds on to what the attempt took.
        self._make_room(player)
        weights.move_in()

    def _make_room(self, player: Player) -> None:
        others = self._others(player)
        for weights in others:
            weights.move_out()
        if others:
            free_memory()

    def _others(self, player: Player) -> list[Weights]:
        here = self._weights[_device(player)]
        return [w for w in here if w is not player.weights and w.here]


class InTurn(Around):
    """A player whose weights are on its device when it plays."""

    def __init__(self, player: Player, turns: Turns) -> None:
        super().__init__(player)
        self.turns = turns

    def around(self, player: Player) -> InTurn:
        """Another player that waits for the same turns."""
        return InTurn(player, self.turns)

    def play(self, inputs: Sequence[Any], seeds: Sequence[int]) -> list[Output | Failure]:
        """Play, after others have made room where turns are taken."""
        self.turns.enter(self.player)
        return self.player.play(inputs, seeds)


def _device(player: Player) -> str:
    return str(player.device)
