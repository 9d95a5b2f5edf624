"""Train the UNet of postcard-sdxl on latents of training scenes and their captions.

In two stretches. First, objects: rare ones nearly as often as others, and the cells of the picture
where they are weigh more, which teaches them several times faster than plain sampling. Then the
prior: scenes as the world has them and every cell alike, so that what a caption leaves open is
refilled as `world.toml` says. A second stretch on a skewed world makes the start of postcard-turbo.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor

from driftloop.postcards import WORLD, Scene, World, sample_scene
from training import assemble
from training.common import DEVICE, RUNS, as_input, autocast, budget, options, weights_in
from training.data import prompt
from training.muon import Both
from training.record import Stretch, history, read
from training.render import render, stamps
from training.schedule import Schedule, trained
from training.stream import stream
from training.train_text import encode

SIDE = 128.0
OBJECTS = WORLD.tempered(0.3)
"""What the first stretch is trained on."""


def checkpoint(stretch: str) -> Path:
    """Where a stretch keeps its state: objects, and then a prior of its own for each world."""
    return RUNS / f"unet-{stretch}.pt"


class Pool:
    """Scenes with their latents; it grows while training goes on.

    Args:
        world: Whose scenes.
        capacity: Scenes that it holds; once it is full, new ones replace the oldest.
        seed: Of all that is drawn.
        fresh: Scenes that it grows by.
        extra: See `object_weights`.
        workers: Processes that render ahead.
    """

    def __init__(
        self, world: World, capacity: int, seed: int, *, fresh: int, extra: float, workers: int
    ) -> None:
        self.world, self.extra, self.fresh = world, extra, fresh
        self.vae = assemble.autoencoder().to(DEVICE, memory_format=torch.channels_last)
        self.rng = random.Random(seed)
        self.rendered = stream(self._render, seed, workers)
        self.capacity = capacity
        self.scenes: list[Scene] = []
        self.latents = torch.empty(capacity, 8, 16, 16, dtype=torch.float16)
        self.weights = torch.empty(capacity, 1, 16, 16, dtype=torch.float16)
        self.next = 0

    def _render(self, rng: random.Random) -> tuple[np.ndarray, list[Scene]]:
        scenes = [sample_scene(rng, split="train", world=self.world) for _ in range(self.fresh)]
        return np.stack([render(scene) for scene in scenes]), scenes

    @torch.inference_mode()
    def grow(self) -> None:
        """Add fresh scenes."""
        pictures, scenes = next(self.rendered)
        x = as_input(pictures)
        with autocast():
            latents = self.vae.encoder(x.contiguous(memory_format=torch.channels_last))
        for scene, latent in zip(scenes, latents.half().cpu(), strict=True):
            if len(self.scenes) < self.capacity:
                self.scenes.append(scene)
            else:
                self.scenes[self.next] = scene
            self.latents[self.next] = latent
            self.weights[self.next] = object_weights(scene, self.extra)
            self.next = (self.next + 1) % self.capacity

    def draw(self, count: int) -> tuple[torch.Tensor, torch.Tensor, list[Scene]]:
        """A random batch: latents, the weights of their cells, scenes."""
        chosen = self.rng.choices(range(len(self.scenes)), k=count)
        scenes = [self.scenes[i] for i in chosen]
        latents, weights = self.latents[chosen], self.weights[chosen]
        return latents.to(DEVICE).float(), weights.to(DEVICE).float(), scenes


def object_weights(scene: Scene, extra: float) -> torch.Tensor:
    """Weights (1, 16, 16) of the latent's cells, larger where objects are; their mean is 1.

    A network that cannot do everything yet looks here first: backgrounds are learnt in minutes,
    objects are not. The weights depend on the scene, so where a caption leaves open whether there
    is an object they pull the prediction towards one; the second stretch, with `extra` 0, takes
    that bias of the prior out again.
    """
    weights = torch.ones(1, 16, 16)
    for thing in scene.objects:
        for left, top, size in stamps(thing):
            end = size + 7
            weights[:, top // 8 : (top + end) // 8, left // 8 : (left + end) // 8] = 1 + extra
    return weights / weights.mean()


def main() -> None:
    """Train, or go on training, a stretch for a budget of minutes."""
    parser = options(__doc__, minutes=60, batch=32, rate=1e-3)
    parser.add_argument(
        "--stretch",
        default="objects",
        choices=["objects", "prior", *WORLD.skews],
        help="objects first; then prior, or the prior of a skewed world",
    )
    parser.add_argument("--pool", type=int, default=60_000)
    parser.add_argument("--first", type=int, default=6_000, help="scenes to start with")
    parser.add_argument("--fresh", type=int, default=6, help="new scenes at each step")
    parser.add_argument(
        "--compile",
        action="store_true",
        help="compile the network: takes a minute and a C++ compiler; steps may get shorter",
    )
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(3)
    model = assemble.unet()
    weights, start, before = _beginning(args.stretch, args.start)
    model.load_state_dict(weights or model.state_dict())
    prepare(model)
    if args.compile:
        model.compile()
    ends = ("conv_in", "conv_out", "time_embedding", "add_embedding")
    schedule = Schedule(
        checkpoint(args.stretch),
        model,
        Both(model, args.rate, ends=ends),
        **budget(args),
        name=args.stretch,
        start=start,
        before=before,
    )
    tokenizer, encoders = assemble.text_encoders()
    encoders.to(DEVICE)
    noise_schedule = DDPMScheduler(**assemble.SCHEDULE)
    if args.stretch == "objects":
        world, extra = OBJECTS, 5.0
    else:
        world, extra = WORLD if args.stretch == "prior" else WORLD.skewed(args.stretch), 0.0
    pool = Pool(
        world,
        args.pool,
        3000 + schedule.step,
        fresh=args.fresh,
        extra=extra,
        workers=args.workers,
    )
    while len(pool.scenes) < args.first:
        pool.grow()
    rng = random.Random(4000 + schedule.step)
    for _ in schedule:
        pool.grow()
        latents, weights, scenes = pool.draw(args.batch)
        texts = [prompt(scene, rng, rough=0.2, full=0.5) for scene in scenes]
        tokens, added = conditions(tokenizer, encoders, texts, drop=0.1)
        noise = torch.randn_like(latents)
        # Stratified: every batch sees the whole range of noise; more of the noisy end, where it is
        # decided what stands where.
        share = (torch.arange(args.batch) + torch.rand(args.batch)) / args.batch
        when = (share**0.75 * 1000).long().clamp(max=999).to(DEVICE)
        noisy = noise_schedule.add_noise(latents, noise, when)
        target = noise_schedule.get_velocity(latents, noise, when)
        with autocast():
            said = model(
                noisy.contiguous(memory_format=torch.channels_last),
                when,
                tokens,
                added_cond_kwargs=added,
            ).sample
        schedule.descend((weights * (said.float() - target).square()).mean())


def prepare(model: UNet2DConditionModel) -> None:
    """Put a UNet where it is trained, in the shape that is fastest there."""
    model.to(DEVICE, memory_format=torch.channels_last)
    if DEVICE.type == "cpu":
        # The fused attention's backward pass costs more than the products it saves.
        model.set_attn_processor(AttnProcessor())


def _beginning(
    stretch: str, start: Path | None
) -> tuple[dict[str, torch.Tensor] | None, str, list[Stretch]]:
    """The weights that a stretch begins with (None: random ones), their name and their history."""
    if stretch != "objects":
        first = trained(checkpoint("objects"))
        return first["average"], "the objects", history(first)
    if start is None:
        return None, "nothing", []
    folder = start / "postcard-sdxl"
    weights = weights_in(folder / "unet" / "diffusion_pytorch_model.safetensors")
    return weights, "the weights before it", read(folder).get("UNet", [])


@torch.no_grad()
def conditions(
    tokenizer: Any, encoders: Any, texts: list[str], drop: float
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """What the UNet is told of each prompt; a share of them is dropped, as guidance needs it."""
    with autocast():
        tokens, pooled = encode(tokenizer, encoders, texts)
    # The pipeline's unconditional embedding is zeros (force_zeros_for_empty_prompt).
    keep = (torch.rand(len(texts)) > drop).float().to(DEVICE)
    sides = torch.tensor([[SIDE, SIDE, 0, 0, SIDE, SIDE]], device=DEVICE).expand(len(texts), -1)
    added = {"text_embeds": pooled.float() * keep[:, None], "time_ids": sides}
    return tokens.float() * keep[:, None, None], added


if __name__ == "__main__":
    main()
