"""Go on training the decoder alone, against the frozen encoder.

Latents stay what they are, so this can run beside the training of the UNet, or after it.
"""

from __future__ import annotations

import argparse
import random
import time

import numpy as np
import torch

from training.common import RUNS, Average, cosine, load, milestone, save
from training.train_autoencoder import CHECKPOINT as BEFORE
from training.train_autoencoder import batch, build, crops, error_of

CHECKPOINT = RUNS / "decoder.pt"


def main() -> None:
    """Train, or go on training, for a budget of minutes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(6)
    model = build().to(memory_format=torch.channels_last)
    before = load(BEFORE)
    if before is None:
        raise FileNotFoundError("train the autoencoder first: python -m training.train_autoencoder")
    model.load_state_dict(before["average"])
    model.encoder.requires_grad_(False)
    optimiser = torch.optim.AdamW(model.decoder.parameters(), args.rate, weight_decay=1e-4)
    average = Average(model.decoder, 0.998)
    spent, step = 0.0, 0
    if state := load(CHECKPOINT):
        model.decoder.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        average.weights, average.steps = state["average"], state["step"]
        spent, step = state["spent"], state["step"]
    rng = random.Random(6000 + step)
    saved = last = time.time()
    errors: list[float] = []
    while spent < args.minutes * 60:
        optimiser.param_groups[0]["lr"] = cosine(spent / (args.minutes * 60), args.rate)
        x = batch(rng, args.batch // 4) if step % 8 == 0 else crops(rng, args.batch)
        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                z = model.encoder(x)
            y = model.decoder(z + 0.12 * torch.rand(1) * torch.randn_like(z))
        fit, error = error_of(y.float(), x)
        optimiser.zero_grad()
        fit.backward()
        torch.nn.utils.clip_grad_norm_(model.decoder.parameters(), 1.0)
        optimiser.step()
        average.update(model.decoder)
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
                model=model.decoder.state_dict(),
                optimiser=optimiser.state_dict(),
                average=average.weights,
                spent=spent,
                step=step,
                batch=args.batch,
            )
    milestone(f"decoder: {step} steps of {args.batch}, mse {np.mean(errors[-200:]):.5f}")


if __name__ == "__main__":
    main()
