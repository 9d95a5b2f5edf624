"""One micro-batch, played so that what cannot be answered fails by itself."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

from ..errors import ModelError, ServerError
from ..models import Player, check_outcomes, free_memory, is_out_of_memory
from ..steps import Batch, Failure, Output

Read = Callable[[Batch], list[Any]]
"""Gives the inputs of a micro-batch."""


def play_batch(player: Player, batch: Batch, read: Read) -> list[Output | Failure]:
    """Play a micro-batch, call by call where it cannot be played whole.

    Raises:
        ModelError: Memory ran out twice. The micro-batch cannot shrink any more, since what was
            played has its bits.
        ServerError: A server is gone.
    """
    try:
        return _answers(player, batch, read)
    except ServerError:
        raise
    except Exception as error:
        if not is_out_of_memory(error):
            return _one_by_one(player, batch, read, error)
    # Outside of the handler, where nothing holds on to what the attempt took.
    free_memory()
    try:
        return _answers(player, batch, read)
    except Exception as error:
        if is_out_of_memory(error):
            raise ModelError(no_memory(batch.model, player.batch_size)) from error
        return _one_by_one(player, batch, read, error)


def no_memory(name: str, size: int) -> str:
    """What to do where there is too little memory for a micro-batch."""
    if size == 1:
        return f"model '{name}': too little memory for one input; try another device or dtype"
    return (
        f"model '{name}': too little memory for its micro-batch of {size}, which decides the bits "
        f"of what it gives: free memory and play again, or set batch_size = {size // 2} and play "
        f"into a new folder"
    )


def _answers(player: Player, batch: Batch, read: Read) -> list[Output | Failure]:
    return check_outcomes(player, player.play(read(batch), batch.seeds), len(batch.calls))


def _one_by_one(
    player: Player, batch: Batch, read: Read, error: Exception
) -> list[Output | Failure]:
    if len(batch.calls) == 1:
        return [Failure(f"{type(error).__name__}: {error}", traceback.format_exc())]
    single = [Batch(batch.model, (call,), batch.number) for call in batch.calls]
    return [outcome for one in single for outcome in play_batch(player, one, read)]
