"""What the training scripts share: logs, starting points, checkpoints, moving averages."""

from __future__ import annotations

import argparse
import math
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from safetensors.torch import load_file

RUNS = Path(os.environ.get("TRAINING_RUNS") or Path(__file__).parent / "runs")
"""Where checkpoints lie; another folder trains anew beside them."""
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
if DEVICE.type == "cuda":
    torch.set_float32_matmul_precision("high")
Choice = TypeVar("Choice")


def here(choices: tuple[Choice, Choice]) -> Choice:
    """Of what is for a CPU and what is for a GPU, the one for where training runs."""
    return choices[DEVICE.type == "cuda"]


def machine() -> str:
    """What training runs on, for the record."""
    if DEVICE.type == "cuda":
        return f"one {torch.cuda.get_device_name()}"
    threads = torch.get_num_threads()
    return "one thread of a CPU" if threads == 1 else f"{threads} threads of a CPU"


def autocast() -> torch.autocast:
    """Products in half precision where they are trained or only used."""
    return torch.autocast(DEVICE.type, torch.bfloat16)


def milestone(text: str) -> None:
    """Add a line to the status file."""
    RUNS.mkdir(parents=True, exist_ok=True)
    with (RUNS / "STATUS.txt").open("a") as out:
        out.write(f"{time.strftime('%H:%M:%S')} {text}\n")


def cosine(done: float, peak: float, warm: float = 0.03, floor: float = 0.02) -> float:
    """The learning rate after a share `done` of the budget."""
    if done < warm:
        return peak * done / warm
    share = min(1.0, (done - warm) / (1 - warm))
    return peak * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * share)))


def save(path: Path, **state: Any) -> None:
    """Write a checkpoint; a killed writer leaves the old one whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    torch.save(state, part)
    os.replace(part, path)


def load(path: Path) -> dict[str, Any] | None:
    """Read a checkpoint, or None where there is none."""
    if not path.exists():
        return None
    return torch.load(path, map_location="cpu", weights_only=False)


def options(
    description: str | None, *, batch: tuple[int, int], rate: float | None
) -> argparse.ArgumentParser:
    """The options that every stage has.

    Args:
        description: What the stage does.
        batch: Samples a step on a CPU, and on a GPU, which would wait for Python with so few.
        rate: Its peak learning rate; None where it depends on other options.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--minutes", type=float, required=True, help="over all sittings; see training/all.py"
    )
    parser.add_argument("--batch", type=int, default=here(batch), help="samples a step")
    parser.add_argument("--rate", type=float, default=rate, help="peak learning rate")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--workers", type=int, default=0, help="processes that make batches; give a GPU several"
    )
    parser.add_argument(
        "--start",
        type=Path,
        metavar="FOLDER",
        help="start from the models in this folder (as training.export writes them), not from "
        "nothing; with --minutes 0 they are kept as they are; a checkpoint that is there already "
        "comes first",
    )
    return parser


def fraction(text: str) -> float:
    """A number from 0 to 1, for argparse."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 0 to 1")
    return value


def budget(args: argparse.Namespace) -> dict[str, Any]:
    """What the options say of a schedule."""
    return {"minutes": args.minutes, "rate": args.rate, "batch": args.batch}


def as_input(pixels: np.ndarray | torch.Tensor) -> torch.Tensor:
    """Bytes (n, height, width, 3) as networks take them: (n, 3, height, width) in [-1, 1]."""
    return torch.as_tensor(pixels, device=DEVICE).permute(0, 3, 1, 2).float() / 127.5 - 1


def plain_attention(model: Any) -> None:
    """Without the fused attention, which on CPU is slow at these lengths, backwards."""
    if DEVICE.type == "cpu":
        model.set_attn_implementation("eager")


def weights_in(file: Path) -> dict[str, torch.Tensor]:
    """Exported weights, in single precision."""
    return {key: value.float() for key, value in load_file(file).items()}


@contextmanager
def stopping() -> Iterator[list[int]]:
    """A list that fills when the process is asked to end, so that it can save first."""
    asked: list[int] = []
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(n, lambda number, frame: asked.append(number)) for n in numbers]
    try:
        yield asked
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


class Average:
    """An exponential moving average of a module's weights, which stay where they lie."""

    def __init__(self, module: torch.nn.Module, decay: float) -> None:
        self.decay = decay
        self.steps = 0
        self.state = module.state_dict()
        self.weights = {k: v.detach().clone() for k, v in self.state.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Move towards the module; faster at first, so that a short run is not its start."""
        self.steps += 1
        keep = min(self.decay, (1 + self.steps) / (10 + self.steps))
        moving = [k for k, v in self.state.items() if v.is_floating_point()]
        torch._foreach_lerp_(
            [self.weights[k] for k in moving], [self.state[k] for k in moving], 1 - keep
        )
