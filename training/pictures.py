"""Training pictures as the loop will show them: rendered, decoded, noisy."""

from __future__ import annotations

import random

import numpy as np
import torch

from driftloop.postcards import Scene, World, sample_scene
from training import assemble
from training.render import render


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
        scenes = [sample_scene(self.rng, split="train", world=self.world) for _ in range(size)]
        pictures = torch.from_numpy(np.stack([render(scene) for scene in scenes]))
        return self._worn(pictures.permute(0, 3, 1, 2).float() / 127.5 - 1).clone(), scenes

    @torch.inference_mode()
    def _worn(self, pictures: torch.Tensor) -> torch.Tensor:
        drawn = len(pictures) * 3 // 8
        with torch.autocast("cpu", torch.bfloat16):
            z = self.vae.encoder(pictures[:drawn].contiguous(memory_format=torch.channels_last))
            z = z.float()
            strength = 0.7 * torch.rand(drawn, 1, 1, 1, generator=self.noise)
            z = z + strength * torch.randn(z.shape, generator=self.noise)
            decoded = self.vae.decoder(z.contiguous(memory_format=torch.channels_last))
        pictures[:drawn] = decoded.float().clamp(-1, 1)
        rest = pictures[drawn : drawn + len(pictures) // 8]
        rest += 0.15 * torch.randn(rest.shape, generator=self.noise)
        return pictures.clamp(-1, 1)
