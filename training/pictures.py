"""Training pictures as the loop will show them: rendered, decoded, noisy."""

from __future__ import annotations

import random

import numpy as np
import torch

from driftloop.postcards import Scene, World, sample_scene
from training import assemble
from training.render import render
from training.siblings import sibling


class Pictures:
    """Scenes of a world and their pictures.

    Three pictures in eight pass through the autoencoder with noise in their latents, one in eight
    gets pixel noise: whoever learns from them reads drawn pictures as well as rendered ones.
    """

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.rng = random.Random(seed)
        self.noise = torch.Generator().manual_seed(seed)
        self.vae = assemble.autoencoder().to(memory_format=torch.channels_last)

    def draw(self, size: int) -> tuple[torch.Tensor, list[Scene]]:
        """Pictures (size, 3, 128, 128) in [-1, 1], and the scenes they are of."""
        scenes = self._scenes(size)
        return self._of(scenes), scenes

    def draw_siblings(self, size: int) -> tuple[torch.Tensor, list[Scene]]:
        """As `draw`, each scene followed by one that differs from it in one thing."""
        pairs = ((scene, sibling(scene, self.rng)) for scene in self._scenes(size // 2))
        scenes = [scene for pair in pairs for scene in pair]
        return self._of(scenes), scenes

    def _scenes(self, count: int) -> list[Scene]:
        return [sample_scene(self.rng, split="train", world=self.world) for _ in range(count)]

    def _of(self, scenes: list[Scene]) -> torch.Tensor:
        pictures = torch.from_numpy(np.stack([render(scene) for scene in scenes]))
        # Who is worn is drawn anew for every batch: siblings must not differ in that as a rule.
        order = torch.randperm(len(scenes), generator=self.noise)
        worn = self._worn(pictures[order].permute(0, 3, 1, 2).float() / 127.5 - 1)
        return worn[order.argsort()].clone()

    @torch.inference_mode()
    def _worn(self, pictures: torch.Tensor) -> torch.Tensor:
        drawn = len(pictures) * 3 // 8
        with torch.autocast("cpu", torch.bfloat16):
            z = self.vae.encoder(pictures[:drawn].contiguous(memory_format=torch.channels_last))
            z = z.float()
            strength = 0.4 * torch.rand(drawn, 1, 1, 1, generator=self.noise)
            z = z + strength * torch.randn(z.shape, generator=self.noise)
            decoded = self.vae.decoder(z.contiguous(memory_format=torch.channels_last))
        pictures[:drawn] = decoded.float().clamp(-1, 1)
        rest = pictures[drawn : drawn + len(pictures) // 8]
        rest += 0.15 * torch.randn(rest.shape, generator=self.noise)
        return pictures.clamp(-1, 1)
