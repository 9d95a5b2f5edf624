"""Train the UNet of postcard-sdxl on latents of training scenes and their captions."""

from __future__ import annotations

import argparse
import random
import time

import numpy as np
import torch
from diffusers import DDPMScheduler
from diffusers.models.attention_processor import AttnProcessor
from PIL import Image

from driftloop.postcards import Scene, sample_scene
from training import assemble
from training.common import RUNS, Average, cosine, load, milestone, save, stopping
from training.data import prompt
from training.muon import Both
from training.render import render, stamps
from training.train_text import encode

CHECKPOINT = RUNS / "unet.pt"
SIDE = 128.0


class Pool:
    """Scenes with their latents; it grows while training goes on."""

    def __init__(self, capacity: int, seed: int) -> None:
        self.vae = assemble.autoencoder().to(memory_format=torch.channels_last)
        self.rng = random.Random(seed)
        self.capacity = capacity
        self.scenes: list[Scene] = []
        self.latents = torch.empty(capacity, 8, 16, 16, dtype=torch.float16)
        self.weights = torch.empty(capacity, 1, 16, 16, dtype=torch.float16)
        self.next = 0

    @torch.inference_mode()
    def grow(self, count: int) -> None:
        """Add scenes; once the pool is full they replace the oldest."""
        scenes = [sample_scene(self.rng, split="train") for _ in range(count)]
        pictures = torch.from_numpy(np.stack([render(scene) for scene in scenes]))
        x = pictures.permute(0, 3, 1, 2).float() / 127.5 - 1
        with torch.autocast("cpu", torch.bfloat16):
            latents = self.vae.encoder(x.contiguous(memory_format=torch.channels_last))
        for scene, latent in zip(scenes, latents.half(), strict=True):
            if len(self.scenes) < self.capacity:
                self.scenes.append(scene)
            else:
                self.scenes[self.next] = scene
            self.latents[self.next] = latent
            self.weights[self.next] = object_weights(scene)
            self.next = (self.next + 1) % self.capacity

    def draw(self, count: int) -> tuple[torch.Tensor, torch.Tensor, list[Scene]]:
        """A random batch: latents, the weights of their cells, scenes."""
        chosen = self.rng.choices(range(len(self.scenes)), k=count)
        scenes = [self.scenes[i] for i in chosen]
        return self.latents[chosen].float(), self.weights[chosen].float(), scenes


