"""Train the tokenizer and the two text encoders of postcard-sdxl, on text alone.

The encoders learn to tell the scene from its caption: from their penultimate token states, which
are what the UNet attends to, and from the pooled projection. They are frozen afterwards, as
those of SDXL are.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from torch import nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
)

from driftloop.postcards import WORLD, Scene, sample_scene
from driftloop.postcards.world import GROUND_PLACES, SKY_PLACES
from training.common import RUNS, cosine, load, milestone, save
from training.data import english, noise_words, prompt

CHECKPOINT = RUNS / "text.pt"
TOKENS = RUNS / "tokenizer"
MERGES = 1500
WIDTH, POOLED, LENGTH = 128, 256, 77
PLACES = GROUND_PLACES + SKY_PLACES
FORMS = (("small", 1), ("normal", 1), ("large", 1), ("normal", 2), ("normal", 3))


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
    import json

    merges = [tuple(m) for m in json.loads(learner.to_str())["model"]["merges"]][:MERGES]
    symbols = alphabet + [a + "</w>" for a in alphabet] + [a + b for a, b in merges]
    symbols += ["<|startoftext|>", "<|endoftext|>"]
    vocab = {symbol: i for i, symbol in enumerate(dict.fromkeys(symbols))}
    tokenizer = CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=LENGTH)
    tokenizer.save_pretrained(TOKENS)
    return tokenizer


def build(tokenizer: CLIPTokenizer) -> tuple[CLIPTextModel, CLIPTextModelWithProjection]:
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
    return CLIPTextModel(config), CLIPTextModelWithProjection(config)


class Heads(nn.Module):
    """Reads the scene: for each place what stands there and how, and the setting."""

    def __init__(self) -> None:
        super().__init__()
        wide = WIDTH * 2
        self.sizes = [len(WORLD.names) + 1, len(FORMS)]
        self.settings = [len(WORLD.grounds), len(WORLD.times), len(WORLD.weathers)]
        self.query = nn.Parameter(torch.randn(len(PLACES) + 1, wide) * 0.2)
        self.attend = nn.MultiheadAttention(wide, 4, batch_first=True)
        self.at_place = nn.ModuleList(nn.Linear(wide, n) for n in self.sizes)
        self.overall = nn.ModuleList(nn.Linear(wide, n) for n in self.settings)
        self.pooled_place = nn.ModuleList(nn.Linear(POOLED, n * len(PLACES)) for n in self.sizes)
        self.pooled_overall = nn.ModuleList(nn.Linear(POOLED, n) for n in self.settings)
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


def targets(scenes: list[Scene]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Object and form per place (-100: not counted), the setting, and presence."""
    names = {n: i + 1 for i, n in enumerate(WORLD.names)}
    what = torch.zeros(len(scenes), len(PLACES), dtype=torch.long)
    how = torch.full_like(what, -100)
    there = torch.zeros(len(scenes), len(names))
    setting = torch.tensor(
        [
            [
                list(t).index(n)
                for t, n in zip(
                    (WORLD.grounds, WORLD.times, WORLD.weathers),
                    (s.ground, s.time, s.weather),
                    strict=True,
                )
            ]
            for s in scenes
        ]
    )
    for i, scene in enumerate(scenes):
        for thing in scene.objects:
            at = PLACES.index(thing.place)
            what[i, at] = names[thing.name]
            how[i, at] = FORMS.index((thing.size, thing.count))
            there[i, names[thing.name] - 1] = 1
    return what, how, setting, there


def encode(
    tokenizer: CLIPTokenizer,
    encoders: tuple[CLIPTextModel, CLIPTextModelWithProjection],
    texts: list[str],
    short: bool = False,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token states and pooled embedding as StableDiffusionXLPipeline takes them.

    `short` pads only to the longest text: attention is causal, so the states are the same ones.
    """
    ids = tokenizer(
        texts,
        padding="longest" if short else "max_length",
        max_length=LENGTH,
        truncation=True,
        return_tensors="pt",
    ).input_ids
    first = encoders[0](ids, output_hidden_states=True)
    second = encoders[1](ids, output_hidden_states=True)
    return torch.cat([first.hidden_states[-2], second.hidden_states[-2]], -1), second.text_embeds


def main() -> None:
    """Train, or go on training, for a budget of minutes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    tokenizer = make_tokenizer()
    encoders = build(tokenizer)
    for encoder in encoders:  # the fused attention is slow at these lengths, on CPU, backwards
        encoder.set_attn_implementation("eager")
    heads = Heads()
    whole = nn.ModuleList([*encoders, heads])
    optimiser = torch.optim.AdamW(whole.parameters(), args.rate, weight_decay=0.01)
    spent, step = 0.0, 0
    if state := load(CHECKPOINT):
        whole.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        spent, step = state["spent"], state["step"]
    rng = random.Random(2000 + step)
    saved = last = time.time()
    recent: Counter[str] = Counter()
    ce = nn.functional.cross_entropy
    while spent < args.minutes * 60:
        optimiser.param_groups[0]["lr"] = cosine(spent / (args.minutes * 60), args.rate)
        scenes = [sample_scene(rng, split="train") for _ in range(args.batch)]
        texts = [prompt(scene, rng, rough=0.45) for scene in scenes]
        with torch.autocast("cpu", torch.bfloat16):
            tokens, pooled = encode(tokenizer, encoders, texts, short=step % 5 > 0)
            places, overall, there = heads(tokens, pooled)
        what, how, setting, present = targets(scenes)
        parts = {}
        for i, name in enumerate(("tokens", "pooled")):
            parts[f"{name} object"] = ce(places[2 * i].float().flatten(0, 1), what.flatten())
            parts[f"{name} form"] = ce(places[2 * i + 1].float().flatten(0, 1), how.flatten())
            parts[f"{name} setting"] = sum(
                ce(overall[3 * i + j].float(), setting[:, j]) for j in range(3)
            )
        parts["there"] = 20 * nn.functional.binary_cross_entropy_with_logits(there.float(), present)
        # Unit variance keeps the conditioning at the scale that the UNet starts with.
        parts["scale"] = 0.1 * (pooled.float().std() - 1).square()
        loss = sum(parts.values())
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(whole.parameters(), 1.0)
        optimiser.step()
        step += 1
        for key, value in parts.items():
            recent[key] += float(value.detach())
        now = time.time()
        spent, last = spent + now - last, now
        if step % 100 == 0:
            line = " ".join(f"{k} {v / 100:.3f}" for k, v in recent.items())
            print(f"{spent:6.0f}s step {step} {line} std {tokens.float().std():.2f}", flush=True)
            recent.clear()
        if now - saved > 60 or spent >= args.minutes * 60:
            saved = now
            save(
                CHECKPOINT,
                model=whole.state_dict(),
                optimiser=optimiser.state_dict(),
                spent=spent,
                step=step,
                batch=args.batch,
            )
    milestone(f"text encoders: {step} steps of {args.batch}, loss {float(loss.detach()):.3f}")


if __name__ == "__main__":
    main()
