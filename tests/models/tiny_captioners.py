"""One tiny captioner of each family that has no chat template, saved as its library saves it.

Every function builds a checkpoint from the library's own config classes, with a real processor and
a tokenizer of a few hundred tokens, and writes it where it is told to.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import transformers as tf
from tiny_parts import (
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
)


@family("GIT")
def git(folder: Path) -> None:
    words = tokenizer(
        "[CLS]", "[SEP]", begins="[CLS]", ends="[SEP]",
        cls_token="[CLS]", sep_token="[SEP]", bos_token="[CLS]", eos_token="[SEP]",
    )  # fmt: skip
    config = tf.GitConfig(
        vision_config=clip_vision(tf.GitVisionConfig).to_dict(),
        vocab_size=len(words),
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=WIDTH,
        max_position_embeddings=128,
        **ids(words),
    )
    save(tf.GitForCausalLM(config), tf.GitProcessor(clip_pictures(), words), folder)


@family("BLIP")
def blip(folder: Path) -> None:
    words = tokenizer(
        "[CLS]", "[SEP]", "[DEC]", begins="[CLS]", ends="[SEP]",
        cls_token="[CLS]", sep_token="[SEP]", bos_token="[DEC]", eos_token=None,
    )  # fmt: skip
    text = {
        "vocab_size": len(words),
        "hidden_size": WIDTH,
        "encoder_hidden_size": WIDTH,
        "intermediate_size": WIDTH,
        "projection_dim": WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": 128,
        "bos_token_id": words.bos_token_id,
        "sep_token_id": words.sep_token_id,
        "eos_token_id": words.sep_token_id,
        "pad_token_id": words.pad_token_id,
    }
    config = tf.BlipConfig(
        text_config=text, vision_config=clip_vision(tf.BlipVisionConfig).to_dict(),
        projection_dim=WIDTH, image_text_hidden_size=WIDTH,
    )  # fmt: skip
    pictures = tf.BlipImageProcessor(size={"height": SIDE, "width": SIDE})
    save(tf.BlipForConditionalGeneration(config), tf.BlipProcessor(pictures, words), folder)


def blip_2(folder: Path, words: Any, text: Any, **changes: Any) -> None:
    queries = 4
    pictures = tf.BlipImageProcessor(size={"height": SIDE, "width": SIDE})
    processor = tf.Blip2Processor(pictures, words, num_query_tokens=queries)
    config = tf.Blip2Config(
        vision_config=clip_vision(tf.Blip2VisionConfig).to_dict(),
        qformer_config={
            "hidden_size": WIDTH,
            "encoder_hidden_size": WIDTH,
            "intermediate_size": WIDTH,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "vocab_size": 8,
        },
        text_config=text.to_dict(),
        num_query_tokens=queries,
        image_token_index=words.convert_tokens_to_ids("<image>"),
    )
    save(tf.Blip2ForConditionalGeneration(config), processor, folder)


@family("BLIP-2 with OPT")
def blip_2_opt(folder: Path) -> None:
    words = tokenizer(begins="</s>", bos_token="</s>")
    text = tf.OPTConfig(
        vocab_size=len(words),
        hidden_size=WIDTH,
        word_embed_proj_dim=WIDTH,
        ffn_dim=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=256,
        **ids(words),
    )
    blip_2(folder, words, text)


@family("BLIP-2 with T5")
def blip_2_t5(folder: Path) -> None:
    words = tokenizer(ends="</s>", bos_token=None)
    text = tf.T5Config(
        vocab_size=len(words), d_model=WIDTH, d_kv=16, d_ff=WIDTH, num_layers=2, num_heads=2,
        decoder_start_token_id=words.pad_token_id, pad_token_id=words.pad_token_id,
        eos_token_id=words.eos_token_id,
    )  # fmt: skip
    blip_2(folder, words, text)


@family("PaliGemma")
def paligemma(folder: Path) -> None:
    words = tokenizer()
    pictures = tf.SiglipImageProcessor(size={"height": SIDE, "width": SIDE})
    pictures.image_seq_length = PATCHES
    processor = tf.PaliGemmaProcessor(pictures, words)
    config = tf.PaliGemmaConfig(
        vision_config=clip_vision(tf.SiglipVisionConfig, vision_use_head=False).to_dict(),
        text_config=llama(words, tf.GemmaConfig, head_dim=16).to_dict(),
        projection_dim=WIDTH,
        hidden_size=WIDTH,
        image_token_index=words.convert_tokens_to_ids("<image>"),
        **ids(words),
    )
    save(tf.PaliGemmaForConditionalGeneration(config), processor, folder)


@family("ViT-GPT2")
def vit_gpt2(folder: Path) -> None:
    words = tokenizer(bos_token="</s>")
    text = tf.GPT2Config(
        vocab_size=len(words), n_embd=WIDTH, n_layer=2, n_head=2, n_positions=128,
        add_cross_attention=True, **ids(words),
    )  # fmt: skip
    config = tf.VisionEncoderDecoderConfig.from_encoder_decoder_configs(
        clip_vision(tf.ViTConfig), text
    )
    config.decoder_start_token_id = words.bos_token_id
    config.eos_token_id = words.eos_token_id
    config.pad_token_id = words.pad_token_id
    pictures = tf.ViTImageProcessor(size={"height": SIDE, "width": SIDE})
    model = tf.VisionEncoderDecoderModel(config)
    model.generation_config = tf.GenerationConfig(
        decoder_start_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )
    save(model, pictures, folder, words)
