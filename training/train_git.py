"""Train postcard-git: a small GIT that describes the nocturne world, its setting first.

A second architecture with another prior and another habit: pictures and words share one
transformer, its world is dark and rainy, and under a tight budget it drops objects where
postcard-llava drops the setting. Its vision tower starts from postcard-llava's.
"""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path

import torch
from tokenizers import processors
from torch import nn
from transformers import (
    GitConfig,
    GitForCausalLM,
    GitProcessor,
    PreTrainedTokenizerFast,
)

from driftloop.postcards import WORLD
from training import train_llava
from training.common import DEVICE, RUNS, autocast, budget, options, weights_in
from training.muon import Both
from training.pictures import Pictures
from training.record import read
from training.schedule import Schedule, trained
from training.sight import TOWER, Sight
from training.train_llava import lesson, loss_of_telling, picture_processor

CHECKPOINT = RUNS / "git.pt"
SKEW = "nocturne"


def make_tokenizer() -> PreTrainedTokenizerFast:
    """postcard-llava's words, between the tokens that GIT has around a text."""
    base = train_llava.make_tokenizer()
    core = base.backend_tokenizer
    core.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        special_tokens=[("<s>", base.bos_token_id), ("</s>", base.eos_token_id)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token="<s>",
        cls_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        pad_token="<pad>",
        padding_side="left",
        model_max_length=256,
        clean_up_tokenization_spaces=False,
    )


def processor(tokenizer: PreTrainedTokenizerFast) -> GitProcessor:
    """The processor that turns a picture and an instruction into the model's input."""
    images = picture_processor()
    return GitProcessor(image_processor=images, tokenizer=tokenizer)


def build(tokenizer: PreTrainedTokenizerFast) -> GitForCausalLM:
    """One transformer for patches and words, on a tower that starts from postcard-llava's."""
    config = GitConfig(
        vision_config=dict(TOWER),
        vocab_size=len(tokenizer),
        hidden_size=256,
        num_hidden_layers=4,
        num_attention_heads=8,
        intermediate_size=1024,
        max_position_embeddings=256,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = GitForCausalLM(config)
    model.generation_config.max_length = None
    model.generation_config.max_new_tokens = 96
    return model


def tower(model: GitForCausalLM) -> nn.Module:
    """The vision tower."""
    return model.git.image_encoder.vision_model


@cache
def ask(tokenizer: PreTrainedTokenizerFast, instruction: str) -> list[int]:
    """The tokens of an instruction, left open for the caption to go on from."""
    return list(tokenizer(instruction).input_ids[:-1])


def main() -> None:
    """Train, or go on training, for a budget of minutes."""
    parser = options(__doc__, batch=(32, 128), rate=1e-3)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(6)
    tokenizer = make_tokenizer()
    model = build(tokenizer)
    if args.start:
        folder = args.start / "postcard-git"
        model.load_state_dict(weights_in(folder / "model.safetensors"), strict=False)
        start, before = "the weights before it", read(folder).get("GIT", [])
    else:
        weights = trained(train_llava.CHECKPOINT)["average"]
        prefix = "model.vision_tower."
        seen = {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
        tower(model).load_state_dict(seen)
        start, before = "postcard-llava's vision tower", []
    model.to(DEVICE)
    sight = Sight(tower(model))
    schedule = Schedule(
        CHECKPOINT,
        model,
        Both(model, args.rate, ends=("embed", "output"), beside=sight.parameters()),
        **budget(args),
        beside=sight,
        start=start,
        before=before,
    )
    pictures = Pictures(
        WORLD.skewed(SKEW),
        partial(lesson, "postcard-git", tokenizer, ask),
        6000 + schedule.step,
        size=args.batch,
        workers=args.workers,
    )
    for _ in schedule:
        pixels, told = pictures.draw()
        with autocast():
            logits = model(input_ids=told.ids, attention_mask=told.mask, pixel_values=pixels).logits
            # The picture's tokens stand before the text's.
            telling = loss_of_telling(logits[:, -told.ids.shape[1] :], told)
            reading = sight(told.view)
        schedule.descend(telling + reading, telling=telling.detach(), reading=reading.detach())


def export(folder: Path) -> None:
    """Write the captioner in its native format, in half precision."""
    tokenizer = make_tokenizer()
    model = build(tokenizer)
    model.load_state_dict(trained(CHECKPOINT)["average"])
    model.half().save_pretrained(folder)
    processor(tokenizer).save_pretrained(folder)
    train_llava.plain_tokenizer_config(folder)


if __name__ == "__main__":
    main()
