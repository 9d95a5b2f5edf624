"""What tiny checkpoints are made of: a real tokenizer, small towers, weights spread out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
import transformers as tf
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

SIDE = 32
"""Pixels of the side that vision towers see."""
PATCH = 8
PATCHES = (SIDE // PATCH) ** 2
WIDTH = 32

CORPUS = (
    "Describe this picture in at most 20 words. A ship on the sea. Two cats in a meadow at night. "
    "A red house in the snow, with a tree beside it, under a clear sky. An old man reads a letter."
)
SPECIALS = ("<pad>", "<s>", "</s>", "<unk>", "<image>", "<video>")
TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}: {% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}IMAGE{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}</s>{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"
)

PICTURE_ONLY = {"vision-encoder-decoder"}
"""Model types that cannot be told anything."""
FAMILIES: dict[str, Family] = {}
"""Every tiny captioner, by the name of its family."""


class Family(NamedTuple):
    """How to build a tiny checkpoint, and what that takes beyond torch and transformers."""

    build: Callable[[Path], None]
    needs: tuple[str, ...] = ()


def family(name: str, *needs: str) -> Callable[[Callable[[Path], None]], Callable[[Path], None]]:
    def register(build: Callable[[Path], None]) -> Callable[[Path], None]:
        FAMILIES[name] = Family(build, needs)
        return build

    return register


def tokenizer(*specials: str, begins: str = "", ends: str = "", **names: Any) -> Any:
    """A byte-level BPE tokenizer that was trained on a line of text.

    Args:
        specials: Further special tokens.
        begins: Special token that it puts before a text.
        ends: Special token that it puts behind a text.
        names: Roles of special tokens, e.g. ``sep_token="[SEP]"``.
    """
    learner = Tokenizer(models.BPE(unk_token="<unk>"))
    learner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    learner.decoder = decoders.ByteLevel()
    learner.train_from_iterator(
        [CORPUS],
        trainers.BpeTrainer(
            vocab_size=400,
            show_progress=False,
            special_tokens=[*SPECIALS, *specials],
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        ),
    )
    around = [token for token in (begins, ends) if token]
    if around:
        learner.post_processor = processors.TemplateProcessing(
            single=f"{begins} $A {ends}".strip(),
            special_tokens=[(token, learner.token_to_id(token)) for token in around],
        )
    roles = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    return tf.PreTrainedTokenizerFast(
        tokenizer_object=learner,
        model_max_length=512,
        additional_special_tokens=["<image>", "<video>", *specials],
        **{**roles, **names},
    )


def ids(found: Any) -> dict[str, int]:
    return {
        "bos_token_id": found.bos_token_id,
        "eos_token_id": found.eos_token_id,
        "pad_token_id": found.pad_token_id,
    }


def save(model: Any, processor: Any, folder: Path, *others: Any) -> None:
    """Write a checkpoint, with weights that are spread enough for captions to differ."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.normal_(0, 0.3, generator=generator)
    for part in (model, processor, *others):
        part.save_pretrained(folder)


def clip_vision(cls: Any = tf.CLIPVisionConfig, **changes: Any) -> Any:
    return cls(
        hidden_size=WIDTH,
        intermediate_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=SIDE,
        patch_size=PATCH,
        **changes,
    )


def llama(words: Any, cls: Any = tf.LlamaConfig, **changes: Any) -> Any:
    return cls(
        vocab_size=len(words),
        hidden_size=WIDTH,
        intermediate_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=256,
        **ids(words),
        **changes,
    )


def clip_pictures() -> Any:
    size = {"height": SIDE, "width": SIDE}
    return tf.CLIPImageProcessor(size=size, crop_size=size, do_center_crop=False)
