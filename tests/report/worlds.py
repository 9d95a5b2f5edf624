"""Runs made by hand: pictures drawn with Pillow, captions from a word list, no model."""

from __future__ import annotations

import hashlib
import json
import random
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from driftloop.steps import Call, Content, Failure, Output, Role, Step, Trajectory, image_digest
from driftloop.store import Run, create_run

PLACES = {"sea": "#3a78a8", "meadow": "#6c9c4a", "snow": "#dfe6ec", "desert": "#d8b36a"}
SKIES = {"morning": "#f2c9a0", "noon": "#a9d0ee", "night": "#1d2440"}
THINGS = {
    "ship": "#8a3b2a",
    "moon": "#f5eeb8",
    "tree": "#23572b",
    "house": "#b5533c",
    "cat": "#555555",
}

Writer = Callable[[random.Random, str, int], str]
Flags = Callable[[Trajectory, int], dict[str, Any]]


def draw(text: str, rng: random.Random, side: int = 32) -> Image.Image:
    """A picture that shows what the text names, and something else where it names nothing."""

    def named(choices: dict[str, str]) -> str:
        return next((choices[w] for w in choices if w in text), rng.choice([*choices.values()]))

    image = Image.new("RGB", (side, side), named(SKIES))
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, side * 0.6, side, side), fill=named(PLACES))
    for colour in [c for word, c in THINGS.items() if word in text] or [named(THINGS)]:
        x, y = rng.uniform(0.1, 0.7) * side, rng.uniform(0.3, 0.7) * side
        pen.ellipse((x, y, x + side * 0.25, y + side * 0.25), fill=colour)
    return image


def write(rng: random.Random, previous: str, round: int) -> str:
    """A caption that forgets the one before word by word, and ends in a few motifs."""
    pools = (THINGS, PLACES, SKIES)
    kept = [next((w for w in pool if w in previous), None) for pool in pools]
    words = [
        word if word and rng.random() < 0.85 else rng.choice([*pool][:2])
        for word, pool in zip(kept, pools, strict=True)
    ]
    return f"A {words[0]} on the {words[1]} in the {words[2]}."


def make_run(
    folder: Path,
    *,
    prompts: Sequence[str | Image.Image] = (
        "a ship on the sea",
        "a red house",
        "two cats at night",
    ),
    arms: Sequence[str] = ("autonomous",),
    twins: int = 2,
    rounds: int = 6,
    side: int = 32,
    write: Writer = write,
    lengths: dict[Trajectory, int] | None = None,
    failing: dict[Trajectory, str] | None = None,
    flags: Flags = lambda trajectory, index: {},
    title: str = "A hand-made run",
) -> Run:
    """Play a loop without models, into a store.

    Args:
        folder: The run folder.
        prompts: Texts, or pictures for networks that a captioner opens.
        arms: Names.
        twins: Trajectories a prompt.
        rounds: Rounds a trajectory.
        side: Pixels of a picture's sides.
        write: Gives a caption from a random generator, the caption before and the round.
        lengths: Steps of trajectories that are shorter.
        failing: Trajectories whose next step after the last is a failure, and why.
        flags: Further fields of the output of a trajectory's step.
        title: The study's.
    """
    run = create_run(folder)
    ids = [f"prompt-{number}" for number in range(len(prompts))]
    starts = [
        Content("text", p) if isinstance(p, str) else Content("image", image_digest(p))
        for p in prompts
    ]
    opens = Role.GENERATOR if starts and starts[0].kind == "text" else Role.CAPTIONER
    network = ["draw", "look"] if opens is Role.GENERATOR else ["look", "draw"]
    study = {
        "title": title, "seed": 7, "rounds": rounds, "twins": twins,
        "prompts": [
            {"id": id, **({"text": p} if isinstance(p, str) else {"image": f"/somewhere/{id}.png"})}
            for id, p in zip(ids, prompts, strict=True)
        ],
        "models": {"draw": {"backend": "toy"}, "look": {"backend": "toy"}},
        "arms": [{"name": arm, "network": network} for arm in arms],
    }  # fmt: skip
    run.begin(
        study=json.dumps(study),
        digest=hashlib.sha256(json.dumps(study).encode()).hexdigest(),
        prompts=[(id, start, "hand") for id, start in zip(ids, starts, strict=True)],
        environment={"python": "3.11", "cores": 2, "versions": {"driftloop": "0"}},
    )
    for model, role in (("draw", Role.GENERATOR), ("look", Role.CAPTIONER)):
        details = {
            "settings": {"path": "toy", "steps": 8},
            "limits": {"prompt tokens": 75},
            "invariance": {"verdict": "bit-exact", "different": 0, "compared": 9, "largest": 0.0},
        }
        run.add_player(f"{model}-fingerprint", model, role, 4, details)
    for prompt in prompts:
        if not isinstance(prompt, str):
            run.put_image(prompt, image_digest(prompt))
    for arm in arms:
        for id, prompt, start in zip(ids, prompts, starts, strict=True):
            for twin in range(twins):
                name = Trajectory(arm, id, twin)
                length = (lengths or {}).get(name, rounds * 2)
                why = (failing or {}).get(name)
                steps = _play(name, start, prompt, opens, length, why, side, write, flags)
                run.commit(steps, started=1_700_000_000.0, seconds=0.01 * len(steps))
    run.end("finished")
    return run


def _play(
    name: Trajectory, start: Content, prompt: str | Image.Image, opens: Role, length: int,
    failure: str | None, side: int, write: Writer, flags: Flags,
) -> list[Step]:  # fmt: skip
    steps = []
    last = start
    text = prompt if isinstance(prompt, str) else ""
    for index in range(length + (failure is not None)):
        drawing = (index % 2 == 0) == (opens is Role.GENERATOR)
        role = Role.GENERATOR if drawing else Role.CAPTIONER
        model = "draw" if drawing else "look"
        seed = zlib.crc32(f"{name}|{index}".encode())
        call = Call(model, f"{model}-fingerprint", (last,), seed)
        outcome: Output | Failure
        if failure is not None and index == length:
            outcome = Failure(failure)
        elif drawing:
            outcome = Output(draw(text, random.Random(seed), side), **flags(name, index))
        else:
            text = write(random.Random(seed), text, index // 2 + 1)
            outcome = Output(text, **flags(name, index))
        steps.append(Step(name, index, index // 2 + 1, role, call, outcome))
        if isinstance(outcome, Output):
            last = outcome.reference
    return steps
