"""Distil postcard-turbo: the nocturne world in four steps without guidance.

Progressive distillation (Salimans and Ho 2022, arXiv 2202.00512) with the guidance folded in (Meng
et al. 2023, arXiv 2210.03142): from a noisy latent the teacher takes two guided DDIM steps, and the
student learns to get to the same place in one unguided step of twice the length.
"""

from __future__ import annotations

import torch
from diffusers import DDIMScheduler
from torch import nn

from driftloop.postcards import WORLD
from training import assemble
from training.common import DEVICE, RUNS, autocast, budget, fraction, here, options
from training.muon import Both
from training.record import history
from training.schedule import Schedule, trained
from training.train_unet import Pool, checkpoint, conditions, prepare

CHECKPOINT = RUNS / "turbo.pt"
SKEW = "nocturne"
STEPS, TEACHER_GUIDANCE = 4, 2.0
RATES = (1.2e-4, 4e-4)
"""Peak learning rates of a CPU's small batches and of a GPU's: the student starts as its teacher,
and larger steps on few samples take it away from there faster than they teach it."""


class Noise:
    """The noise schedule: how much is picture and how much is noise at each time."""

    def __init__(self) -> None:
        alphas = DDIMScheduler(**assemble.SCHEDULE).alphas_cumprod
        alphas = alphas.to(DEVICE)
        self.signal, self.noise = alphas.sqrt(), (1 - alphas).sqrt()

    def at(self, when: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Signal and noise at times (n,), -1 being the clean picture; each (n, 1, 1, 1)."""
        clean = when < 0
        index = when.clamp(min=0)
        signal = torch.where(clean, 1.0, self.signal[index])
        noise = torch.where(clean, 0.0, self.noise[index])
        return signal[:, None, None, None], noise[:, None, None, None]


def move(
    noise: Noise, z: torch.Tensor, v: torch.Tensor, now: torch.Tensor, then: torch.Tensor
) -> torch.Tensor:
    """A DDIM step of a v-prediction from one time to another."""
    a, s = noise.at(now)
    b, r = noise.at(then)
    return b * (a * z - s * v) + r * (s * z + a * v)


def main() -> None:
    """Distil, or go on, for a budget of minutes."""
    parser = options(__doc__, batch=(16, 128), rate=here(RATES))
    parser.add_argument("--first", type=int, default=3_000, help="scenes to start with")
    parser.add_argument("--fresh", type=fraction, default=0.25, help="share of new scenes")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(8)
    teacher, student = assemble.unet(), assemble.unet()
    taught = trained(checkpoint(SKEW))
    for model in (teacher, student):
        model.load_state_dict(taught["average"])
    teacher.eval().requires_grad_(False)
    teacher.to(DEVICE, memory_format=torch.channels_last)
    prepare(student)
    ends = ("conv_in", "conv_out", "time_embedding", "add_embedding")
    schedule = Schedule(
        CHECKPOINT,
        student,
        Both(student, args.rate, ends=ends),
        **budget(args),
        name="four steps",
        start=f"the {SKEW} world",
        before=history(taught),
        decay=0.995,
    )
    tokenizer, encoders = assemble.text_encoders()
    encoders.to(DEVICE)
    pool = Pool(
        WORLD.skewed(SKEW),
        tokenizer,
        20_000,
        batch=args.batch,
        first=args.first,
        seed=8000 + schedule.step,
        fresh=args.fresh,
        extra=2.0,
        full=0.4,
        workers=args.workers,
    )
    noise, stride = Noise(), 1000 // STEPS
    for _ in schedule:
        pool.grow()
        latents, weights, ids = pool.draw()
        told = conditions(encoders, ids, drop=0.0)
        now = torch.randint(1, STEPS + 1, (args.batch,), device=DEVICE) * stride - 1
        half, then = now - stride // 2, now - stride
        signal, dirt = noise.at(now)
        z = signal * latents + dirt * torch.randn_like(latents)
        with torch.no_grad():
            middle = move(noise, z, guided(teacher, z, now, told), now, half)
            end = move(noise, middle, guided(teacher, middle, half, told), half, then)
        said = predict(student, z, now, told)
        # In v: the one that DDIM would need to get from here to the teacher's end in one step.
        a, s = noise.at(now)
        b, r = noise.at(then)
        target = (end - (b * a + r * s) * z) / (r * a - b * s)
        loss = (weights * (said - target).square()).mean()
        schedule.descend(loss)


def predict(model: nn.Module, z: torch.Tensor, when: torch.Tensor, told: tuple) -> torch.Tensor:
    """The model's v."""
    with autocast():
        out = model(
            z.contiguous(memory_format=torch.channels_last),
            when,
            told[0],
            added_cond_kwargs=told[1],
        ).sample
    return out.float()


def guided(model: nn.Module, z: torch.Tensor, when: torch.Tensor, told: tuple) -> torch.Tensor:
    """The model's v with classifier-free guidance, as the pipeline computes it."""
    tokens, added = told
    nothing = {**added, "text_embeds": torch.zeros_like(added["text_embeds"])}
    both = {k: torch.cat([nothing[k], added[k]]) for k in added}
    twice = (torch.cat([torch.zeros_like(tokens), tokens]), both)
    free, bound = predict(model, torch.cat([z, z]), torch.cat([when, when]), twice).chunk(2)
    return free + TEACHER_GUIDANCE * (bound - free)


if __name__ == "__main__":
    main()
