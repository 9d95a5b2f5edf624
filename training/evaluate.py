"""Measure the exported models on held-out scenes; write docs/postcards.md and the cards."""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

from driftloop.encoders import get_encoder
from driftloop.postcards import (
    SETTINGS,
    WORLD,
    Look,
    Scene,
    caption,
    home_world,
    parse,
    sample_scene,
    surprise,
)
from driftloop.postcards.words import article
from training import cards, players
from training.common import RUNS, as_input, milestone
from training.data import BUDGETS
from training.instructions import HABITS, aim_for
from training.players import CAPTIONERS, GENERATORS, UNUSUAL, captioner, cast, play
from training.reader import objects_drawn
from training.render import render
from training.siblings import in_the_same_words, others
from training.sweep import FULL, sweep_figures
from training.tally import Tally, compare, share_of
from training.wordnet import other_names

EYE = "bundled:postcard-clip"
RESULTS = RUNS / "evaluation.json"
CHOICES = 16
"""Among how many the eye has to find the object that was asked for."""
Figures = dict[str, Any]


def held_out_scenes(model: str, n: int) -> list[Scene]:
    """Scenes of the model's own world with a pair of objects that training never showed."""
    rng = random.Random(f"evaluate {model}")
    return [sample_scene(rng, split="test", world=home_world(model)) for _ in range(n)]


def pictures_of(scenes: Sequence[Scene]) -> list[Image.Image]:
    """The true pictures of scenes."""
    return [Image.fromarray(render(scene)) for scene in scenes]


