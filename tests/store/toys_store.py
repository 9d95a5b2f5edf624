"""A small run to damage."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from driftloop.steps import Call, Content, Output, Role, Step, Trajectory, image_digest
from driftloop.store import Run, create_run

SECRET = b"nothing of the run's"


def lay(folder: Path, rounds: int = 3) -> Run:
    """A run of one trajectory, and its folder."""
    run = create_run(folder)
    start = Content("text", "a ship")
    run.begin(study="{}", digest="d", prompts=[("p", start, "mine")], environment={})
    last = start
    steps = []
    for round in range(1, rounds + 1):
        for role in (Role.GENERATOR, Role.CAPTIONER):
            image = Image.new("RGB", (8, 8), (round * 40, 90, 10))
            image.putpixel((0, 0), (1, 2, 3))
            outcome = Output(image if role is Role.GENERATOR else f"caption {round}")
            call = Call(role, f"f-{role}", (last,), round)
            steps.append(Step(Trajectory("a", "p", 0), len(steps), round, role, call, outcome))
            last = outcome.reference
            assert last.value == (image_digest(image) if last.kind == "image" else outcome.content)
    for role in (Role.GENERATOR, Role.CAPTIONER):
        run.add_player(f"f-{role}", role, role, 1, {})
    run.commit(steps)
    return run
