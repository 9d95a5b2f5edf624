"""One tiny captioner of each family that chats, saved as its library saves it.

Those that can also watch videos have a processor for that, which needs torchvision.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import transformers as tf
from tiny_parts import (
    PATCH,
    PATCHES,
    SIDE,
    WIDTH,
    clip_pictures,
    clip_vision,
    family,
    ids,
    llama,
    save,
    tokenizer,
)  # fmt: skip

TILES = [[SIDE, SIDE], [SIDE, 2 * SIDE], [2 * SIDE, SIDE], [2 * SIDE, 2 * SIDE]]


def template(picture: str) -> str:
    """A chat template in the form that hub models have, with this mark for a picture."""
    return (
        "{% for message in messages %}{{ message['role'] }}: {% for part in message['content'] %}"
        "{% if part['type'] == 'image' %}" + picture + "{% else %}{{ part['text'] }}{% endif %}"
        "{% endfor %}</s>{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"
    )


def mark(words: Any, token: str = "<image>") -> int:
    return int(words.convert_tokens_to_ids(token))


@family("LLaVA 1.5")
def llava(folder: Path) -> None:
    words = tokenizer()
    processor = tf.LlavaProcessor(
        clip_pictures(), words, patch_size=PATCH, vision_feature_select_strategy="default",
        num_additional_image_tokens=1, chat_template=template("<image>"),
    )  # fmt: skip
    config = tf.LlavaConfig(
        vision_config=clip_vision(), text_config=llama(words), image_token_id=mark(words),
        image_seq_length=PATCHES, vision_feature_layer=-2,
    )  # fmt: skip
    save(tf.LlavaForConditionalGeneration(config), processor, folder)


@family("LLaVA-NeXT")
def llava_next(folder: Path) -> None:
    words = tokenizer()
    pictures = tf.LlavaNextImageProcessor(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE},
        image_grid_pinpoints=TILES,
    )  # fmt: skip
    processor = tf.LlavaNextProcessor(
        pictures, words, patch_size=PATCH, vision_feature_select_strategy="default",
        num_additional_image_tokens=1, chat_template=template("<image>"),
    )  # fmt: skip
    config = tf.LlavaNextConfig(
        vision_config=clip_vision(), text_config=llama(words), image_token_index=mark(words),
        image_seq_length=PATCHES, vision_feature_layer=-2, image_grid_pinpoints=TILES,
    )  # fmt: skip
    save(tf.LlavaNextForConditionalGeneration(config), processor, folder)


def idefics(cls: str, folder: Path, *others: Any) -> None:
    tokens = ["<fake_token_around_image>", "<end_of_utterance>", "<global-img>"]
    rows = [f"<row_{y}_col_{x}>" for y in range(1, 4) for x in range(1, 4)]
    words = tokenizer(*tokens, *rows)
    pictures = getattr(tf, f"{cls}ImageProcessor")(
        size={"longest_edge": 2 * SIDE}, max_image_size={"longest_edge": SIDE}
    )
    processor = getattr(tf, f"{cls}Processor")(
        pictures, words, *others, image_seq_len=PATCHES // 4, chat_template=template("<image>")
    )
    config = getattr(tf, f"{cls}Config")(
        vision_config=clip_vision(getattr(tf, f"{cls}VisionConfig")).to_dict(),
        text_config=llama(words).to_dict(),
        image_token_id=mark(words),
        scale_factor=2,
        pad_token_id=words.pad_token_id,
    )
    save(getattr(tf, f"{cls}ForConditionalGeneration")(config), processor, folder)


@family("Idefics3")
def idefics3(folder: Path) -> None:
    idefics("Idefics3", folder)


@family("Gemma 3")
def gemma3(folder: Path) -> None:
    words = tokenizer("<boi>", "<eoi>", image_token="<image>", boi_token="<boi>", eoi_token="<eoi>")
    pictures = tf.Gemma3ImageProcessor(size={"height": SIDE, "width": SIDE})
    processor = tf.Gemma3Processor(
        pictures, words, image_seq_length=4, chat_template=template("<boi>")
    )
    config = tf.Gemma3Config(
        vision_config=clip_vision(tf.SiglipVisionConfig, vision_use_head=False).to_dict(),
        text_config=llama(words, tf.Gemma3TextConfig, head_dim=16, sliding_window=64).to_dict(),
        mm_tokens_per_image=4,
        image_token_index=mark(words),
        boi_token_index=mark(words, "<boi>"),
        eoi_token_index=mark(words, "<eoi>"),
        **ids(words),
    )
    save(tf.Gemma3ForConditionalGeneration(config), processor, folder)


@family("SmolVLM", "torchvision", "num2words")
def smolvlm(folder: Path) -> None:
    frames = tf.SmolVLMVideoProcessor(
        size={"longest_edge": SIDE}, max_image_size={"longest_edge": SIDE}
    )
    idefics("SmolVLM", folder, frames)


@family("LLaVA-OneVision", "torchvision")
def llava_onevision(folder: Path) -> None:
    words = tokenizer()
    size = {"height": SIDE, "width": SIDE}
    processor = tf.LlavaOnevisionProcessor(
        tf.LlavaOnevisionImageProcessor(size=size, image_grid_pinpoints=TILES),
        words,
        tf.LlavaOnevisionVideoProcessor(size=size),
        num_image_tokens=PATCHES,
        vision_feature_select_strategy="full",
        chat_template=template("<image>"),
    )
    config = tf.LlavaOnevisionConfig(
        vision_config=clip_vision(tf.SiglipVisionConfig, vision_use_head=False),
        text_config=llama(words, tf.Qwen2Config),
        image_token_index=mark(words),
        video_token_index=mark(words, "<video>"),
        image_grid_pinpoints=TILES,
    )
    save(tf.LlavaOnevisionForConditionalGeneration(config), processor, folder)


@family("Qwen2.5-VL", "torchvision")
def qwen2_5_vl(folder: Path) -> None:
    words = tokenizer("<start>", "<end>", image_token="<image>", video_token="<video>")
    smallest, largest = 16 * 16, 64 * 64
    size = {"shortest_edge": smallest, "longest_edge": largest}
    processor = tf.Qwen2_5_VLProcessor(
        tf.Qwen2VLImageProcessor(patch_size=PATCH, size=size),
        words,
        tf.Qwen2VLVideoProcessor(patch_size=PATCH, size=size),
        chat_template=template("<start><image><end>"),
    )
    config = tf.Qwen2_5_VLConfig(
        vision_config={
            "depth": 2,
            "hidden_size": WIDTH,
            "intermediate_size": WIDTH,
            "num_heads": 2,
            "patch_size": PATCH,
            "out_hidden_size": WIDTH,
            "window_size": 32,
            "fullatt_block_indexes": [1],
        },
        text_config=llama(
            words,
            tf.Qwen2_5_VLTextConfig,
            rope_parameters={"rope_type": "default", "mrope_section": [2, 3, 3]},
        ).to_dict(),
        image_token_id=mark(words),
        video_token_id=mark(words, "<video>"),
        vision_start_token_id=mark(words, "<start>"),
        vision_end_token_id=mark(words, "<end>"),
    )
    save(tf.Qwen2_5_VLForConditionalGeneration(config), processor, folder)


@family("InternVL", "torchvision")
def internvl(folder: Path) -> None:
    words = tokenizer(
        "<img>", "</img>", start_image_token="<img>", end_image_token="</img>",
        context_image_token="<image>", video_token="<video>",
    )  # fmt: skip
    size = {"height": SIDE, "width": SIDE}
    processor = tf.InternVLProcessor(
        tf.GotOcr2ImageProcessor(size=size, crop_to_patches=True),
        words,
        tf.InternVLVideoProcessor(size=size),
        image_seq_length=PATCHES // 4,
        chat_template=template("<image>"),
    )
    config = tf.InternVLConfig(
        vision_config=clip_vision(tf.InternVLVisionConfig).to_dict(),
        text_config=llama(words, tf.Qwen2Config).to_dict(),
        image_token_id=mark(words),
        image_seq_length=PATCHES // 4,
    )
    save(tf.InternVLForConditionalGeneration(config), processor, folder)
