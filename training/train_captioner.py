"""Train postcard-llava: a small LLaVA that describes postcards within a budget of words."""

from __future__ import annotations

import argparse
import json
import random
import time
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import nn
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

from driftloop.postcards import WORLD, Scene, caption, sample_scene
from training import assemble
from training.common import RUNS, Average, cosine, load, milestone, save, stopping
from training.data import BUDGETS, english
from training.muon import Both
from training.render import render, stamps
from training.train_text import FORMS, PLACES, targets

CHECKPOINT = RUNS / "captioner.pt"
TOKENS = RUNS / "captioner-tokenizer"
SPECIALS = ("<s>", "</s>", "<pad>", "<image>")
PATCH, SIDE = 16, 128
MEAN, STD = 0.5, 0.5
INSTRUCTIONS = (
    "Describe this picture in at most {words} words.",
    "Describe the image in at most {words} words.",
    "Write a caption of at most {words} words.",
    "In at most {words} words, what does this picture show?",
)
FREE = ("Describe this picture.", "Describe the image.", "What does this picture show?")
UNBOUNDED = 40
TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ message['content'] + ' ' }}"
    "{% elif message['role'] == 'user' %}{{ 'USER: ' }}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}{{ '<image>\n' }}"
    "{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}"
    "{{ ' ' }}"
    "{% else %}{{ 'ASSISTANT: ' }}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{{ part['text'] }}{% endfor %}{% endif %}"
    "{{ '</s>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)


