"""Train the UNet of postcard-sdxl on latents of training scenes and their captions.

In two stretches. First, objects: rare ones nearly as often as others, and the cells of the picture
where they are weigh more, which teaches them several times faster than plain sampling. Then the
prior: scenes as the world has them and every cell alike, so that what a caption leaves open is
refilled as `world.toml` says. From there, one on a skewed world makes the start of postcard-turbo.
"""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path

import numpy as np
import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import nn
from transformers import CLIPTokenizer

from driftloop.postcards import WORLD, Scene, World, sample_scene
from training import assemble
from training.common import DEVICE, RUNS, as_input, autocast, budget, fraction, options, weights_in
from training.data import prompt
from training.muon import Both
from training.record import Stretch, history, read
from training.render import render, stamps
from training.schedule import Schedule, trained
from training.stream import stream
from training.train_text import LENGTH, encode, spell

SIDE = 128.0
OBJECTS = WORLD.tempered(0.3)
"""What the first stretch is trained on."""
RATES = {"objects": 1e-3, "prior": 1e-3}
"""Peak learning rates; one for what goes on from a trained prior is `GENTLE`."""
GENTLE = 2.5e-4
"""Its stretch is short: with larger steps more would be undone than is learnt."""
PROMPTS = 4
"""Prompts of a scene, of which each time that it is drawn one is taken: it is drawn about five
times while it is in the pool."""


def checkpoint(stretch: str) -> Path:
    """Where a stretch keeps its state: objects, and then a prior of its own for each world."""
    return RUNS / f"unet-{stretch}.pt"


class Pool:
    """Latents of scenes, with prompts for each; it grows while training goes on.

    Args:
        world: Whose scenes.
        tokenizer: Spells their prompts.
        capacity: Scenes that it holds; once it is full, new ones replace the oldest.
        batch: Scenes that are drawn at a step.
        first: Scenes that it starts with.
        seed: Of all that is drawn.
        fresh: Share of a batch that it grows by.
        extra: See `object_weights`.
        full: How often a prompt is as long as can be.
        workers: Processes that render ahead.
    """

    def __init__(
        self,
        world: World,
        tokenizer: CLIPTokenizer,
        capacity: int,
        *,
        batch: int,
        first: int,
        seed: int,
        fresh: float,
        extra: float,
        full: float,
        workers: int,
    ) -> None:
        self.world, self.tokenizer = world, tokenizer
        self.batch, self.fresh = batch, max(1, round(fresh * batch))
        self.extra, self.full = extra, full
        self.vae = assemble.autoencoder().to(DEVICE, memory_format=torch.channels_last)
        self.chance = torch.Generator(DEVICE).manual_seed(seed)
        self.made = stream(self._make, seed, workers)
        self.size, self.oldest = 0, 0
        half = partial(torch.empty, dtype=torch.float16, device=DEVICE)
        self.latents, self.weights = half(capacity, 8, 16, 16), half(capacity, 1, 16, 16)
        self.prompts = torch.empty(capacity, PROMPTS, LENGTH, dtype=torch.int16, device=DEVICE)
        while self.size < min(first, capacity):
            self.grow()

    def _make(self, rng: random.Random) -> tuple[np.ndarray, torch.Tensor, torch.Tensor]:
        scenes = [sample_scene(rng, split="train", world=self.world) for _ in range(self.fresh)]
        pictures = np.stack([render(scene) for scene in scenes])
        texts = [
            prompt(scene, rng, rough=0.2, full=self.full)
            for scene in scenes
            for _ in range(PROMPTS)
        ]
        weights = torch.stack([object_weights(scene, self.extra) for scene in scenes])
        return pictures, weights, spell(self.tokenizer, texts).view(-1, PROMPTS, LENGTH)

    @torch.inference_mode()
    def grow(self) -> None:
        """Add fresh scenes."""
        pictures, weights, prompts = next(self.made)
        x = as_input(pictures)
        with autocast():
            latents = self.vae.encoder(x.contiguous(memory_format=torch.channels_last))
        capacity = len(self.latents)
        places = (torch.arange(len(x), device=DEVICE) + self.oldest) % capacity
        self.latents[places] = latents.half()
        self.weights[places] = weights.half()
        self.prompts[places] = prompts.to(torch.int16)
        self.oldest = (self.oldest + len(x)) % capacity
        self.size = min(self.size + len(x), capacity)

    def draw(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """A random batch: latents, the weights of their cells, one of each scene's prompts."""
        pick = partial(torch.randint, generator=self.chance, device=DEVICE)
        chosen, told = pick(self.size, (self.batch,)), pick(PROMPTS, (self.batch,))
        latents, weights = self.latents[chosen].float(), self.weights[chosen].float()
        return latents, weights, self.prompts[chosen, told].long()


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
    parser = options(__doc__, batch=(32, 256), rate=None)
    parser.add_argument(
        "--stretch",
        default="objects",
        choices=["objects", "prior", *WORLD.skews],
        help="objects first; then prior; then the prior of a skewed world",
    )
    parser.add_argument("--pool", type=int, default=60_000)
    parser.add_argument("--first", type=int, default=3_000, help="scenes to start with")
    parser.add_argument("--fresh", type=fraction, default=0.19, help="share of new scenes")
    parser.add_argument(
        "--compile",
        action="store_true",
        help="compile the network: takes a minute and a C++ compiler; steps may get shorter",
    )
    args = parser.parse_args()
    args.rate = args.rate or RATES.get(args.stretch, GENTLE)
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
        tokenizer,
        args.pool,
        batch=args.batch,
        first=args.first,
        seed=3000 + schedule.step,
        fresh=args.fresh,
        extra=extra,
        full=0.5,
        workers=args.workers,
    )
    for _ in schedule:
        pool.grow()
        latents, weights, ids = pool.draw()
        tokens, added = conditions(encoders, ids, drop=0.1)
        noise = torch.randn_like(latents)
        # Stratified: every batch sees the whole range of noise; more of the noisy end, where it is
        # decided what stands where.
        even = torch.arange(args.batch, device=DEVICE)
        share = (even + torch.rand_like(even, dtype=torch.float32)) / args.batch
        when = (share**0.75 * 1000).long().clamp(max=999)
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
    before = {"objects": None, "prior": "objects"}.get(stretch, "prior")
    if before:
        first = trained(checkpoint(before))
        return first["average"], f"the {before}", history(first)
    if start is None:
        return None, "nothing", []
    folder = start / "postcard-sdxl"
    weights = weights_in(folder / "unet" / "diffusion_pytorch_model.safetensors")
    return weights, "the weights before it", read(folder).get("UNet", [])


@torch.no_grad()
def conditions(
    encoders: nn.ModuleList, ids: torch.Tensor, drop: float
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """What the UNet is told of each prompt; a share of them is dropped, as guidance needs it."""
    with autocast():
        tokens, pooled = encode(encoders, ids)
    # The pipeline's unconditional embedding is zeros (force_zeros_for_empty_prompt).
    keep = (torch.rand(len(ids), device=DEVICE) > drop).float()
    sides = torch.tensor([[SIDE, SIDE, 0, 0, SIDE, SIDE]], device=DEVICE).expand(len(ids), -1)
    added = {"text_embeds": pooled.float() * keep[:, None], "time_ids": sides}
    return tokens.float() * keep[:, None, None], added


if __name__ == "__main__":
    main()
