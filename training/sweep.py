"""Compare settings of a generator, on scenes that nothing else is measured on.

What a generator is meant to be played with (`training.players.SETTINGS`) is chosen from this, so it
must not be the held-out scenes that its figures are reported on.
"""

from __future__ import annotations

import random
from typing import Any

from driftloop.postcards import caption, home_world, sample_scene
from training.players import SETTINGS, captioner, cast, play
from training.tally import compare

READER = "postcard-llava"
FULL = 60
"""Words: room for all that there is to tell of any scene."""
GRID: dict[str, list[tuple[int, float]]] = {
    "postcard-sdxl": [(3, 2), (4, 2), (6, 1), (6, 1.5), (6, 2), (6, 3), (6, 5), (10, 2)],
    "postcard-turbo": [(2, 1), (3, 1), (4, 1), (4, 1.5), (6, 1)],
}
"""Steps and guidance; guidance 1 is none."""


def sweep_figures(name: str, n: int) -> list[dict[str, Any]]:
    """How many asked objects are found, and how right the rest is, with each setting.

    Args:
        name: A generator.
        n: Scenes, of its own world, the same for each setting.
    """
    rng = random.Random(f"settings of {name}")
    scenes = [sample_scene(rng, split="train", world=home_world(name)) for _ in range(n)]
    texts = [caption(scene, FULL, rng, plain=1.0) for scene in scenes]
    reader = captioner(READER, None)
    rows = []
    for steps, guidance in GRID[name]:
        drawn = play(cast(name, steps=steps, guidance=guidance), texts)
        read = play(reader, [output.content for output in drawn])
        usual = SETTINGS[name]
        rows.append(
            {
                "steps": steps,
                "guidance": guidance,
                "evaluations": steps * (2 if guidance > 1 else 1),
                "chosen": (steps, guidance) == (usual["steps"], usual["guidance"]),
                "figures": compare(scenes, [output.content for output in read]),
            }
        )
    return rows
