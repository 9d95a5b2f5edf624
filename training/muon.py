"""Muon: momentum whose steps are orthogonalised, for weight matrices and convolutions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch


def orthogonalise(matrices: torch.Tensor, rounds: int = 4) -> torch.Tensor:
    """The nearest semi-orthogonal matrices, roughly, by a quintic Newton-Schulz iteration.

    Args:
        matrices: (n, rows, columns), each taken by itself.
        rounds: Iterations.
    """
    x = matrices.bfloat16()
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(rounds):
        gram = x @ x.mT
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return (x.mT if tall else x).float()


class Muon(torch.optim.Optimizer):
    """Steps are scaled to the size of AdamW's, so that rates carry over.

    Matrices of one shape are made orthogonal together: one by one they are too small for a GPU,
    which would spend the step on being told what to do.
    """

    def __init__(
        self,
        parameters: Iterable[torch.nn.Parameter],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        """Take a step."""
        for group in self.param_groups:
            weights = [w for w in group["params"] if w.grad is not None]
            if not weights:
                continue
            grads = [w.grad for w in weights]
            for weight in weights:
                if "average" not in self.state[weight]:
                    self.state[weight]["average"] = torch.zeros_like(weight)
            averages = [self.state[w]["average"] for w in weights]
            torch._foreach_mul_(averages, group["momentum"])
            torch._foreach_add_(averages, grads)
            ahead = torch._foreach_add(grads, averages, alpha=group["momentum"])
            torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
            torch._foreach_add_(weights, _orthogonal(ahead), alpha=-group["lr"])


def _orthogonal(steps: list[torch.Tensor]) -> list[torch.Tensor]:
    """Steps made orthogonal, in the size of AdamW's."""
    shapes: dict[tuple[int, int], list[int]] = defaultdict(list)
    for i, step in enumerate(steps):
        shapes[len(step), step[0].numel()].append(i)
    found = list(steps)
    for shape, members in shapes.items():
        together = torch.stack([steps[i].reshape(shape) for i in members])
        flat = orthogonalise(together) * (0.2 * max(shape) ** 0.5)
        for i, one in zip(members, flat, strict=True):
            found[i] = one.reshape(steps[i].shape)
    return found


class Both(torch.optim.Optimizer):
    """Muon for what has two dimensions or more inside a model, AdamW for all the rest.

    `ends` are parts of the names of what is at a model's ends (embeddings, first and last layers),
    where steps had better not be orthogonal; `beside` are parameters of helpers.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        lr: float,
        ends: tuple[str, ...],
        beside: Iterable[torch.nn.Parameter] = (),
    ) -> None:
        inner = [
            p
            for n, p in model.named_parameters()
            if p.ndim >= 2 and not any(end in n for end in ends)
        ]
        ids = {id(p) for p in inner}
        outer = [p for p in model.parameters() if id(p) not in ids] + list(beside)
        self.parts = [
            Muon(inner, 3.5 * lr),
            torch.optim.AdamW(outer, lr, betas=(0.9, 0.99), weight_decay=0.01, fused=True),
        ]
        super().__init__([*inner, *outer], {"lr": lr})

    def rate(self, lr: float) -> None:
        """Set the learning rate of both."""
        self.parts[0].param_groups[0]["lr"] = 3.5 * lr
        self.parts[1].param_groups[0]["lr"] = lr

    def step(self, closure: Any = None) -> None:
        """Take a step with both."""
        for part in self.parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        """The states of both."""
        return {str(i): part.state_dict() for i, part in enumerate(self.parts)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore both."""
        for i, part in enumerate(self.parts):
            part.load_state_dict(state_dict[str(i)])
