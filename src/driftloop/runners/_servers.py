"""Servers that a study's models are on: found or missed before anything is loaded or played."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ..errors import ServerError
from ..models import Contact
from ._casting import Casting
from ._seats import SeatSpec


@dataclass(frozen=True)
class ServerRow:
    """A server, and what goes there."""

    models: tuple[str, ...]
    """Their names in the study."""
    address: str
    key: str
    """The environment variable whose key goes there; empty where none does."""
    trouble: str
    """Why it cannot be asked, and the fix; empty where it can."""


def ask_servers(casting: Casting) -> list[ServerRow]:
    """Connect to every server of a study at the same time, within 5 seconds in all."""
    distinct: dict[tuple[object, ...], SeatSpec] = {}
    for seat in casting.seats.values():
        sent = seat.settings.model_dump(include={"base_url", "api_key_env"})
        distinct[seat.model, *sent.values()] = seat
    with ThreadPoolExecutor(len(distinct)) as pool:
        found = list(pool.map(lambda s: s.backend.contact(s.settings), distinct.values()))
    rows: dict[Contact, list[str]] = {}
    for seat, one in zip(distinct.values(), found, strict=True):
        if one is not None:
            rows.setdefault(one, []).append(seat.model)
    return [ServerRow(tuple(dict.fromkeys(models)), *one) for one, models in rows.items()]


def check_servers(casting: Casting, where: str) -> None:
    """Refuse a study with a server that is not there, or that a key may not go to.

    Raises:
        ServerError: With each model, its server's address, and the fix.
    """
    wrong = [
        f"{where}: models.{model}: {row.address}: {row.trouble}"
        for row in ask_servers(casting)
        if row.trouble
        for model in row.models
    ]
    if wrong:
        raise ServerError("\n".join(wrong))
