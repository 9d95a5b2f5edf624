"""The exported models, played as the loop plays them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from driftloop.models import Player, get_backend
from driftloop.postcards import bundled_names
from driftloop.steps import Output

SETTINGS: dict[str, dict[str, Any]] = {
    "postcard-sdxl": {"backend": "diffusers", "steps": 6, "guidance": 2.0, "batch_size": 16},
    "postcard-turbo": {"backend": "diffusers", "steps": 4, "guidance": 1.0, "batch_size": 16},
    "postcard-llava": {"backend": "transformers", "batch_size": 32},
    "postcard-git": {"backend": "transformers", "batch_size": 32},
}
GENERATORS = tuple(n for n in ("postcard-sdxl", "postcard-turbo") if n in bundled_names())
CAPTIONERS = ("postcard-llava", "postcard-git")
FAITHFUL, UNUSUAL = "Describe this picture", "Name what is unusual in this picture"


def cast(name: str, **changes: Any) -> Player:
    """A bundled model with the settings it is meant to be played with."""
    settings = {**SETTINGS[name], "path": f"bundled:{name}", **changes}
    backend = get_backend(settings.pop("backend"))
    checked = backend.settings.model_validate(settings)
    return backend.load(checked, backend.locate(checked))


def captioner(
    name: str, words: int | None, *, instruction: str = FAITHFUL, temperature: float = 0.0
) -> Player:
    """A captioner with a budget of words, or without one."""
    text = f"{instruction} in at most {{words}} words." if words else f"{instruction}."
    return cast(name, instruction=text, words=words, temperature=temperature)


def play(player: Player, inputs: Sequence[Any], seed: int = 0) -> list[Output]:
    """Answer any number of inputs, each with a seed of its own.

    Raises:
        RuntimeError: One of them failed.
    """
    out: list[Output] = []
    for first in range(0, len(inputs), player.batch_size):
        part = list(inputs[first : first + player.batch_size])
        for answer in player.play(part, range(seed + first, seed + first + len(part))):
            if not isinstance(answer, Output):
                raise RuntimeError(answer.reason)
            out.append(answer)
    return out
