"""Sampling with a seed for each caption, whatever the batch.

Batched ``generate`` has no source of randomness for each sample, so the seed draws Gumbel noise on
the filtered logits of its own sample and greedy decoding does the rest: exactly sampling, with one
caption a seed (Gumbel-max trick; Maddison et al. 2014, arXiv 1411.0030).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import _torch


class GumbelSampling:
    """Adds each sample's own Gumbel noise to its filtered logits (a LogitsProcessor)."""

    def __init__(self, seeds: Sequence[int], temperature: float, top_p: float) -> None:
        self._generators = _torch.generators(seeds)
        self._temperature = temperature
        self._top_p = top_p

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Return logits whose maximum is a sample. Shapes: (batch, length), (batch, vocabulary)."""
        torch = _torch.import_torch()
        logits = torch.log_softmax(scores.float() / self._temperature, dim=-1)
        if self._top_p < 1:
            ranked, order = logits.sort(dim=-1, descending=True, stable=True)
            before = ranked.exp().cumsum(dim=-1) - ranked.exp()
            outside = (before >= self._top_p).scatter(1, order, before >= self._top_p)
            logits = logits.masked_fill(outside, -torch.inf)
        uniform = torch.stack(
            [torch.rand(logits.shape[1], generator=generator) for generator in self._generators]
        )
        tiny = torch.finfo(uniform.dtype).tiny
        exponential = (-torch.log(uniform.clamp_min(tiny))).clamp_min(tiny)
        noise = -torch.log(exponential)
        return logits + noise.to(logits.device)


class Counter:
    """Counts the tokens that ``generate`` writes (a LogitsProcessor that changes nothing).

    What ``generate`` returns begins with the prompt, with a start token or with the answer, as the
    family has it. The answer is always the end of it, one token a call of the logits processors.
    """

    def __init__(self) -> None:
        self.tokens = 0

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Count one token of every sample."""
        self.tokens += 1
        return scores
