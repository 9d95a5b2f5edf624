"""One tiny generator of each family, with random weights, saved as diffusers saves it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers as df
import torch
import transformers as tf
from tiny_parts import CORPUS, WIDTH, clip_vision
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

CHANNELS = 4
FAMILIES: dict[str, Callable[[Path], None]] = {}
"""Builder by the name of the family."""


def family(name: str) -> Callable[[Callable[[Path], None]], Callable[[Path], None]]:
    def register(build: Callable[[Path], None]) -> Callable[[Path], None]:
        FAMILIES[name] = build
        return build

    return register


def save(pipeline: Any, folder: Path) -> None:
    """Write a pipeline, with weights that are spread enough for pictures to depend on prompts."""
    generator = torch.Generator().manual_seed(0)
    for name, part in pipeline.components.items():
        if isinstance(part, torch.nn.Module) and name != "safety_checker":
            with torch.no_grad():
                for weight in part.parameters():
                    if weight.ndim > 1:
                        spread = 2.0 if "text" in name else 1.0
                        weight.normal_(0, spread / weight[0].numel() ** 0.5, generator=generator)
    pipeline.save_pretrained(folder)


def clip_words() -> Any:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    symbols = alphabet + [symbol + "</w>" for symbol in alphabet]
    symbols += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {symbol: number for number, symbol in enumerate(symbols)}
    return tf.CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=77)


def clip_text(words: Any, cls: Any = tf.CLIPTextModel) -> Any:
    return cls(
        tf.CLIPTextConfig(
            vocab_size=len(words),
            hidden_size=WIDTH,
            intermediate_size=WIDTH,
            projection_dim=WIDTH,
            num_hidden_layers=2,
            num_attention_heads=2,
            bos_token_id=words.bos_token_id,
            eos_token_id=words.eos_token_id,
            pad_token_id=words.pad_token_id,
        )
    )


def t5_words() -> Any:
    learner = Tokenizer(models.Unigram())
    learner.pre_tokenizer = pre_tokenizers.Metaspace()
    specials = ["<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(
        vocab_size=80, special_tokens=specials, unk_token="<unk>", show_progress=False
    )
    learner.train_from_iterator([CORPUS, CORPUS.lower()], trainer)
    pieces = [piece for piece in learner.get_vocab() if piece not in specials]
    vocabulary = [(special, 0.0) for special in specials]
    vocabulary += [(piece, -float(len(pieces) - len(piece))) for piece in sorted(pieces)]
    return tf.T5Tokenizer(vocab=vocabulary, extra_ids=0, model_max_length=512)


def t5_text(words: Any, d_model: int = WIDTH) -> Any:
    config = tf.T5Config(
        vocab_size=len(words), d_model=d_model, d_kv=16, d_ff=WIDTH, num_layers=2, num_heads=2,
        pad_token_id=words.pad_token_id, eos_token_id=words.eos_token_id,
        decoder_start_token_id=words.pad_token_id,
    )  # fmt: skip
    return tf.T5EncoderModel(config)


def gemma_words() -> Any:
    specials = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    symbols = specials + [f"<0x{byte:02X}>" for byte in range(256)] + ["▁"]
    symbols += sorted(set(CORPUS) - {" "})
    vocabulary = {symbol: number for number, symbol in enumerate(symbols)}
    return tf.GemmaTokenizer(vocab=vocabulary, merges=[], model_max_length=100_000)


def vae(scale: int = 2, channels: int = CHANNELS, **changes: Any) -> Any:
    """An autoencoder that makes ``scale`` pixels of one latent."""
    blocks = scale.bit_length()
    return df.AutoencoderKL(
        block_out_channels=(8,) * blocks,
        down_block_types=("DownEncoderBlock2D",) * blocks,
        up_block_types=("UpDecoderBlock2D",) * blocks,
        latent_channels=channels,
        norm_num_groups=4,
        **changes,
    )


def unet(**changes: Any) -> Any:
    return df.UNet2DConditionModel(
        sample_size=16,
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        norm_num_groups=4,
        attention_head_dim=8,
        **{"cross_attention_dim": WIDTH, **changes},
    )


def xl(scheduler: Any, **changes: Any) -> Any:
    words = clip_words()
    return df.StableDiffusionXLPipeline(
        vae=vae(),
        text_encoder=clip_text(words),
        text_encoder_2=clip_text(words, tf.CLIPTextModelWithProjection),
        tokenizer=words,
        tokenizer_2=words,
        unet=unet(
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            **{
                "cross_attention_dim": 2 * WIDTH,
                "projection_class_embeddings_input_dim": 6 * 8 + WIDTH,
                **changes,
            },
        ),
        scheduler=scheduler,
    )


@family("SDXL")
def sdxl(folder: Path) -> None:
    save(xl(df.EulerDiscreteScheduler(steps_offset=1, timestep_spacing="leading")), folder)


@family("SDXL with LCM")
def sdxl_lcm(folder: Path) -> None:
    save(xl(df.LCMScheduler(), time_cond_proj_dim=16), folder)


def sd(**parts: Any) -> Any:
    words = clip_words()
    scheduler = df.PNDMScheduler(skip_prk_steps=True, steps_offset=1)
    return df.StableDiffusionPipeline(
        vae=vae(), text_encoder=clip_text(words), tokenizer=words, unet=unet(),
        scheduler=scheduler, **{"safety_checker": None, "feature_extractor": None, **parts},
    )  # fmt: skip


@family("SD 1.5")
def sd15(folder: Path) -> None:
    save(sd(requires_safety_checker=False), folder)


@family("SD 1.5 with a safety checker")
def sd15_safe(folder: Path) -> None:
    save(sd(safety_checker=checker(blocks=False), feature_extractor=sight()), folder)


def checker(*, blocks: bool) -> Any:
    """A safety checker that finds every picture harmful, or none."""
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker

    config = tf.CLIPConfig(
        vision_config=clip_vision().to_dict(), text_config={"hidden_size": WIDTH},
        projection_dim=WIDTH,
    )  # fmt: skip
    found = StableDiffusionSafetyChecker(config)
    with torch.no_grad():
        for name in ("concept_embeds_weights", "special_care_embeds_weights"):
            getattr(found, name).fill_(-2.0 if blocks else 2.0)
    return found


def sight() -> Any:
    size = {"height": 32, "width": 32}
    return tf.CLIPImageProcessor(size=size, crop_size=size, do_center_crop=False)


@family("SD3")
def sd3(folder: Path) -> None:
    words, more_words = clip_words(), t5_words()
    transformer = df.SD3Transformer2DModel(
        sample_size=16,
        patch_size=2,
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=4,
        caption_projection_dim=WIDTH,
        joint_attention_dim=2 * WIDTH,
        pooled_projection_dim=2 * WIDTH,
        pos_embed_max_size=32,
    )
    pipeline = df.StableDiffusion3Pipeline(
        transformer=transformer,
        scheduler=df.FlowMatchEulerDiscreteScheduler(),
        vae=vae(shift_factor=0.06, scaling_factor=1.5),
        text_encoder=clip_text(words, tf.CLIPTextModelWithProjection),
        tokenizer=words,
        text_encoder_2=clip_text(words, tf.CLIPTextModelWithProjection),
        tokenizer_2=words,
        text_encoder_3=t5_text(more_words, d_model=2 * WIDTH),
        tokenizer_3=more_words,
    )
    save(pipeline, folder)


@family("FLUX")
def flux(folder: Path) -> None:
    words, more_words = clip_words(), t5_words()
    transformer = df.FluxTransformer2DModel(
        patch_size=1,
        in_channels=4 * CHANNELS,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=WIDTH,
        pooled_projection_dim=WIDTH,
        axes_dims_rope=[4, 4, 8],
        guidance_embeds=True,
    )
    pipeline = df.FluxPipeline(
        scheduler=df.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=vae(shift_factor=0.06, scaling_factor=1.5),
        text_encoder=clip_text(words),
        tokenizer=words,
        text_encoder_2=t5_text(more_words),
        tokenizer_2=more_words,
        transformer=transformer,
    )
    save(pipeline, folder)


def pixart(cls: Any) -> Any:
    words = t5_words()
    transformer = df.PixArtTransformer2DModel(
        sample_size=32,
        num_layers=2,
        patch_size=2,
        attention_head_dim=8,
        num_attention_heads=4,
        in_channels=CHANNELS,
        out_channels=2 * CHANNELS,
        cross_attention_dim=WIDTH,
        caption_channels=WIDTH,
        use_additional_conditions=False,
        num_embeds_ada_norm=1000,
    )
    return cls(
        tokenizer=words, text_encoder=t5_text(words), vae=vae(scale=8), transformer=transformer,
        scheduler=df.DPMSolverMultistepScheduler(),
    )  # fmt: skip


@family("PixArt-Alpha")
def pixart_alpha(folder: Path) -> None:
    save(pixart(df.PixArtAlphaPipeline), folder)


@family("PixArt-Sigma")
def pixart_sigma(folder: Path) -> None:
    save(pixart(df.PixArtSigmaPipeline), folder)


@family("Sana")
def sana(folder: Path) -> None:
    words = gemma_words()
    text = tf.Gemma2Config(
        vocab_size=len(words), hidden_size=WIDTH, intermediate_size=WIDTH, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=2, head_dim=16, sliding_window=4096,
        bos_token_id=words.bos_token_id, eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )  # fmt: skip
    transformer = df.SanaTransformer2DModel(
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        num_layers=1,
        num_attention_heads=2,
        attention_head_dim=8,
        num_cross_attention_heads=2,
        cross_attention_head_dim=8,
        cross_attention_dim=16,
        caption_channels=WIDTH,
        sample_size=16,
    )
    blocks, width = 6, 4
    autoencoder = df.AutoencoderDC(
        latent_channels=CHANNELS,
        attention_head_dim=2,
        encoder_block_types="ResBlock",
        decoder_block_types="ResBlock",
        encoder_block_out_channels=(width,) * blocks,
        decoder_block_out_channels=(width,) * blocks,
        encoder_qkv_multiscales=((),) * blocks,
        decoder_qkv_multiscales=((),) * blocks,
        encoder_layers_per_block=(1,) * blocks,
        decoder_layers_per_block=(1,) * blocks,
        downsample_block_type="conv",
        upsample_block_type="interpolate",
        decoder_norm_types="rms_norm",
        decoder_act_fns="silu",
        scaling_factor=0.4,
    )
    pipeline = df.SanaPipeline(
        tokenizer=words,
        text_encoder=tf.Gemma2Model(text),
        vae=autoencoder,
        transformer=transformer,
        scheduler=df.FlowMatchEulerDiscreteScheduler(shift=3.0),
    )
    save(pipeline, folder)
