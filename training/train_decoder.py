"""Train a wider decoder for the autoencoder, whose encoder and latents stay as they are.

Sharpness is bought where it costs least: the decoder runs once a picture, the UNet many times. The
wide decoder starts as the narrow one (its further channels feed nothing yet; Chen et al. 2016,
arXiv 1511.05641), and learns from latents with some noise, as a diffusion model will give it.
"""

from __future__ import annotations

import argparse
import random

import torch
from diffusers import AutoencoderTiny
from torch import nn

from training import train_autoencoder
from training.common import RUNS
from training.schedule import Schedule, trained
from training.train_autoencoder import crops, error_of

CHECKPOINT = RUNS / "decoder.pt"
WIDTH = 64
NOISE = 0.12
"""Standard deviation of what is added to latents, whose own is about 1."""


def build() -> AutoencoderTiny:
    """The autoencoder with the wide decoder; the rest of its weights are random."""
    return train_autoencoder.build(decoder=WIDTH)


@torch.no_grad()
def widen(narrow: nn.Module, wide: nn.Module) -> None:
    """Make a wide decoder compute what the narrow one does."""
    before = dict(narrow.named_parameters())
    for name, weight in wide.named_parameters():
        old = before[name]
        inside = tuple(slice(0, size) for size in old.shape)
        weight[: len(old)] = 0
        weight[inside] = old


def main() -> None:
    """Train, or go on training, for a budget of minutes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=16)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(9)
    narrow = train_autoencoder.build()
    narrow.load_state_dict(trained(train_autoencoder.CHECKPOINT)["average"])
    encoder = narrow.encoder.eval().requires_grad_(False).to(memory_format=torch.channels_last)
    decoder = build().decoder
    widen(narrow.decoder, decoder)
    decoder = decoder.to(memory_format=torch.channels_last)
    schedule = Schedule(
        CHECKPOINT,
        decoder,
        torch.optim.AdamW(decoder.parameters(), args.rate, weight_decay=1e-4),
        minutes=args.minutes,
        rate=args.rate,
        batch=args.batch,
        start="the autoencoder's own decoder",
    )
    rng = random.Random(9000 + schedule.step)
    for _ in schedule:
        x = crops(rng, args.batch)
        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                z = encoder(x)
            y = decoder(z + NOISE * torch.randn_like(z))
        loss, error = error_of(y.float(), x)
        schedule.descend(loss, mse=error)


if __name__ == "__main__":
    main()
