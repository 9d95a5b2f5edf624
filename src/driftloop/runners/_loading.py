"""Players that are ready: loaded on each of their devices, at a micro-batch that fits, tested."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from ..errors import ModelError
from ..models import (
    Player,
    check_invariance,
    difference,
    free_memory,
    is_out_of_memory,
    load_player,
    probe_batch_size,
    recall,
    remember,
    seeds_to_test,
)
from ..store import Run
from ._playing import no_memory
from ._seats import SeatSpec
from ._turns import Turns

Say = Callable[[str], None]


def load_players(seat: SeatSpec, run: Run, turns: Turns, say: Say) -> list[Player]:
    """Load a model's replicas, all at the micro-batch of the study, the run or this machine.

    Those that cannot be tested keep the one that they are loaded with.

    Raises:
        ModelError: It cannot be loaded, or not be played.
    """
    loaded = [load_player(seat.backend, one, seat.located) for one in seat.settings.replicas()]
    with _playable(seat):
        players = [turns.seat(player) for player in loaded]
    if seat.settings.batch_size is not None or not players[0].can_be_tested:
        return players
    # An earlier choice, of this run or on this machine, is kept: the bits depend on it.
    size = run.batch_size(seat.name) or recall(seat.located.identity, seat.choices).get(
        "batch_size"
    )
    if size is None:
        say(f"finding the best micro-batch of {seat.name}")
        with _playable(seat):
            size, seconds = _probe(players[0], turns)
        remember(seat.located.identity, seat.choices, batch_size=size, seconds=seconds)
    return [player.resized(int(size)) for player in players]


class Met(NamedTuple):
    """A model's players once they are tested."""

    players: list[Player]
    details: dict[str, Any]
    """What the run keeps of them: settings, weights, limits, and the verdict of the test."""


def introduce(
    seat: SeatSpec,
    players: Sequence[Player],
    known: Mapping[str, dict[str, Any]],
    turns: Turns,
    say: Say,
) -> Met:
    """Test players that are new to the run, and halve their micro-batch until it fits.

    This is the one place where it may shrink: nothing has been played at its size yet, and as
    micro-batches have a fixed shape, what fits here fits later. One that may not, or cannot, gets
    the memory that other models take, which then take turns with it.

    Args:
        seat: The model.
        players: Its replicas.
        known: What is kept already of players, by their fingerprint.
        turns: Who shares a device.
        say: Called with a line at each stage that takes long.

    Raises:
        ModelError: They cannot be played, or one device gives other answers than another.
    """
    while "invariance" not in (details := dict(known.get(players[0].fingerprint, {}))):
        if players[0].can_be_tested:
            say(f"testing {seat.name}: does an answer depend on the batch's company?")
        try:
            with _playable(seat):
                verdicts = [check_invariance(player) for player in players]
            details["invariance"] = max(verdicts, key=lambda found: found.largest)._asdict()
            break
        except ModelError as error:
            if not is_out_of_memory(error.__cause__ or error):
                raise
            size = players[0].batch_size
            stays = size == 1 or seat.settings.batch_size is not None
            if stays and not any([turns.begin(player) for player in players]):
                raise ModelError(no_memory(seat.name, size)) from error
        free_memory()
        if stays:
            continue
        players = [player.resized(size // 2) for player in players]
        say(f"{seat.name}: no memory for a micro-batch of {size}, trying {size // 2}")
        remember(seat.located.identity, seat.choices, batch_size=size // 2)
    first = players[0]
    exact = details["invariance"]["verdict"] == "bit-exact" and first.answers_the_same
    _compare(seat, players, exact=exact)
    details.update(
        answers_the_same=first.answers_the_same,
        settings=seat.settings.model_dump(mode="json"),
        identity=seat.located.identity,
        limits=first.limits(),
    )
    return Met(list(players), details)


def _probe(player: Player, turns: Turns) -> tuple[int, float]:
    try:
        return probe_batch_size(player)
    except Exception as error:
        if not is_out_of_memory(error) or not turns.begin(player):
            raise
    free_memory()
    return probe_batch_size(player)


def _compare(seat: SeatSpec, players: Sequence[Player], *, exact: bool) -> None:
    """Refuse replicas that are not the same player; asked each time, as machines change."""
    first, *others = players
    if not others:
        return
    largest = 0.0
    if first.can_be_tested:
        inputs = first.samples(first.batch_size)
        seeds = seeds_to_test(first, first.batch_size)
        with _playable(seat):
            answers = first.play(inputs, seeds)
            largest = max(
                difference(one, other)
                for player in others
                for one, other in zip(answers, player.play(inputs, seeds), strict=True)
            )
    alike = all(player.fingerprint == first.fingerprint for player in others)
    if not alike or (exact and largest > 0):
        raise ModelError(
            f"model '{seat.name}': device: its replicas give different answers to the same inputs "
            f"(by {largest:.3g}); list devices of one make only"
        )


@contextmanager
def _playable(seat: SeatSpec) -> Iterator[None]:
    """A model that cannot answer its own samples is an error to mend, before anything is played."""
    try:
        yield
    except Exception as error:
        raise ModelError(
            f"model '{seat.name}' loads but cannot be played: {type(error).__name__}: {error}"
        ) from error
