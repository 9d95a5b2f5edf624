"""Train the tokenizer and the two text encoders of postcard-sdxl, on text alone.

The encoders learn to tell the scene from its caption: from their penultimate token states, which
are what the UNet attends to, and from the pooled projection. They are frozen afterwards, as
those of SDXL are.
"""

from __future__ import annotations

import json
import random
import shutil
from functools import partial

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from torch import nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
)

from driftloop.postcards import WORLD, sample_scene
from training.common import DEVICE, RUNS, autocast, budget, options, plain_attention, weights_in
from training.data import english, noise_words, prompt
from training.labels import FORMS, PLACES, SETTING_SIZES, TINTS, Labels, label
from training.muon import Both
from training.record import read
from training.schedule import Schedule
from training.stream import stream

EVEN = WORLD.tempered(0.3)
"""Rare objects have names too."""
CHECKPOINT = RUNS / "text.pt"
TOKENS = RUNS / "tokenizer"
MERGES = 1500
WIDTH, POOLED, LENGTH = 128, 256, 77


def make_tokenizer() -> CLIPTokenizer:
    """Learn the merges; every byte is in the vocabulary, so that nothing is unknown."""
    if (TOKENS / "tokenizer.json").exists():
        return CLIPTokenizer.from_pretrained(TOKENS)
    rng = random.Random(11)
    corpus = [prompt(sample_scene(rng, split="train"), rng, rough=0.5) for _ in range(20_000)]
    corpus += list(english()) * 3 + list(noise_words()) * 3
    split = CLIPTokenizer()._tokenizer
    learner = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    learner.normalizer, learner.pre_tokenizer = split.normalizer, split.pre_tokenizer
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    learner.train_from_iterator(
        corpus,
        trainers.BpeTrainer(
            vocab_size=len(alphabet) * 2 + MERGES,
            initial_alphabet=alphabet,
            end_of_word_suffix="</w>",
            show_progress=False,
        ),
    )
    merges = [tuple(m) for m in json.loads(learner.to_str())["model"]["merges"]][:MERGES]
    symbols = alphabet + [a + "</w>" for a in alphabet] + [a + b for a, b in merges]
    symbols += ["<|startoftext|>", "<|endoftext|>"]
    vocab = {symbol: i for i, symbol in enumerate(dict.fromkeys(symbols))}
    tokenizer = CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=LENGTH)
    tokenizer.save_pretrained(TOKENS)
    return tokenizer


def build(tokenizer: CLIPTokenizer) -> nn.ModuleList:
    """Two small encoders of one shape, as different as their seeds and their heads make them."""
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=WIDTH * 4,
        projection_dim=POOLED,
        num_hidden_layers=4,
        num_attention_heads=4,
        max_position_embeddings=LENGTH,
        hidden_act="gelu",
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return nn.ModuleList([CLIPTextModel(config), CLIPTextModelWithProjection(config)])


class Heads(nn.Module):
    """Reads the scene: for each place what stands there and how, and the setting."""

    def __init__(self) -> None:
        super().__init__()
        wide = WIDTH * 2
        self.sizes = [len(WORLD.names) + 1, len(FORMS), len(TINTS)]
        self.query = nn.Parameter(torch.randn(len(PLACES) + 1, wide) * 0.2)
        self.attend = nn.MultiheadAttention(wide, 4, batch_first=True)
        self.at_place = nn.ModuleList(nn.Linear(wide, n) for n in self.sizes)
        self.overall = nn.ModuleList(nn.Linear(wide, n) for n in SETTING_SIZES)
        self.pooled_place = nn.ModuleList(nn.Linear(POOLED, n * len(PLACES)) for n in self.sizes)
        self.pooled_overall = nn.ModuleList(nn.Linear(POOLED, n) for n in SETTING_SIZES)
        self.pooled_there = nn.Linear(POOLED, len(WORLD.names))

    def forward(
        self, tokens: torch.Tensor, pooled: torch.Tensor
    ) -> tuple[list[torch.Tensor], list[torch.Tensor], torch.Tensor]:
        """Logits per place (from tokens and pooled), of the setting, and of presence."""
        query = self.query.expand(len(tokens), -1, -1)
        seen = self.attend(query, tokens, tokens, need_weights=False)[0] + query
        places = [head(seen[:, :-1]) for head in self.at_place]
        places += [head(pooled).unflatten(1, (len(PLACES), -1)) for head in self.pooled_place]
        overall = [head(seen[:, -1]) for head in self.overall]
        overall += [head(pooled) for head in self.pooled_overall]
        return places, overall, self.pooled_there(pooled)