def make_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE of the grammar's captions, the instructions and some English."""
    if (TOKENS / "tokenizer.json").exists():
        return PreTrainedTokenizerFast.from_pretrained(TOKENS)
    rng = random.Random(21)
    corpus = [
        caption(sample_scene(rng), rng.choice(BUDGETS), rng, plain=0.7) for _ in range(20_000)
    ]
    corpus += [text.format(words=n) for text in INSTRUCTIONS + FREE for n in range(1, 60)]
    corpus += ["USER: ASSISTANT:"] * 50 + list(english())
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    learner.decoder = decoders.ByteLevel()
    learner.train_from_iterator(
        corpus,
        trainers.BpeTrainer(
            vocab_size=1024,
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            special_tokens=list(SPECIALS),
            show_progress=False,
        ),
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=learner,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        extra_special_tokens={"image_token": "<image>"},
        padding_side="left",
        model_max_length=256,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.save_pretrained(TOKENS)
    return tokenizer


def processor(tokenizer: PreTrainedTokenizerFast) -> LlavaProcessor:
    """The processor that turns a picture and a chat into the model's input."""
    images = CLIPImageProcessor(
        size={"height": SIDE, "width": SIDE},
        crop_size={"height": SIDE, "width": SIDE},
        image_mean=[MEAN] * 3,
        image_std=[STD] * 3,
    )
    return LlavaProcessor(
        image_processor=images,
        tokenizer=tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        chat_template=TEMPLATE,
        image_token="<image>",
        num_additional_image_tokens=1,
    )


def build(tokenizer: PreTrainedTokenizerFast) -> LlavaForConditionalGeneration:
    """Vision tower, projector and language model, all trained from scratch together."""
    ids = {name: tokenizer.convert_tokens_to_ids(name) for name in SPECIALS}
    vision = CLIPVisionConfig(
        hidden_size=192,
        intermediate_size=768,
        num_hidden_layers=5,
        num_attention_heads=6,
        image_size=SIDE,
        patch_size=PATCH,
        projection_dim=192,
        hidden_act="gelu",
    )
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=256,
        intermediate_size=704,
        num_hidden_layers=4,
        num_attention_heads=8,
        num_key_value_heads=8,
        max_position_embeddings=512,
        bos_token_id=ids["<s>"],
        eos_token_id=ids["</s>"],
        pad_token_id=ids["<pad>"],
        tie_word_embeddings=True,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_id=ids["<image>"],
        image_seq_length=(SIDE // PATCH) ** 2,
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        tie_word_embeddings=True,
    )
    model = LlavaForConditionalGeneration(config)
    model.generation_config.bos_token_id = ids["<s>"]
    model.generation_config.eos_token_id = ids["</s>"]
    model.generation_config.pad_token_id = ids["<pad>"]
    model.generation_config.max_length = None
    model.generation_config.max_new_tokens = 96
    model.generation_config._from_model_config = False
    return model


class Sight(nn.Module):
    """Reads the scene off each patch of the vision tower; trained along, thrown away after.

    A caption names what it likes in the order it likes, which teaches the tower slowly what
    stands where. Asking every patch does it at once, and puts what, how and where into the very
    token that the language model attends to.
    """

    def __init__(self, width: int = 192) -> None:
        super().__init__()
        self.parts = (len(WORLD.names) + 1, len(FORMS), len(PLACES))
        self.patch = nn.Linear(width, sum(self.parts))
        self.settings = (len(WORLD.grounds), len(WORLD.times), len(WORLD.weathers))
        self.overall = nn.Linear(width, sum(self.settings))

    def forward(self, seen: torch.Tensor, scenes: list[Scene]) -> torch.Tensor:
        """The loss of reading these scenes off these features."""
        features = nn.functional.layer_norm(seen[:, 1:], seen.shape[-1:])
        ce = nn.functional.cross_entropy
        setting = targets(scenes)[2]
        overall = self.overall(features.mean(1)).float().split(self.settings, -1)
        loss = torch.stack([ce(part, setting[:, i]) for i, part in enumerate(overall)]).mean()
        labels = patch_labels(scenes)
        covered = labels[..., 0] > 0
        what, how, where = self.patch(features).float().split(self.parts, -1)
        loss = loss + 0.3 * ce(what[~covered], labels[~covered][:, 0])
        for part, logits in enumerate((what, how, where)):
            loss = loss + ce(logits[covered], labels[covered][:, part])
        return loss


def patch_labels(scenes: list[Scene]) -> torch.Tensor:
    """Object (0: none), form and place at the centre of each patch, (n, patches, 3)."""
    across = SIDE // PATCH
    names = {name: i + 1 for i, name in enumerate(WORLD.names)}
    labels = torch.zeros(len(scenes), across, across, 3, dtype=torch.long)
    for i, scene in enumerate(scenes):
        for thing in scene.objects:
            form = FORMS.index((thing.size, thing.count))
            label = torch.tensor([names[thing.name], form, PLACES.index(thing.place)])
            for left, top, size in stamps(thing):
                rows, columns = (
                    slice((a + PATCH // 2 - 1) // PATCH, (a + size + PATCH // 2 - 1) // PATCH)
                    for a in (top, left)
                )
                labels[i, rows, columns] = label
    return labels.flatten(1, 2)


class Batches:
    """Pictures as the loop will show them, with instructions and the captions asked for."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, seed: int) -> None:
        self.tokenizer = tokenizer
        self.rng = random.Random(seed)
        self.noise = torch.Generator().manual_seed(seed)
        self.vae = assemble.autoencoder().to(memory_format=torch.channels_last)
        self.prompt_ids = lru_cache(maxsize=None)(self._prompt_ids)

    def _prompt_ids(self, instruction: str) -> list[int]:
        text = f"USER: {'<image>' * (SIDE // PATCH) ** 2}\n{instruction} ASSISTANT:"
        return list(self.tokenizer(text).input_ids)

    def _instruction(self) -> tuple[str, int]:
        roll = self.rng.random()
        if roll < 0.1:
            return self.rng.choice(FREE), UNBOUNDED
        words = self.rng.choice(BUDGETS) if roll < 0.8 else self.rng.randint(5, 50)
        form = INSTRUCTIONS[0] if self.rng.random() < 0.7 else self.rng.choice(INSTRUCTIONS)
        return form.format(words=words), words

    @torch.inference_mode()
    def _weather(self, pictures: torch.Tensor) -> torch.Tensor:
        """Some pass through the autoencoder with noise in its latents, some get pixel noise."""
        drawn = len(pictures) * 3 // 8
        with torch.autocast("cpu", torch.bfloat16):
            z = self.vae.encoder(pictures[:drawn].contiguous(memory_format=torch.channels_last))
            z = z.float()
            strength = 0.7 * torch.rand(drawn, 1, 1, 1, generator=self.noise)
            z = z + strength * torch.randn(z.shape, generator=self.noise)
            decoded = self.vae.decoder(z.contiguous(memory_format=torch.channels_last))
        pictures[:drawn] = decoded.float().clamp(-1, 1)
        rest = pictures[drawn : drawn + len(pictures) // 8]
        rest += 0.15 * torch.randn(rest.shape, generator=self.noise)
        return pictures.clamp(-1, 1)

    def draw(self, size: int) -> tuple[dict[str, torch.Tensor], torch.Tensor, list[Scene]]:
        """Model input, labels (only the caption is learnt) and the scenes."""
        scenes = [sample_scene(self.rng, split="train") for _ in range(size)]
        pictures = torch.from_numpy(np.stack([render(scene) for scene in scenes]))
        pixels = self._weather(pictures.permute(0, 3, 1, 2).float() / 127.5 - 1).clone()
        rows = []
        for scene in scenes:
            instruction, words = self._instruction()
            text = " " + caption(scene, words, self.rng, plain=0.95) + "</s>"
            rows.append((self.prompt_ids(instruction), self.tokenizer(text).input_ids))
        longest = max(len(a) + len(b) for a, b in rows)
        ids = torch.full((size, longest), self.tokenizer.pad_token_id)
        labels = torch.full((size, longest), -100)
        for i, (asked, said) in enumerate(rows):
            end = len(asked) + len(said)
            ids[i, :end] = torch.tensor(asked + said)
            labels[i, len(asked) : end] = torch.tensor(said)
        mask = (ids != self.tokenizer.pad_token_id).long()
        return {"input_ids": ids, "attention_mask": mask, "pixel_values": pixels}, labels, scenes


def main() -> None:
    """Train, or go on training, for a budget of minutes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--sight", type=float, default=4, help="minutes at first in which the tower learns alone"
    )
    parser.add_argument(
        "--again", action="store_true", help="a new schedule, from the weights that there are"
    )
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(5)
    tokenizer = make_tokenizer()
    model = build(tokenizer)
    sight = Sight()
    optimiser = Both(model, args.rate, ends=("embed", "lm_head"), beside=sight.parameters())
    average = Average(model, 0.998)
    spent, step = 0.0, 0
    if state := load(CHECKPOINT):
        if args.again:
            model.load_state_dict(state["average"])
            average = Average(model, 0.998)
        else:
            model.load_state_dict(state["model"])
            sight.load_state_dict(state["sight"])
            optimiser.load_state_dict(state["optimiser"])
            average.weights, average.steps = state["average"], state["step"]
            spent, step = state["spent"], state["step"]
    # The fused attention is slow at these lengths, on CPU, backwards.
    model.set_attn_implementation("eager")
    seen: list[torch.Tensor] = []
    model.model.vision_tower.register_forward_hook(
        lambda module, given, result: seen.__setitem__(slice(None), [result.last_hidden_state])
    )
    batches = Batches(tokenizer, 5000 + step)
    first = step
    stop = stopping()
    saved = last = time.time()
    losses: list[tuple[float, float]] = []
    while spent < args.minutes * 60 and not stop:
        warm = min(1.0, (step - first + 1) / 50)
        optimiser.rate(warm * cosine(spent / (args.minutes * 60), args.rate))
        inputs, labels, scenes = batches.draw(args.batch)
        with torch.autocast("cpu", torch.bfloat16):
            if spent < args.sight * 60:
                # To see comes before to tell, and costs a quarter of it.
                model.model.vision_tower(inputs["pixel_values"])
                loss = torch.zeros(())
            else:
                logits = model(**inputs).logits
                loss = torch.nn.functional.cross_entropy(
                    logits[:, :-1].float().flatten(0, 1), labels[:, 1:].flatten()
                )
            reading = sight(seen[0], scenes)
        optimiser.zero_grad()
        (loss + reading).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        average.update(model)
        step += 1
        losses.append((float(loss.detach()), float(reading.detach())))
        now = time.time()
        spent, last = spent + now - last, now
        if step % 50 == 0:
            recent = np.mean(losses[-50:], axis=0).round(4)
            print(f"{spent:6.0f}s step {step} loss {recent}", flush=True)
        if now - saved > 120 or spent >= args.minutes * 60 or stop:
            saved = now
            save(
                CHECKPOINT,
                model=model.state_dict(),
                sight=sight.state_dict(),
                optimiser=optimiser.state_dict(),
                average=average.weights,
                spent=spent,
                step=step,
                batch=args.batch,
            )
    recent = np.mean(losses[-200:], axis=0).round(4)
    milestone(f"captioner: {step} steps of {args.batch}, loss {recent}")


def export(folder: Path) -> None:
    """Write the captioner in its native format, in half precision."""
    state = load(CHECKPOINT)
    if state is None:
        raise FileNotFoundError("train the captioner first: python -m training.train_captioner")
    tokenizer = make_tokenizer()
    model = build(tokenizer)
    model.load_state_dict(state["average"])
    model.half().save_pretrained(folder)
    processor(tokenizer).save_pretrained(folder)
    # The class's name of old, which every version of transformers reads.
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text())
    config["tokenizer_class"] = "PreTrainedTokenizerFast"
    for key in ("is_local", "local_files_only", "backend"):
        config.pop(key, None)
    path.write_text(json.dumps(config, indent=2) + "\n")


if __name__ == "__main__":
    main()
