"""Train the autoencoder: 128 x 128 x 3 to 16 x 16 x 8 and back.

In two stretches. First the whole of it. Then the decoder alone, which may go on at any time: the
encoder and its latents, which the UNet is trained on, stay as they are. It learns from latents with
some noise, as a diffusion model will give it.
"""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny

from driftloop.postcards import WORLD, sample_scene
from training.common import DEVICE, RUNS, as_input, autocast, budget, options, weights_in
from training.muon import Both
from training.record import history, read
from training.render import render
from training.schedule import Schedule, trained
from training.stream import stream

NOISE = {"whole": 0.08, "decoder": 0.12}
"""Standard deviation of what is added to latents, whose own is about 1. A decoder that forgives
small errors in the latents forgives the diffusion model too."""
ENDS = ("encoder.layers.0.", "encoder.layers.9.", "decoder.layers.0.", "decoder.layers.15.")
EVEN = WORLD.tempered(0.3)
"""What is rare has to be kept as sharp as what is not."""


def checkpoint(stretch: str) -> Path:
    """Where a stretch keeps its state."""
    return RUNS / f"autoencoder-{stretch}.pt"


def build() -> AutoencoderTiny:
    """No blocks at full resolution: on CPU they would cost more than all the rest.

    The decoder is the wider half: it runs once a picture, the UNet many times.
    """
    return AutoencoderTiny(
        encoder_block_out_channels=(48,) * 4,
        decoder_block_out_channels=(64,) * 4,
        num_encoder_blocks=(0, 1, 2, 2),
        num_decoder_blocks=(3, 3, 1, 0),
        latent_channels=8,
        scaling_factor=1.0,
    )


def batch(rng: random.Random, size: int) -> np.ndarray:
    """Pictures of training scenes; now and then whole ones, for what the borders do."""
    if rng.random() > 1 / 8:
        return crops(rng, size)
    scenes = [sample_scene(rng, split="train", world=EVEN) for _ in range(size // 4)]
    return np.stack([render(scene) for scene in scenes])


def crops(rng: random.Random, size: int, side: int = 64) -> np.ndarray:
    """Parts of pictures, most of them around an object.

    The model is convolutional: a part teaches as much as a picture, at a quarter of the cost,
    and objects, which are what is hard, fill more of it.
    """
    parts = []
    for _ in range(size):
        scene = sample_scene(rng, split="train", world=EVEN)
        left, top = 8 * rng.randint(0, 8), 8 * rng.randint(0, 8)
        if rng.random() < 0.85:
            place = rng.choice(scene.objects).place
            left = WORLD.layout["places"][place] + 8 * rng.randint(-4, 1)
            top = 8 * (rng.randint(0, 1) if place.startswith("upper") else rng.randint(6, 8))
        left = min(max(left, 0), 128 - side)
        parts.append(render(scene)[top : top + side, left : left + side])
    return np.stack(parts)


def error_of(y: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss of a reconstruction, and its plain mean squared error."""
    edges = torch.zeros_like(x[:, :1])
    edges[..., 1:, :] += (x[..., 1:, :] - x[..., :-1, :]).abs().amax(1, keepdim=True)
    edges[..., :, 1:] += (x[..., :, 1:] - x[..., :, :-1]).abs().amax(1, keepdim=True)
    edges = torch.nn.functional.max_pool2d(edges, 3, 1, 1)
    weight = 0.5 + 2 * edges.clamp(max=1)
    error = y - x
    fit = (weight * (error.abs() + 2 * error.square())).mean()
    return fit, error.detach().square().mean()


def main() -> None:
    """Train, or go on training, a stretch for a budget of minutes."""
    parser = options(__doc__, batch=(16, 128), rate=1e-3)
    parser.add_argument("--stretch", default="whole", choices=list(NOISE))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    model = build()
    start, before = "nothing", []
    if args.stretch == "decoder":
        first = trained(checkpoint("whole"))
        model.load_state_dict(first["average"])
        start, before = "the stretch before it", history(first)
        model.encoder.requires_grad_(False)
    elif args.start:
        folder = args.start / "postcard-sdxl"
        model.load_state_dict(weights_in(folder / "vae" / "diffusion_pytorch_model.safetensors"))
        start, before = "the weights before it", read(folder).get("autoencoder", [])
    model = model.to(DEVICE, memory_format=torch.channels_last)
    schedule = Schedule(
        checkpoint(args.stretch),
        model,
        Both(model, args.rate, ends=ENDS),
        **budget(args),
        name=args.stretch,
        start=start,
        before=before,
    )
    pictures = stream(partial(batch, size=args.batch), 1000 + schedule.step, args.workers)
    for _ in schedule:
        x = as_input(next(pictures))
        x = x.contiguous(memory_format=torch.channels_last)
        with autocast():
            z = model.encoder(x)
            y = model.decoder(z + NOISE[args.stretch] * torch.randn_like(z))
        fit, error = error_of(y.float(), x)
        mean, std = z.float().mean((0, 2, 3)), z.float().std((0, 2, 3))
        pull = mean.square().mean() + (std - 1).square().mean()
        schedule.descend(fit + 0.02 * pull, mse=error)


if __name__ == "__main__":
    main()
