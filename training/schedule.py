"""A stretch of training that can be stopped at any time and gone on with."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from training.common import DEVICE, Average, cosine, load, machine, milestone, save, stopping
from training.record import Stretch

RAMP = 50
"""Steps over which the rate rises after each start, when the optimiser knows nothing yet."""
LOG_EVERY, SAVE_EVERY, AVERAGED = 50, 150.0, 200
"""Steps between lines of the log, seconds between checkpoints, steps that are averaged last."""


class Schedule:
    """Minutes, learning rate, checkpoint and averaged weights of one stretch.

    ::

        for share in schedule:              # of its minutes, from 0 to 1
            schedule.descend(loss, reading=reading)

    Args:
        path: The checkpoint; what is there is gone on with.
        model: What is trained, and kept as a moving average.
        optimiser: Anything with ``param_groups``, or with a method ``rate``.
        minutes: Budget, over all sittings.
        rate: Peak learning rate.
        batch: Samples a step, for the record.
        beside: Helpers that are trained along and kept in the checkpoint.
        name: What the stretch is called in the record of the weights.
        start: Where the weights come from, for the record.
        before: The stretches that made what it starts from.

    Raises:
        SystemExit: The checkpoint there was trained on the other of CPU and GPU or with other
            batches, and has minutes left.
    """

    def __init__(
        self,
        path: Path,
        model: nn.Module,
        optimiser: torch.optim.Optimizer,
        *,
        minutes: float,
        rate: float,
        batch: int,
        beside: nn.Module | None = None,
        name: str = "whole",
        start: str = "nothing",
        before: Sequence[Stretch] = (),
        decay: float = 0.998,
    ) -> None:
        self.path, self.model, self.optimiser = path, model, optimiser
        self.budget, self.peak, self.batch = minutes * 60, rate, batch
        self.beside = beside or nn.Module()
        self.parameters = [*model.parameters(), *self.beside.parameters()]
        self.average = Average(model, decay)
        self.name, self.start, self.before = name, start, list(before)
        self.spent, self.step = 0.0, 0
        if state := load(path):
            made, now = (state["device"], state["batch"]), (DEVICE.type, batch)
            if state["spent"] < self.budget and made != now:
                raise SystemExit(
                    f"{path} was trained on {state['machine']} with batches of {state['batch']}, "
                    f"whose minutes are not those of {machine()} with batches of {batch}: take it "
                    "away, and go on from exported weights with --start"
                )
            model.load_state_dict(state["model"])
            self.beside.load_state_dict(state["beside"])
            optimiser.load_state_dict(state["optimiser"])
            self.average.weights = {k: v.to(DEVICE) for k, v in state["average"].items()}
            self.average.steps = state["step"]
            self.spent, self.step, self.start = state["spent"], state["step"], state["start"]
            self.before = [Stretch(*stretch) for stretch in state["before"]]
        self.first = self.step
        self.losses: dict[str, deque[torch.Tensor]] = defaultdict(partial(deque, maxlen=AVERAGED))

    def __iter__(self) -> Iterator[float]:
        """Give the share of the budget that is spent, once a step, until it is all spent.

        Raises:
            SystemExit: Asked to end, by SIGTERM or Ctrl-C; it has saved.
        """
        with stopping() as stop:
            yield from self._steps(stop)
        if self.step > self.first or not self.path.exists():
            self._save()
            recent = self._recent(AVERAGED)
            milestone(f"{self.path.stem}: {self.step} steps of {self.batch}, {recent}")
        if stop:
            raise SystemExit(128 + stop[0])

    def _steps(self, stop: list[int]) -> Iterator[float]:
        saved = last = time.time()
        while self.spent < self.budget and not stop:
            share = self.spent / self.budget
            ramp = min(1.0, (self.step - self.first + 1) / RAMP)
            self._rate(ramp * cosine(share, self.peak))
            yield share
            self.step += 1
            now = time.time()
            self.spent, last = self.spent + now - last, now
            if self.step % LOG_EVERY == 0:
                recent = self._recent(LOG_EVERY)
                print(f"{self.path.stem} {self.spent:.0f}s step {self.step} {recent}", flush=True)
            if now - saved > SAVE_EVERY:
                saved = now
                self._save()

    def descend(self, loss: torch.Tensor, **parts: torch.Tensor | float) -> None:
        """Take one step down a loss, and note it with its parts."""
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimiser.step()
        self.average.update()
        for name, value in {"loss": loss, **parts}.items():
            # As tensors: to read one is to wait for the GPU.
            self.losses[name].append(torch.as_tensor(value).detach())

    def _rate(self, rate: float) -> None:
        if hasattr(self.optimiser, "rate"):
            self.optimiser.rate(rate)
        else:
            for group in self.optimiser.param_groups:
                group["lr"] = rate

    def _recent(self, steps: int) -> str:
        means = {k: torch.stack([*v][-steps:]).float().mean() for k, v in self.losses.items()}
        return " ".join(f"{k} {mean:.4f}" for k, mean in means.items())

    def _save(self) -> None:
        save(
            self.path,
            model=self.model.state_dict(),
            beside=self.beside.state_dict(),
            optimiser=self.optimiser.state_dict(),
            average=self.average.weights,
            spent=self.spent,
            step=self.step,
            batch=self.batch,
            device=DEVICE.type,
            machine=machine(),
            name=self.name,
            start=self.start,
            before=[tuple(stretch) for stretch in self.before],
        )


def trained(path: Path) -> dict[str, Any]:
    """The checkpoint of a stretch.

    Raises:
        FileNotFoundError: It was not trained yet; the message says how.
    """
    state = load(path)
    if state is None:
        raise FileNotFoundError(f"{path.name} is not there: run the stages before this one first")
    return state
