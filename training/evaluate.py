"""Measure the exported pair on held-out scenes and write docs/postcards.md and the model cards."""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from driftloop.postcards import Scene, caption, parse, sample_scene
from training import cards
from training.common import RUNS, milestone
from training.data import BUDGETS
from training.players import GUIDANCE, STEPS, Captioner, Generator
from training.reader import objects_drawn
from training.render import render

RESULTS = RUNS / "evaluation.json"
PARTS = ("captioner", "generator", "autoencoder")


@dataclass
class Tally:
    """Hits out of trials, per unit; units (pictures) are what the bootstrap resamples."""

    pairs: list[tuple[float, float]] = field(default_factory=list)

    def add(self, hits: float, trials: float) -> None:
        """Count one picture."""
        self.pairs.append((hits, trials))

    def summary(self) -> dict[str, float]:
        """Share, 95 % interval and number of pictures."""
        table = np.array([p for p in self.pairs if p[1] > 0], dtype=float)
        if not len(table):
            return {"value": math.nan, "low": math.nan, "high": math.nan, "n": 0}
        hits, trials = table.sum(0)
        if np.all(table[:, 1] == 1) and np.all(np.isin(table[:, 0], (0, 1))):
            low, high = wilson(hits, trials)
        else:
            rng = np.random.default_rng(0)
            again = table[rng.integers(0, len(table), (2000, len(table)))].sum(1)
            low, high = np.quantile(again[:, 0] / again[:, 1], (0.025, 0.975))
        return {"value": hits / trials, "low": float(low), "high": float(high), "n": len(table)}