def spell(tokenizer: CLIPTokenizer, texts: list[str], short: bool = False) -> torch.Tensor:
    """Token ids as StableDiffusionXLPipeline makes them, (n, 77).

    `short` pads only to the longest text, (n, longest): attention is causal, so the states are the
    same ones.
    """
    ids = tokenizer(
        texts, padding="longest", max_length=LENGTH, truncation=True, return_tensors="pt"
    ).input_ids
    # Longer rows are cheaper to make here than by the tokenizer.
    more = 0 if short else LENGTH - ids.shape[1]
    return nn.functional.pad(ids, (0, more), value=tokenizer.pad_token_id)


def encode(encoders: nn.ModuleList, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Token states and pooled embedding as StableDiffusionXLPipeline takes them."""
    first = encoders[0](ids, output_hidden_states=True)
    second = encoders[1](ids, output_hidden_states=True)
    return torch.cat([first.hidden_states[-2], second.hidden_states[-2]], -1), second.text_embeds


def lesson(tokenizer: CLIPTokenizer, size: int, rng: random.Random) -> tuple[torch.Tensor, Labels]:
    """Prompts of as many scenes as asked, and what they say."""
    scenes = [sample_scene(rng, split="train", world=EVEN) for _ in range(size)]
    texts = [prompt(scene, rng, rough=0.5) for scene in scenes]
    return spell(tokenizer, texts, short=rng.random() < 0.8), label(scenes)


def main() -> None:
    """Train, or go on training, for a budget of minutes."""
    parser = options(__doc__, batch=(64, 256), rate=1e-3)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    folder = args.start and args.start / "postcard-sdxl"
    if folder and not TOKENS.exists():
        shutil.copytree(folder / "tokenizer", TOKENS)
    tokenizer = make_tokenizer()
    encoders, heads = build(tokenizer), Heads()
    if folder:
        for encoder, name in zip(encoders, ("text_encoder", "text_encoder_2"), strict=True):
            encoder.load_state_dict(weights_in(folder / name / "model.safetensors"))
    encoders.to(DEVICE)
    heads.to(DEVICE)
    for encoder in encoders:
        plain_attention(encoder)
    schedule = Schedule(
        CHECKPOINT,
        encoders,
        Both(encoders, args.rate, ends=("embed", "projection"), beside=heads.parameters()),
        **budget(args),
        beside=heads,
        start="the weights before it" if folder else "nothing",
        before=read(folder).get("text encoders", []) if folder else (),
    )
    lessons = stream(partial(lesson, tokenizer, args.batch), 2000 + schedule.step, args.workers)
    ce = nn.functional.cross_entropy
    for share in schedule:
        # New heads would first of all undo what the encoders know.
        encoders.requires_grad_(not folder or share > 0.06)
        ids, truth = next(lessons)
        with autocast():
            tokens, pooled = encode(encoders, ids)
            places, overall, there = heads(tokens, pooled)
        parts = {}
        for i, name in enumerate(("tokens", "pooled")):
            for logits, part in zip(places[3 * i :], ("what", "form", "tint"), strict=False):
                right = getattr(truth, part)
                parts[f"{name} {part}"] = ce(logits.float().flatten(0, 1), right.flatten())
            said = overall[len(SETTING_SIZES) * i :][: len(SETTING_SIZES)]
            parts[f"{name} setting"] = sum(
                ce(logits.float(), truth.setting[:, j]) for j, logits in enumerate(said)
            )
        parts["there"] = 20 * nn.functional.binary_cross_entropy_with_logits(
            there.float(), truth.there
        )
        # Unit variance keeps the conditioning at the scale that the UNet starts with.
        parts["scale"] = 0.1 * (pooled.float().std() - 1).square()
        schedule.descend(sum(parts.values()), **parts)


if __name__ == "__main__":
    main()
