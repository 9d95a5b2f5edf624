"""Train the autoencoder: 128 x 128 x 3 to 16 x 16 x 8 and back."""

from __future__ import annotations

import argparse
import random
import time

import numpy as np
import torch
from diffusers import AutoencoderTiny
from PIL import Image
from safetensors.torch import load_file

from driftloop.postcards import WORLD, sample_scene
from training.common import RUNS, Average, cosine, load, milestone, save, starting_point
from training.render import render

CHECKPOINT = RUNS / "autoencoder.pt"
EVEN = WORLD.tempered(0.3)
"""What is rare has to be kept as sharp as what is not."""


def build(decoder: int = 48) -> AutoencoderTiny:
    """No blocks at full resolution: on CPU they would cost more than all the rest."""
    return AutoencoderTiny(
        encoder_block_out_channels=(48,) * 4,
        decoder_block_out_channels=(decoder,) * 4,
        num_encoder_blocks=(0, 1, 2, 2),
        num_decoder_blocks=(3, 3, 1, 0),
        latent_channels=8,
        scaling_factor=1.0,
    )


def batch(rng: random.Random, size: int) -> torch.Tensor:
    """Pictures of training scenes in [-1, 1]."""
    pictures = np.stack([render(sample_scene(rng, split="train", world=EVEN)) for _ in range(size)])
    return _tensor(pictures)


def crops(rng: random.Random, size: int, side: int = 64) -> torch.Tensor:
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
    return _tensor(np.stack(parts))


def _tensor(pictures: np.ndarray) -> torch.Tensor:
    tensor = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
    return tensor.contiguous(memory_format=torch.channels_last)


def loss_of(model: AutoencoderTiny, x: torch.Tensor) -> tuple[torch.Tensor, float]:
    """Reconstruction error, more of it where the picture has edges, and a unit-variance pull."""
    with torch.autocast("cpu", torch.bfloat16):
        z = model.encoder(x)
        # A decoder that forgives small errors in the latents forgives the diffusion model too.
        y = model.decoder(z + 0.08 * torch.randn_like(z))
    fit, error = error_of(y.float(), x)
    mean, std = z.float().mean((0, 2, 3)), z.float().std((0, 2, 3))
    pull = mean.square().mean() + (std - 1).square().mean()
    return fit + 0.02 * pull, error


def error_of(y: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, float]:
    """The loss of a reconstruction, and its plain mean squared error."""
    edges = torch.zeros_like(x[:, :1])
    edges[..., 1:, :] += (x[..., 1:, :] - x[..., :-1, :]).abs().amax(1, keepdim=True)
    edges[..., :, 1:] += (x[..., :, 1:] - x[..., :, :-1]).abs().amax(1, keepdim=True)
    edges = torch.nn.functional.max_pool2d(edges, 3, 1, 1)
    weight = 0.5 + 2 * edges.clamp(max=1)
    error = y - x
    fit = (weight * (error.abs() + 2 * error.square())).mean()
    return fit, error.square().mean().item()


def main() -> None:
    """Train, or go on training, for a budget of minutes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=12)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=2)
    starting_point(parser)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    model = build()
    if args.start:
        file = args.start / "postcard-sdxl" / "vae" / "diffusion_pytorch_model.safetensors"
        model.load_state_dict({k: v.float() for k, v in load_file(file).items()})
    model = model.to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(model.parameters(), args.rate, weight_decay=1e-4)
    average = Average(model, 0.998)
    spent, step = 0.0, 0
    if state := load(CHECKPOINT):
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        average.weights, average.steps = state["average"], state["step"]
        spent, step = state["spent"], state["step"]
    rng = random.Random(1000 + step)
    saved = last = time.time()
    errors: list[float] = []
    while spent < args.minutes * 60:
        optimiser.param_groups[0]["lr"] = cosine(spent / (args.minutes * 60), args.rate)
        # Whole pictures now and then, for what the borders do.
        whole = step % 8 == 0
        x = batch(rng, args.batch // 4) if whole else crops(rng, args.batch)
        loss, error = loss_of(model, x)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        average.update(model)
        step += 1
        errors.append(error)
        now = time.time()
        spent, last = spent + now - last, now
        if step % 100 == 0:
            print(f"{spent:6.0f}s step {step} mse {np.mean(errors[-100:]):.5f}", flush=True)
        if now - saved > 90 or spent >= args.minutes * 60:
            saved = now
            save(
                CHECKPOINT,
                model=model.state_dict(),
                optimiser=optimiser.state_dict(),
                average=average.weights,
                spent=spent,
                step=step,
                batch=args.batch,
            )
            look(model, average)
    milestone(f"autoencoder: {step} steps of {args.batch}, mse {np.mean(errors[-200:]):.5f}")


@torch.no_grad()
def look(model: AutoencoderTiny, average: Average) -> None:
    """Draw a sheet of originals above reconstructions."""
    shown = build()
    shown.load_state_dict(average.weights)
    rng = random.Random(5)
    x = torch.cat([batch(rng, 8), batch(rng, 8)])
    z = shown.encoder(x)
    y = shown.decoder(z).clamp(-1, 1)
    rows = [torch.cat(list(part), dim=2) for part in (x[:8], y[:8], x[8:], y[8:])]
    sheet = (torch.cat(rows, dim=1).permute(1, 2, 0) * 127.5 + 127.5).byte().numpy()
    Image.fromarray(sheet).save(RUNS / "autoencoder.png")
    print(
        f"  held mse {(x - y).square().mean():.5f}; latent mean {z.mean():.3f} "
        f"std {z.std((0, 2, 3)).numpy().round(2)}",
        flush=True,
    )


if __name__ == "__main__":
    main()
