"""Train postcard-clip, the eye: a CLIP that shares no weights with any player.

It judges what others draw and say: pictures against pictures, texts against texts, pictures against
texts. Contrastive, with both towers also asked what they see and read, which on few samples teaches
more than the contrast does. Every batch holds each scene beside one that differs from it in one
thing only, and captions that differ from the true one in an object: among strangers alone a setting
is enough to tell scenes apart, and objects are not looked at.
"""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn
from transformers import CLIPConfig, CLIPModel, CLIPProcessor, CLIPTokenizer

from driftloop.postcards import WORLD, Scene, caption
from training import train_text
from training.common import DEVICE, RUNS, autocast, budget, options, plain_attention, weights_in
from training.data import prompt
from training.labels import SETTING_SIZES, Labels, label
from training.muon import Both
from training.pictures import Pictures
from training.record import read
from training.schedule import Schedule, trained
from training.siblings import KIN_SHARE, allowed, in_the_same_words
from training.sight import TOWER, Sight, View, patches
from training.train_llava import picture_processor

CHECKPOINT = RUNS / "clip.pt"
READER, SHARED = 128, 128
WRONG = 4
"""Captions with a wrong object that each picture is compared with, besides those of others."""


def build() -> CLIPModel:
    """Two towers from scratch, and what they share."""
    tokenizer = train_text.make_tokenizer()
    config = CLIPConfig(
        vision_config=dict(TOWER),
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": READER,
            "intermediate_size": 512,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "max_position_embeddings": train_text.LENGTH,
            "hidden_act": "gelu",
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        },
        projection_dim=SHARED,
    )
    return CLIPModel(config)


class Helpers(nn.Module):
    """Reads the scene off the patches, and what is there off the shared embeddings."""

    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        self.sight = Sight(tower)
        self.there = nn.Linear(SHARED, len(WORLD.names))
        self.overall = nn.Linear(SHARED, sum(SETTING_SIZES))
        self.to(DEVICE)

    def forward(self, embedded: torch.Tensor, truth: Labels) -> torch.Tensor:
        """The loss of telling, from an embedding, which objects are there and in what setting."""
        loss = 20 * nn.functional.binary_cross_entropy_with_logits(
            self.there(embedded).float(), truth.there
        )
        overall = self.overall(embedded).float().split(SETTING_SIZES, -1)
        for i, logits in enumerate(overall):
            loss = loss + 0.3 * nn.functional.cross_entropy(logits, truth.setting[:, i])
        return loss


def tell_apart(scene: Scene, other: Scene, rng: random.Random) -> tuple[str, str]:
    """Captions of two siblings; half the time in the same words but for what differs."""
    if rng.random() < 0.5:
        return prompt(scene, rng, rough=0.25, full=0.5), prompt(other, rng, rough=0.25, full=0.5)
    wording, words = rng.random(), rng.choice((20, 30, 40, 60))
    first, second = (caption(s, words, random.Random(wording)) for s in (scene, other))
    return first, second


def right_and_wrong(scene: Scene, rng: random.Random) -> list[str]:
    """A true caption, and the same with other objects at one place."""
    at = rng.randrange(len(scene.objects))
    wrong = allowed(scene, at, kin=rng.random() < KIN_SHARE) or allowed(scene, at)
    names = [scene.objects[at].name, *rng.choices(wrong, k=WRONG)]
    return in_the_same_words(scene, at, names, rng.choice((30, 40, 60)), rng)


class Lesson(NamedTuple):
    """Texts about n pictures: captions of each, then for every second one a right and wrong ones.

    See `tell_apart` and `right_and_wrong`.
    """

    ids: torch.Tensor
    """Tokens, (n + n / 2 * (1 + WRONG), longest)."""
    mask: torch.Tensor
    """1 where there is a token."""
    labels: Labels
    view: View


def lesson(tokenizer: CLIPTokenizer, scenes: list[Scene], rng: random.Random) -> Lesson:
    """What is learnt of pictures of scenes, each beside its sibling."""
    texts = [
        text
        for pair in zip(scenes[::2], scenes[1::2], strict=True)
        for text in tell_apart(*pair, rng)
    ]
    texts += [text for scene in scenes[::2] for text in right_and_wrong(scene, rng)]
    tokens = tokenizer(
        texts, padding="longest", truncation=True, max_length=train_text.LENGTH, return_tensors="pt"
    )
    labels = label(scenes)
    view = View(labels.setting, patches(scenes))
    return Lesson(tokens.input_ids, tokens.attention_mask, labels, view)


def main() -> None:
    """Train, or go on training, for a budget of minutes."""
    parser = options(__doc__, batch=(64, 192), rate=1e-3)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(7)
    tokenizer = train_text.make_tokenizer()
    model = build()
    model.to(DEVICE)
    helpers = Helpers(model.vision_model)
    folder = args.start and args.start / "postcard-clip"
    if folder:
        model.load_state_dict(weights_in(folder / "model.safetensors"))
    plain_attention(model)
    schedule = Schedule(
        CHECKPOINT,
        model,
        Both(
            model,
            args.rate,
            ends=("embed", "projection", "logit_scale"),
            beside=helpers.parameters(),
        ),
        **budget(args),
        beside=helpers,
        start="the weights before it" if folder else "nothing",
        before=read(folder).get("CLIP", []) if folder else (),
    )
    pictures = Pictures(
        WORLD.tempered(0.7),
        partial(lesson, tokenizer),
        7000 + schedule.step,
        size=args.batch,
        workers=args.workers,
        siblings=True,
    )
    for _ in schedule:
        pixels, to_learn = pictures.draw()
        with autocast():
            seen = model.vision_model(pixel_values=pixels)
            told = model.text_model(input_ids=to_learn.ids, attention_mask=to_learn.mask)
            pictured = model.visual_projection(seen.pooler_output)
            written = model.text_projection(told.pooler_output)
            written, others = written.split((len(pixels), len(written) - len(pixels)))
            reading = helpers.sight(to_learn.view)
            truth = to_learn.labels
            knowing = helpers(pictured, truth) + helpers(written, truth)
        a = nn.functional.normalize(pictured.float(), dim=-1)
        b = nn.functional.normalize(written.float(), dim=-1)
        scale = model.logit_scale.exp().clamp(max=100)
        logits = scale * a @ b.T
        order = torch.arange(len(logits), device=DEVICE)
        contrast = (
            nn.functional.cross_entropy(logits, order)
            + nn.functional.cross_entropy(logits.T, order)
        ) / 2
        c = nn.functional.normalize(others.float(), dim=-1).unflatten(0, (-1, 1 + WRONG))
        answers = scale * torch.einsum("nd,nkd->nk", a[::2], c)
        telling = nn.functional.cross_entropy(answers, torch.zeros_like(order[::2]))
        schedule.descend(
            contrast + telling + 0.5 * reading + 0.5 * knowing,
            contrast=contrast.detach(),
            telling=telling.detach(),
            reading=reading.detach(),
            knowing=knowing.detach(),
        )


def export(folder: Path) -> None:
    """Write the eye in its native format, in half precision."""
    model = build()
    model.load_state_dict(trained(CHECKPOINT)["average"])
    model.half().save_pretrained(folder)
    images = picture_processor()
    CLIPProcessor(images, train_text.make_tokenizer()).save_pretrained(folder)


if __name__ == "__main__":
    main()