def object_weights(scene: Scene, extra: float = 5.0) -> torch.Tensor:
    """Weights (1, 16, 16) of the latent's cells, larger where objects are; their mean is 1.

    A network that cannot do everything yet looks here first: backgrounds are learnt in minutes,
    objects are not. The weights depend on the scene, so where a caption leaves open whether there
    is an object they pull the prediction towards one: a bias of the refilled prior, to be measured
    and, with more compute, trained away by a last stretch with `extra=0`.
    """
    weights = torch.ones(1, 16, 16)
    for thing in scene.objects:
        for left, top, size in stamps(thing):
            end = size + 7
            weights[:, top // 8 : (top + end) // 8, left // 8 : (left + end) // 8] = 1 + extra
    return weights / weights.mean()


def main() -> None:
    """Train, or go on training, for a budget of minutes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=80)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pool", type=int, default=60_000)
    parser.add_argument("--first", type=int, default=6_000, help="scenes to start with")
    parser.add_argument("--fresh", type=int, default=8, help="new scenes at each step")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(3)
    model = assemble.unet().to(memory_format=torch.channels_last)
    # On CPU the fused attention's backward pass costs more than the products it saves.
    model.set_attn_processor(AttnProcessor())
    ends = ("conv_in", "conv_out", "time_embedding", "add_embedding")
    optimiser = Both(model, args.rate, ends=ends)
    average = Average(model, 0.999)
    tokenizer, encoders = assemble.text_encoders()
    noise_schedule = DDPMScheduler(**assemble.SCHEDULE)
    spent, step = 0.0, 0
    if state := load(CHECKPOINT):
        model.load_state_dict(state["model"])
        if "optimiser" in state:
            optimiser.load_state_dict(state["optimiser"])
        average.weights, average.steps = state["average"], state["step"]
        spent, step = state["spent"], state["step"]
    pool = Pool(args.pool, 3000 + step)
    while len(pool.scenes) < args.first:
        pool.grow(32)
    rng = random.Random(4000 + step)
    time_ids = torch.tensor([[SIDE, SIDE, 0, 0, SIDE, SIDE]]).expand(args.batch, -1)
    first = step
    saved = last = time.time()
    losses: list[float] = []
    stop = stopping()
    while spent < args.minutes * 60 and not stop:
        warm = min(1.0, (step - first + 1) / 50)
        optimiser.rate(warm * cosine(spent / (args.minutes * 60), args.rate))
        pool.grow(args.fresh)
        latents, weights, scenes = pool.draw(args.batch)
        texts = [prompt(scene, rng, rough=0.2, full=0.5) for scene in scenes]
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            tokens, pooled = encode(tokenizer, encoders, texts)
        # The pipeline's unconditional embedding is zeros (force_zeros_for_empty_prompt).
        keep = (torch.rand(args.batch) > 0.1).float()
        tokens = tokens.float() * keep[:, None, None]
        pooled = pooled.float() * keep[:, None]
        noise = torch.randn_like(latents)
        # Stratified: every batch sees the whole range of noise; more of the noisy end, where it is
        # decided what stands where.
        share = (torch.arange(args.batch) + torch.rand(args.batch)) / args.batch
        when = (share**0.75 * 1000).long().clamp(max=999)
        noisy = noise_schedule.add_noise(latents, noise, when)
        target = noise_schedule.get_velocity(latents, noise, when)
        with torch.autocast("cpu", torch.bfloat16):
            said = model(
                noisy.contiguous(memory_format=torch.channels_last),
                when,
                tokens,
                added_cond_kwargs={"text_embeds": pooled, "time_ids": time_ids},
            ).sample
        loss = (weights * (said.float() - target).square()).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        average.update(model)
        step += 1
        losses.append(float(loss.detach()))
        now = time.time()
        spent, last = spent + now - last, now
        if step % 50 == 0:
            print(
                f"{spent:6.0f}s step {step} loss {np.mean(losses[-50:]):.4f} "
                f"pool {len(pool.scenes)}",
                flush=True,
            )
        if now - saved > 180 or spent >= args.minutes * 60 or stop:
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
    milestone(f"unet: {step} steps of {args.batch}, loss {np.mean(losses[-200:]):.4f}")


def look(path: str, steps: int = 10, guidance: float = 3.0) -> None:
    """Draw sixteen pictures from the checkpoint, beside the real ones."""
    state = load(CHECKPOINT)
    assert state is not None, "no checkpoint yet"
    pipe = assemble.pipeline(state["average"])
    pipe.set_progress_bar_config(disable=True)
    rng = random.Random(77)
    scenes = [sample_scene(rng, split="test") for _ in range(16)]
    from driftloop.postcards import caption

    texts = [caption(scene, 40, rng) for scene in scenes]
    start = time.time()
    with torch.autocast("cpu", torch.bfloat16):
        drawn = pipe(
            prompt=texts,
            num_inference_steps=steps,
            guidance_scale=guidance,
            height=128,
            width=128,
            generator=[torch.Generator().manual_seed(i) for i in range(16)],
        ).images
    print(f"step {state['step']} {(time.time() - start) / 16:.3f} s/picture")
    rows = []
    for i in (0, 8):
        rows.append(np.concatenate([render(s) for s in scenes[i : i + 8]], axis=1))
        rows.append(np.concatenate([np.asarray(d) for d in drawn[i : i + 8]], axis=1))
    Image.fromarray(np.concatenate(rows)).save(path)


if __name__ == "__main__":
    main()
