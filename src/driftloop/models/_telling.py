"""How a captioner is shown a picture and told what to do, family by family.

Three ways, of which a model has one:

* **chat**: its processor has a chat template (LLaVA, Qwen-VL, SmolVLM, InternVL, Gemma 3, ...);
  picture and instruction are a user's turn.
* **prefix**: no template (GIT, BLIP, BLIP-2, PaliGemma, ...); the instruction is a text that the
  model goes on from, or, in an encoder-decoder, one that it reads.
* **picture**: nothing can be told (a ``VisionEncoderDecoderModel`` such as ViT-GPT2).
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from ..errors import ModelError
from . import _files

Way = Literal["chat", "prefix", "picture"]

PICTURE_ONLY = {"vision-encoder-decoder"}
"""Model types that take a picture and nothing else."""
CUTS_ITS_PREFIX = {"blip"}
"""Model types whose ``generate`` takes a prefix with the end token that the tokenizer puts there,
and drops it."""
DEFAULT_TOLD = "Describe this picture."


def within_words(told: str) -> str:
    """An instruction with a word budget in it, ``{words}``, added where it has none."""
    return told if "{words}" in told else f"{told} Use at most {{words}} words."


def model_type(folder: str | Path) -> str | None:
    """The architecture that a model's files name."""
    found = _files.read_json(folder, "config.json").get("model_type")
    return found if isinstance(found, str) else None


def can_be_told(folder: str | Path) -> bool:
    """Whether a model on this machine takes an instruction at all."""
    return model_type(folder) not in PICTURE_ONLY


def way_of(model: Any, processor: Any) -> Way:
    """Which of the three ways a loaded model has."""
    if model.config.model_type in PICTURE_ONLY:
        return "picture"
    return "chat" if getattr(processor, "chat_template", None) else "prefix"


def features(model: Any, processor: Any, images: list[Image.Image], told: str) -> dict[str, Any]:
    """What ``generate`` takes: tensors on the model's device, in its number format.

    Args:
        model: The model.
        processor: Its processor; for the way ``picture`` its image processor.
        images: RGB pictures of one size.
        told: The instruction, ``{words}`` filled in.
    """
    way = way_of(model, processor)
    if way == "chat":
        found = processor.apply_chat_template(
            [_turn(image, told) for image in images],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs={"padding": True},
        )
    elif way == "prefix":
        found = processor(
            images=images, text=[told] * len(images), padding=True, return_tensors="pt"
        )
        found = _without_end(model, processor.tokenizer, dict(found))
        _check_placeholder(processor, found)
    else:
        found = processor(images=images, return_tensors="pt")
    return {name: _moved(value, model) for name, value in found.items() if _taken(model, name)}


def _turn(image: Image.Image, told: str) -> list[dict[str, Any]]:
    content = [{"type": "image", "image": image}, {"type": "text", "text": told}]
    return [{"role": "user", "content": content}]


def _without_end(model: Any, tokenizer: Any, found: dict[str, Any]) -> dict[str, Any]:
    """Drop the end token that a tokenizer puts behind a prefix: a decoder is to go on from it."""
    if _reads_apart(model) or model.config.model_type in CUTS_ITS_PREFIX:
        return found
    tokens = found["input_ids"]
    ends = {tokenizer.eos_token_id, tokenizer.sep_token_id} - {None}
    if tokens.shape[1] < 2 or not all(row[-1].item() in ends for row in tokens):
        return found
    shape = tokens.shape
    return {
        name: value[:, :-1] if getattr(value, "shape", None) == shape else value
        for name, value in found.items()
    }


def _check_placeholder(processor: Any, found: dict[str, Any]) -> None:
    token = getattr(processor, "image_token", None)
    number = getattr(processor, "image_token_id", None)
    if number is not None and not (found["input_ids"] == number).any():
        raise ModelError(
            f"its processor has no chat template and does not place the picture by itself: write "
            f"{token} into the instruction where the picture goes"
        )


def _taken(model: Any, name: str) -> bool:
    """Tokenizers add what their own family has; ``labels`` are for training."""
    if name in {"token_type_ids", "mm_token_type_ids"}:
        return name in inspect.signature(model.forward).parameters
    return name != "labels"


def _moved(value: Any, model: Any) -> Any:
    if not hasattr(value, "is_floating_point"):
        return value
    if value.is_floating_point():
        return value.to(model.device, model.dtype)
    return value.to(model.device)


def _reads_apart(model: Any) -> bool:
    """Whether an encoder reads what is told, so that the decoder begins with an empty page."""
    return bool(model.config.is_encoder_decoder or _text_config(model).is_encoder_decoder)


def _text_config(model: Any) -> Any:
    return model.config.get_text_config(decoder=True)


def room_left(model: Any, found: dict[str, Any]) -> int | None:
    """Tokens that the decoder's positions leave for an answer; None where it has no such limit.

    Raises:
        ModelError: Picture and instruction leave none.
    """
    positions = getattr(_text_config(model), "max_position_embeddings", None)
    if not isinstance(positions, int):
        return None
    prompt_tokens = 1 if _reads_apart(model) else found["input_ids"].shape[1]
    if positions <= prompt_tokens:
        raise ModelError(
            f"picture and instruction take {prompt_tokens} tokens, and the model has {positions}"
        )
    return positions - prompt_tokens


def end_tokens(model: Any, tokenizer: Any) -> set[int]:
    """The tokens that end an answer.

    BLIP ends with its separator. BLIP-2 and its like hand over to a language model, which may have
    a mind of its own about it.
    """
    if model.config.model_type == "blip":
        return {int(model.config.text_config.sep_token_id)}
    inner = getattr(model, "language_model", None)
    for config in (model.generation_config, getattr(inner, "generation_config", None)):
        ends = getattr(config, "eos_token_id", None)
        if ends is not None:
            return {ends} if isinstance(ends, int) else set(ends)
    return {tokenizer.eos_token_id} - {None}
