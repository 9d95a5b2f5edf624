"""What a study does about captions that are longer than a generator reads."""

from __future__ import annotations

from ..errors import ModelError
from ..models import Fitted, Player, Refusing, TextReader
from ..steps import Role
from ._casting import Casting


def read_whole(casting: Casting, players: dict[str, Player]) -> dict[str, Player]:
    """The players of a study as its ``overlong`` has them.

    Raises:
        ModelError: A generator does not tell what it reads.
    """
    policy = casting.study.overlong
    if policy == "cut":
        return players
    found = dict(players)
    for name, seat in casting.seats.items():
        if policy == "budget" and seat.reader is not None:
            found[name] = Fitted(players[name], _reader(seat.reader, players))
        elif policy == "error" and seat.role is Role.GENERATOR:
            found[name] = Refusing(players[name], _reader(name, players))
    return found


def _reader(name: str, players: dict[str, Player]) -> TextReader:
    reader: TextReader | None = getattr(players[name], "reader", None)
    if reader is None:
        raise ModelError(
            f"model '{name}': its pipeline does not tell what it reads of a text; leave overlong "
            f"out of the study"
        )
    return reader