def captioner_figures(name: str, n: int) -> Figures:
    """Captions of real held-out pictures: free budget, each budget, warm, and of the unusual."""
    scenes = held_out_scenes(name, n)
    pictures = pictures_of(scenes)
    started = time.time()
    free = [output.content for output in play(captioner(name, None), pictures)]
    seconds = (time.time() - started) / n
    part = scenes[: n // 4]
    budgets = {}
    for words in BUDGETS:
        outputs = play(captioner(name, words), pictures[: len(part)])
        # What was cut is part of what it said.
        texts = [f"{output.content} {output.cut_text}".strip() for output in outputs]
        figures = compare(part, texts)
        budgets[words] = {
            "budget kept": share_of(not output.cut_text for output in outputs),
            "whole sentence": share_of(text.endswith(".") for text in texts),
            "mean words": float(np.mean([len(text.split()) for text in texts])),
            "objects found": figures["objects found"],
            "objects right": figures["objects right"],
        }
    warm = play(captioner(name, 20, temperature=1.0), pictures[: len(part)])
    odd = play(captioner(name, 10, instruction=UNUSUAL), pictures[: len(part)])
    plain = play(captioner(name, 10), pictures[: len(part)])
    return {
        "free": compare(scenes, free),
        "budgets": budgets,
        "temperature 1, 20 words": compare(part, [output.content for output in warm]),
        "unusual, 10 words": compare(part, [output.content for output in odd]),
        "surprise": {
            "unusual": _surprise(part, [output.content for output in odd]),
            "faithful": _surprise(part, [output.content for output in plain]),
            "unusual, by the grammar": _surprise(part, _told(part, "unusual")),
            "faithful, by the grammar": _surprise(part, _told(part, HABITS[name])),
        },
        "seconds": seconds,
    }


def _told(scenes: Sequence[Scene], look: Look) -> list[str]:
    """Captions in ten words as training had them: what a captioner that obeys would say."""
    rng = random.Random(f"told {look}")
    return [caption(scene, aim_for(10), rng, plain=0.95, look=look) for scene in scenes]


def _surprise(scenes: Sequence[Scene], texts: Sequence[str]) -> dict[str, float]:
    """Mean surprise, in nats, of what captions rightly tell: objects, tints and setting."""
    means = []
    for scene, text in zip(scenes, texts, strict=True):
        read = parse(text)
        told = [(r, 0) for r in SETTINGS if getattr(read, r) in {getattr(scene, r)}]
        tints = {thing.name for thing in read.objects if thing.tint is not None}
        for i, thing in enumerate(scene.objects):
            if thing.name in read.names:
                told.append(("object", i))
                if thing.name in tints:
                    told.append(("tint", i))
        if told:
            means.append(np.mean([surprise(scene, fact) for fact in told]))
    half = 1.96 * np.std(means) / len(means) ** 0.5
    mean = float(np.mean(means))
    return {"value": mean, "low": mean - half, "high": mean + half, "n": len(means)}


def generator_figures(name: str, n: int, by_pixels: int) -> Figures:
    """Pictures of full captions of held-out scenes, read by captioners, the eye and by pixels."""
    scenes = held_out_scenes(name, n)
    rng = random.Random(f"captions for {name}")
    texts = [caption(scene, FULL, rng, plain=1.0) for scene in scenes]
    generator = cast(name)
    started = time.time()
    drawn = _drawn(generator, texts)
    seconds = (time.time() - started) / n
    true = pictures_of(scenes)
    few = n // 4
    readers, limits = {}, {}
    for reader in CAPTIONERS:
        player = captioner(reader, None)
        readers[reader] = compare(scenes, [o.content for o in play(player, drawn)])
        limits[reader] = compare(scenes[:few], [o.content for o in play(player, true[:few])])
    tallies = {"drawn": Tally(), "limit": Tally()}
    looked_at = scenes[:by_pixels]
    decoded = reconstructed(generator, looked_at)
    for key, pictures in (("drawn", drawn[:by_pixels]), ("limit", decoded)):
        for scene, picture in zip(looked_at, pictures, strict=True):
            right = objects_drawn(scene, picture)
            tallies[key].add(sum(right), len(right))
    return {
        "read by": readers,
        "limits": limits,
        "eye": eye_finds(scenes[:few], drawn[:few]),
        "eye, limit": eye_finds(scenes[:few], true[:few]),
        "by pixels": tallies["drawn"].summary(),
        "by pixels, limit": tallies["limit"].summary(),
        "blank": share_of(float(np.asarray(picture).std()) < 8 for picture in drawn),
        "seconds": seconds,
        "prior": prior_figures(name, n // 2),
        "words": word_figures(name, n // 5),
        "settings": sweep_figures(name, n // 8),
    }


@torch.inference_mode()
def reconstructed(generator: Any, scenes: Sequence[Scene]) -> list[Image.Image]:
    """The true pictures of scenes, once through the autoencoder."""
    vae, out = generator.pipeline.vae, []
    for scene in scenes:
        x = as_input(render(scene)[None]).to(vae.dtype)
        y = vae.decode(vae.encode(x).latents).sample[0].float().clamp(-1, 1)
        out.append(Image.fromarray((y.permute(1, 2, 0).numpy() * 127.5 + 127.5).astype(np.uint8)))
    return out


def eye_finds(scenes: Sequence[Scene], pictures: Sequence[Image.Image]) -> dict[str, float]:
    """For each object: does the eye prefer the true caption to ones with another object there?

    Among ``CHOICES`` captions that differ in one object only; guessing finds 1 in ``CHOICES``.
    """
    rng = random.Random("eye")
    seen = get_encoder(EYE, "image").encode(list(pictures))
    questions = [
        (number, alternatives(scene, i, rng))
        for number, scene in enumerate(scenes)
        for i in range(len(scene.objects))
    ]
    read = get_encoder(EYE, "text").encode([text for _, choices in questions for text in choices])
    hits: dict[int, list[bool]] = {number: [] for number in range(len(scenes))}
    for (number, _), vectors in zip(
        questions, read.reshape(-1, CHOICES, read.shape[1]), strict=True
    ):
        hits[number].append(bool((vectors @ seen[number]).argmax() == 0))
    tally = Tally()
    for found in hits.values():
        tally.add(sum(found), len(found))
    return tally.summary()


def alternatives(scene: Scene, at: int, rng: random.Random) -> list[str]:
    """Captions in the same words of the scene and of ones with another object at one place."""
    names = (scene.objects[at].name, *rng.choices(others(scene, at), k=CHOICES - 1))
    return in_the_same_words(scene, at, names, FULL, rng, plain=1.0)


def prior_figures(name: str, n: int) -> Figures:
    """What a generator refills where a terse caption leaves the setting open.

    Five-word captions of scenes of its world are drawn and read by postcard-llava. The scenes are
    samples of the prior, so that in all of them together what is refilled should be as frequent as
    it is in the scenes themselves. Guidance sharpens what is likely; so they are drawn without it
    as well.
    """
    rng = random.Random(f"prior of {name}")
    scenes = [sample_scene(rng, world=home_world(name)) for _ in range(n)]
    texts = [caption(scene, 5, rng, plain=1.0) for scene in scenes]
    pictures = {"drawn": _drawn(cast(name), texts), "control": pictures_of(scenes)}
    if players.SETTINGS[name]["guidance"] > 1:
        pictures["unguided"] = _drawn(cast(name, guidance=1.0), texts)
    reader = captioner("postcard-llava", None)
    read = {key: [parse(o.content) for o in play(reader, of)] for key, of in pictures.items()}
    plain = {"season": "summer", "style": "flat"}
    figures: Figures = {"n": n}
    for role in SETTINGS:
        columns = {"world": [getattr(scene, role) for scene in scenes]} | {
            key: [getattr(said, role) or plain.get(role) for said in of] for key, of in read.items()
        }
        shares = {
            key: {value: count / n for value, count in Counter(values).items() if value}
            for key, values in columns.items()
        }
        figures[role] = shares | {
            f"distance, {key}": _variation(shares["world"], shares[key]) for key in read
        }
    figures["objects"] = {"world": float(np.mean([len(scene.objects) for scene in scenes]))} | {
        key: float(np.mean([len(said.names) for said in of])) for key, of in read.items()
    }
    return figures


def _drawn(generator: Any, texts: Sequence[str]) -> list[Image.Image]:
    return [output.content for output in play(generator, texts)]


def _variation(a: dict[str, float], b: dict[str, float]) -> float:
    """Total variation between two distributions: 0 alike, 1 nothing in common."""
    return sum(abs(a.get(k, 0.0) - b.get(k, 0.0)) for k in a.keys() | b.keys()) / 2


def word_figures(name: str, n: int) -> Figures:
    """Is an object drawn that is called by another name than the grammar's?

    One object alone in a meadow or, if it flies, in the sky; by its name, by a synonym of the
    world's file, and by a name out of WordNet (a kind of it, mostly), read by postcard-llava.
    """
    rng = random.Random(f"words for {name}")
    things = rng.choices([t for t in WORLD.things.values() if other_names()[t.name]], k=n)
    columns = {
        "its name": [t.name for t in things],
        "a synonym": [rng.choice(t.synonyms or (t.name,)) for t in things],
        "a name out of WordNet": [rng.choice(other_names()[t.name]) for t in things],
    }
    generator, reader = cast(name), captioner("postcard-llava", None)
    figures: Figures = {}
    for title, nouns in columns.items():
        texts = [f"{article(noun).capitalize()} by day under a clear sky." for noun in nouns]
        drawn = [output.content for output in play(generator, texts)]
        read = [parse(output.content) for output in play(reader, drawn)]
        figures[title] = share_of(
            t.name in said.names for t, said in zip(things, read, strict=True)
        )
    return figures


def eye_figures(n: int) -> Figures:
    """Retrieval among 1,000 held-out scenes, and among captions that differ in one object."""
    rng = random.Random("evaluate the eye")
    there, back = "1,000 captions, by picture", "1,000 pictures, by caption"
    hits: dict[str, list[bool]] = {there: [], back: []}
    for _ in range(0, n, 1000):
        scenes = [sample_scene(rng, split="test") for _ in range(1000)]
        texts = [caption(scene, FULL, rng) for scene in scenes]
        seen = get_encoder(EYE, "image").encode(pictures_of(scenes))
        read = get_encoder(EYE, "text").encode(texts)
        alike = seen @ read.T
        hits[there] += list(alike.argmax(1) == np.arange(1000))
        hits[back] += list(alike.argmax(0) == np.arange(1000))
    scenes = held_out_scenes("postcard-sdxl", n // 4)
    alike = f"{CHOICES} captions that differ in one object, by true picture"
    return {name: share_of(found) for name, found in hits.items()} | {
        alike: eye_finds(scenes, pictures_of(scenes))
    }


def autoencoder_figures(n: int) -> dict[str, float]:
    """Reconstruction error of held-out pictures, in [-1, 1]."""
    scenes = held_out_scenes("postcard-sdxl", n)
    errors = [
        float(np.square((np.asarray(back, float) - render(scene)) / 127.5).mean())
        for scene, back in zip(scenes, reconstructed(cast("postcard-sdxl"), scenes), strict=True)
    ]
    half = 1.96 * np.std(errors) / len(errors) ** 0.5
    return {"mse": float(np.mean(errors)), "n": len(errors), "half width": float(half)}


def _measured() -> dict[str, Figures]:
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def main() -> None:
    """Measure, write the figures, and from them the page and the cards."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=2000, help="held-out pictures of each model")
    parser.add_argument("--pixels", type=int, default=200, help="pictures read pixel by pixel")
    parser.add_argument("--threads", type=int, default=2)
    jobs: dict[str, Callable[[argparse.Namespace], Figures]] = {
        **{n: lambda a, n=n: captioner_figures(n, a.n) for n in CAPTIONERS},
        **{n: lambda a, n=n: generator_figures(n, a.n, a.pixels) for n in GENERATORS},
        "postcard-clip": lambda a: eye_figures(a.n),
        "autoencoder": lambda a: autoencoder_figures(256),
    }
    parser.add_argument(
        "--parts",
        nargs="*",
        choices=list(jobs),
        default=list(jobs),
        help="measure only these; none rewrites the pages from what was measured before",
    )
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    results = _measured()
    for part in args.parts:
        # Through JSON, so that fresh and stored figures look the same.
        figures = json.loads(json.dumps(jobs[part](args)))
        # Other parts may have been measured at the same time.
        results = {**_measured(), part: figures}
        RESULTS.write_text(json.dumps(results, indent=1))
        milestone(f"evaluated {part}")
    if missing := [part for part in jobs if part not in results]:
        raise SystemExit(f"not measured yet: {', '.join(missing)}")
    cards.write(results)


if __name__ == "__main__":
    main()
