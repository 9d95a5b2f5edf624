"""What a study does about captions that are longer than a generator reads."""

from __future__ import annotations

from ..errors import ModelError
from ..models import Fitted, Player, Refusing, TextReader
from ..steps import Role
from ._casting import Casting


def read_whole(casting: Casting, players: dict[str, list[Player]]) -> dict[str, list[Player]]:
    """The players of a study, by seat, as its ``overlong`` has them.

    Raises:
        ModelError: A generator does not tell what it reads.
    """
    policy = casting.study.overlong
    if policy == "cut":
        return players
    found = dict(players)
    for name, seat in casting.seats.items():
        if policy == "budget" and seat.reader is not None:
            reader = _reader(seat.reader, players)
            found[name] = [Fitted(player, reader) for player in players[name]]
        elif policy == "error" and seat.role is Role.GENERATOR:
            reader = _reader(name, players)
            found[name] = [Refusing(player, reader) for player in players[name]]
    return found


def _reader(name: str, players: dict[str, list[Player]]) -> TextReader:
    reader = players[name][0].reader
    if reader is None:
        raise ModelError(
            f"model '{name}': its pipeline does not tell what it reads of a text; leave overlong "
            f"out of the study"
        )
    return reader
