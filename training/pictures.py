"""Training pictures as the loop will show them: rendered, decoded, noisy."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Generic, TypeVar

import numpy as np
import torch

from driftloop.postcards import Scene, World, sample_scene
from training import assemble
from training.common import DEVICE, as_input, autocast
from training.render import render
from training.siblings import sibling
from training.stream import stream

ToLearn = TypeVar("ToLearn")


class Pictures(Generic[ToLearn]):
    """Batches of a world's scenes and their pictures.

    Three pictures in eight pass through the autoencoder with noise in their latents, one in eight
    gets pixel noise: a model that learns from them reads drawn pictures as well as rendered ones.

    Args:
        world: Whose scenes.
        lesson: What is to be learnt of a batch's scenes, as (named) tuples of tensors.
        seed: Of all that is drawn.
        size: Pictures a batch.
        workers: Processes that render ahead.
        siblings: Each scene is followed by one that differs from it in one thing.
    """

    def __init__(
        self,
        world: World,
        lesson: Callable[[list[Scene], random.Random], ToLearn],
        seed: int,
        *,
        size: int,
        workers: int = 0,
        siblings: bool = False,
    ) -> None:
        self.world, self.lesson, self.size, self.siblings = world, lesson, size, siblings
        self.noise = torch.Generator(DEVICE).manual_seed(seed)
        self.vae = assemble.autoencoder().to(DEVICE, memory_format=torch.channels_last)
        self.rendered = stream(self._render, seed, workers)

    def draw(self) -> tuple[torch.Tensor, ToLearn]:
        """Pictures (size, 3, 128, 128) in [-1, 1], and what is to be learnt of them."""
        rendered, lesson = next(self.rendered)
        pictures = as_input(rendered)
        # Who is worn is drawn anew for every batch: siblings must not differ in that as a rule.
        order = torch.randperm(len(pictures), generator=self.noise, device=DEVICE)
        return self._worn(pictures[order])[order.argsort()].clone(), lesson

    def _render(self, rng: random.Random) -> tuple[np.ndarray, ToLearn]:
        count = self.size // 2 if self.siblings else self.size
        scenes = [sample_scene(rng, split="train", world=self.world) for _ in range(count)]
        if self.siblings:
            scenes = [one for scene in scenes for one in (scene, sibling(scene, rng))]
        return np.stack([render(scene) for scene in scenes]), self.lesson(scenes, rng)

    @torch.inference_mode()
    def _worn(self, pictures: torch.Tensor) -> torch.Tensor:
        drawn = len(pictures) * 3 // 8
        with autocast():
            z = self.vae.encoder(pictures[:drawn].contiguous(memory_format=torch.channels_last))
            z = z.float()
            z = z + 0.4 * self._random(torch.rand, drawn, 1, 1, 1) * self._random(
                torch.randn, *z.shape
            )
            decoded = self.vae.decoder(z.contiguous(memory_format=torch.channels_last))
        pictures[:drawn] = decoded.float().clamp(-1, 1)
        rest = pictures[drawn : drawn + len(pictures) // 8]
        rest += 0.15 * self._random(torch.randn, *rest.shape)
        return pictures.clamp(-1, 1)

    def _random(self, kind: Callable[..., torch.Tensor], *shape: int) -> torch.Tensor:
        return kind(shape, generator=self.noise, device=DEVICE)