def wilson(hits: float, trials: float, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share."""
    share = hits / trials
    middle = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = (
        z
        / (1 + z * z / trials)
        * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    )
    return middle - half, middle + half


def compare(scenes: Sequence[Scene], texts: Sequence[str]) -> dict[str, Tally]:
    """What captions say against the scenes they should be of."""
    tally = {
        name: Tally()
        for name in (
            "objects found",
            "objects right",
            "counts right",
            "places right",
            "sizes right",
            "ground right",
            "time right",
            "weather right",
        )
    }
    for scene, text in zip(scenes, texts, strict=True):
        read = parse(text)
        real = {thing.name: thing for thing in scene.objects}
        named = set(read.names)
        tally["objects found"].add(len(named & set(real)), len(real))
        tally["objects right"].add(len(named & set(real)), len(named))
        for role in ("ground", "time", "weather"):
            said = getattr(read, role)
            if said is not None:
                tally[f"{role} right"].add(float(said == getattr(scene, role)), 1)
        for key in ("count", "place", "size"):
            said = [
                (getattr(t, key), getattr(real[t.name], key))
                for t in read.objects
                if t.name in real and getattr(t, key) is not None
            ]
            tally[f"{key}s right"].add(sum(a == b for a, b in said), len(said))
    return tally


def summarise(tallies: dict[str, Tally]) -> dict[str, dict[str, float]]:
    """The summaries of several tallies."""
    return {name: tally.summary() for name, tally in tallies.items()}


def captioner_figures(captioner: Captioner, n: int) -> dict[str, object]:
    """Captions of real held-out pictures: free budget, then each budget."""
    rng = random.Random("evaluate-captioner")
    scenes = [sample_scene(rng, split="test") for _ in range(n)]
    pictures = [render(scene) for scene in scenes]
    start = time.time()
    free = captioner(pictures, None)
    seconds = (time.time() - start) / n
    budgets = {}
    for words in BUDGETS:
        part = scenes[: max(1, n // 2)]
        texts = captioner(pictures[: len(part)], words)
        kept, ended = Tally(), Tally()
        for text in texts:
            kept.add(float(len(text.split()) <= words), 1)
            ended.add(float(text.endswith(".")), 1)
        budgets[words] = {
            "budget kept": kept.summary(),
            "whole sentence": ended.summary(),
            "mean words": float(np.mean([len(t.split()) for t in texts])),
            **{k: v for k, v in summarise(compare(part, texts)).items() if "objects" in k},
        }
    torch.manual_seed(0)
    warm = captioner(pictures[: n // 2], 20, temperature=1.0)
    return {
        "free": summarise(compare(scenes, free)),
        "budgets": budgets,
        "temperature 1, 20 words": summarise(compare(scenes[: n // 2], warm)),
        "seconds": seconds,
    }


def generator_figures(
    generator: Generator, captioner: Captioner, n: int, steps: int, guidance: float
) -> dict[str, object]:
    """Pictures of full captions of held-out scenes, read by the captioner."""
    rng = random.Random("evaluate-generator")
    scenes = [sample_scene(rng, split="test") for _ in range(n)]
    texts = [caption(scene, 60, rng, plain=1.0) for scene in scenes]
    start = time.time()
    pictures = generator(texts, list(range(n)), steps=steps, guidance=guidance)
    seconds = (time.time() - start) / n
    asked, limit = Tally(), Tally()
    for scene, drawn, back in zip(scenes, pictures, reconstructed(generator, scenes), strict=True):
        right = objects_drawn(scene, drawn)
        asked.add(sum(right), len(right))
        right = objects_drawn(scene, back)
        limit.add(sum(right), len(right))
    read = captioner(pictures, None)
    ceiling = captioner([render(scene) for scene in scenes], None)
    spread = Tally()
    for picture in pictures:
        spread.add(float(np.asarray(picture).std() < 8), 1)
    return {
        "objects drawn": asked.summary(),
        "objects drawn, limit": limit.summary(),
        "asked": summarise(compare(scenes, read)),
        "ceiling": summarise(compare(scenes, ceiling)),
        "blank pictures": spread.summary(),
        "seconds": seconds,
        "steps": steps,
        "guidance": guidance,
    }


@torch.inference_mode()
def reconstructed(generator: Generator, scenes: Sequence[Scene]) -> list[np.ndarray]:
    """The true pictures of scenes, once through the autoencoder."""
    vae, out = generator.pipe.vae, []
    for scene in scenes:
        x = torch.from_numpy(render(scene)).permute(2, 0, 1)[None].to(vae.dtype) / 127.5 - 1
        y = vae.decode(vae.encode(x).latents).sample[0].float().clamp(-1, 1)
        out.append((y.permute(1, 2, 0).numpy() * 127.5 + 127.5).astype(np.uint8))
    return out


@torch.inference_mode()
def autoencoder_figures(generator: Generator, n: int) -> dict[str, float]:
    """Reconstruction error of held-out pictures, in [-1, 1]."""
    rng = random.Random("evaluate-autoencoder")
    errors = []
    for _ in range(0, n, 16):
        pictures = np.stack([render(sample_scene(rng, split="test")) for _ in range(16)])
        x = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
        vae = generator.pipe.vae
        y = vae.decode(vae.encode(x.to(vae.dtype)).latents).sample.float().clamp(-1, 1)
        errors += (x - y).square().mean((1, 2, 3)).tolist()
    return {
        "mse": float(np.mean(errors)),
        "n": len(errors),
        "half width": float(1.96 * np.std(errors) / math.sqrt(len(errors))),
    }


def main() -> None:
    """Measure, write the figures, and from them the page and the cards."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=600, help="held-out pictures for the captioner")
    parser.add_argument("--drawn", type=int, default=300, help="pictures drawn by the generator")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--guidance", type=float, default=GUIDANCE)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--parts",
        nargs="*",
        choices=PARTS,
        default=list(PARTS),
        help="measure only these; none rewrites the pages from what was measured before",
    )
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if args.parts:
        generator, captioner = Generator(), Captioner()
        jobs = {
            "captioner": lambda: captioner_figures(captioner, args.n),
            "generator": lambda: generator_figures(
                generator, captioner, args.drawn, args.steps, args.guidance
            ),
            "autoencoder": lambda: autoencoder_figures(generator, 256),
        }
        for part in args.parts:
            # Through JSON, so that fresh and stored figures look the same.
            results[part] = json.loads(json.dumps(jobs[part]()))
            RESULTS.write_text(json.dumps(results, indent=1))
            milestone(f"evaluated {part}")
    if missing := [part for part in PARTS if part not in results]:
        raise SystemExit(f"not measured yet: {', '.join(missing)}")
    cards.write(results)


if __name__ == "__main__":
    main()
