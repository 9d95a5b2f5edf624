"""SDXL and LLaVA at full size, with random weights: the engine against the plain loop on a GPU.

Both models are built here from their published configurations and saved as any checkpoint is, so
that nothing is downloaded and a run takes the path that the real weights take: Stable Diffusion XL
base (1024 × 1024, 30 steps with guidance) and LLaVA-1.5-7B (captions of 50 words), 21 GB in
bfloat16. Random weights compute as long as trained ones. It needs the extras diffusers and
transformers.

    python benchmarks/gpu.py                # on one GPU with 40 GB or more
    python benchmarks/gpu.py --small        # the same code on a CPU, with tiny models

The full size has not been run yet: no GPU was at hand. What has been is ``--small``, whose figures
say that the script works and nothing about a GPU.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from loop import engine, plain_loop, shortened
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch.utils.flop_counter import FlopCounterMode

from driftloop.models import Player, free_memory, seeds_to_test
from driftloop.runners import open_session
from driftloop.study import Study, load_study

FULL: dict[str, dict[str, Any]] = {
    "unet": {
        "sample_size": 128, "block_out_channels": (320, 640, 1280), "layers_per_block": 2,
        "transformer_layers_per_block": (1, 2, 10), "attention_head_dim": (5, 10, 20),
        "cross_attention_dim": 2048, "projection_class_embeddings_input_dim": 2816,
        "addition_time_embed_dim": 256,
    },
    "vae": {"block_out_channels": (128, 256, 512, 512), "layers_per_block": 2, "sample_size": 1024},
    "text": {
        "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
        "num_attention_heads": 12, "projection_dim": 768, "hidden_act": "quick_gelu",
        "vocab_size": 49408,
    },
    "text 2": {
        "hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32,
        "num_attention_heads": 20, "projection_dim": 1280, "hidden_act": "gelu",
        "vocab_size": 49408,
    },
    "vision": {
        "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
        "num_attention_heads": 16, "projection_dim": 768, "image_size": 336, "patch_size": 14,
    },
    "language": {
        "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
        "num_attention_heads": 32, "max_position_embeddings": 4096, "vocab_size": 32064,
    },
    "study": {"steps": 30, "guidance": 5.0, "words": 50, "max_tokens": 75},
    "run": {"trajectories": 64, "plain": 4, "rounds": 2, "matmul": 8192},
}  # fmt: skip
"""``stabilityai/stable-diffusion-xl-base-1.0`` and ``llava-hf/llava-1.5-7b-hf``."""

SMALL: dict[str, dict[str, Any]] = {
    "unet": {
        "sample_size": 16, "block_out_channels": (32, 64, 64), "layers_per_block": 1,
        "transformer_layers_per_block": (1, 1, 1), "attention_head_dim": (2, 4, 4),
        "cross_attention_dim": 64, "projection_class_embeddings_input_dim": 80,
        "addition_time_embed_dim": 8,
    },
    "vae": {"block_out_channels": (32, 32, 32, 32), "layers_per_block": 1, "sample_size": 128},
    "text": {**FULL["text"], "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
             "num_attention_heads": 2, "projection_dim": 32, "vocab_size": 600},
    "text 2": {**FULL["text 2"], "hidden_size": 32, "intermediate_size": 64,
               "num_hidden_layers": 2, "num_attention_heads": 2, "projection_dim": 32,
               "vocab_size": 600},
    "vision": {**FULL["vision"], "hidden_size": 32, "intermediate_size": 64,
               "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 56},
    "language": {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
                 "num_attention_heads": 2, "max_position_embeddings": 512, "vocab_size": 1000},
    "study": {"steps": 3, "guidance": 5.0, "words": 8, "max_tokens": 12},
    "run": {"trajectories": 8, "plain": 2, "rounds": 2, "matmul": 256},
}  # fmt: skip

TEMPLATE = (
    "{% for message in messages %}USER: {% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>\n{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %} {% endfor %}{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)


def randomly(make: Callable[[], Any], device: str, dtype: torch.dtype) -> Any:
    """A module with random weights, made where they will be: 7 billion on a CPU take minutes."""
    with torch.device("meta"):
        module = make().to(dtype)
    module = module.to_empty(device=device)
    generator = torch.Generator(device).manual_seed(0)
    with torch.no_grad():
        for name, weight in module.named_parameters():
            if weight.ndim > 1:
                weight.normal_(0, weight[0].numel() ** -0.5, generator=generator)
            else:
                weight.fill_(1.0 if name.endswith("weight") else 0.0)
    return module


def clip_words() -> Any:
    """A tokenizer of bytes: what it takes for a prompt is 77 tokens in any case."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    symbols = [*alphabet, *(symbol + "</w>" for symbol in alphabet)]
    vocabulary = {symbol: number for number, symbol in enumerate(symbols)}
    vocabulary |= {"<|startoftext|>": len(vocabulary), "<|endoftext|>": len(vocabulary) + 1}
    return transformers.CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=77)


def llava_words(size: int) -> Any:
    """A tokenizer with a made-up word for each token, so that random ones are a caption."""
    specials = ["<unk>", "<s>", "</s>", "<pad>", "<image>"]
    tokens = [*specials, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokens += [f"Ġword{number}" for number in range(size - len(tokens))]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    core = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=core, unk_token="<unk>", bos_token="<s>", eos_token="</s>",
        pad_token="<pad>", additional_special_tokens=["<image>"], model_max_length=4096,
    )  # fmt: skip


def build_sdxl(sizes: dict[str, dict[str, Any]], folder: Path, device: str, dtype: Any) -> None:
    words = clip_words()

    def text(name: str, cls: Any) -> Any:
        config = transformers.CLIPTextConfig(
            max_position_embeddings=77, bos_token_id=words.bos_token_id,
            eos_token_id=words.eos_token_id, pad_token_id=words.pad_token_id, **sizes[name],
        )  # fmt: skip
        return randomly(lambda: cls(config), device, dtype)

    unet = randomly(
        lambda: diffusers.UNet2DConditionModel(
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            use_linear_projection=True, addition_embed_type="text_time", **sizes["unet"],
        ), device, dtype,
    )  # fmt: skip
    vae = randomly(
        lambda: diffusers.AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
            latent_channels=4, scaling_factor=0.13025, **sizes["vae"],
        ), device, dtype,
    )  # fmt: skip
    diffusers.StableDiffusionXLPipeline(
        vae=vae, unet=unet, tokenizer=words, tokenizer_2=words,
        text_encoder=text("text", transformers.CLIPTextModel),
        text_encoder_2=text("text 2", transformers.CLIPTextModelWithProjection),
        scheduler=diffusers.EulerDiscreteScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
            timestep_spacing="leading", steps_offset=1,
        ),
        add_watermarker=False,
    ).save_pretrained(folder)  # fmt: skip


def build_llava(sizes: dict[str, dict[str, Any]], folder: Path, device: str, dtype: Any) -> None:
    vision = transformers.CLIPVisionConfig(**sizes["vision"])
    words = llava_words(sizes["language"]["vocab_size"])
    side, patch = vision.image_size, vision.patch_size
    config = transformers.LlavaConfig(
        vision_config=vision,
        text_config=transformers.LlamaConfig(
            rms_norm_eps=1e-5, bos_token_id=words.bos_token_id, eos_token_id=words.eos_token_id,
            pad_token_id=words.pad_token_id, **sizes["language"],
        ),
        image_token_id=words.convert_tokens_to_ids("<image>"),
        image_seq_length=(side // patch) ** 2, vision_feature_layer=-2,
    )  # fmt: skip
    square = {"height": side, "width": side}
    processor = transformers.LlavaProcessor(
        transformers.CLIPImageProcessor(size={"shortest_edge": side}, crop_size=square), words,
        patch_size=patch, vision_feature_select_strategy="default",
        num_additional_image_tokens=1, chat_template=TEMPLATE,
    )  # fmt: skip
    make = lambda: transformers.LlavaForConditionalGeneration(config)  # noqa: E731
    randomly(make, device, dtype).save_pretrained(folder)
    processor.save_pretrained(folder)


def study_of(sizes: dict[str, dict[str, Any]], sdxl: Path, llava: Path, compiled: bool) -> Study:
    told, run = sizes["study"], sizes["run"]
    return load_study(
        {
            "rounds": run["rounds"],
            "prompts": [f"a picture of the number {n}" for n in range(run["trajectories"])],
            "models": {
                "sdxl": {
                    "backend": "diffusers", "path": str(sdxl), "steps": told["steps"],
                    "guidance": told["guidance"], "compile": compiled,
                },
                "llava": {
                    "backend": "transformers", "path": str(llava), "words": told["words"],
                    "instruction": "Describe this picture in at most {words} words.",
                    "max_tokens": told["max_tokens"], "temperature": 0.7,
                },
            },
            "arms": [{"name": "autonomous", "network": ["sdxl", "llava"]}],
        }
    )  # fmt: skip


def seconds_of(work: Callable[[], Any], device: str) -> float:
    """The least of five times, each until the device has finished."""
    times = []
    for _ in range(5):
        started = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return min(times)


def matmul_peak(side: int, device: str, dtype: torch.dtype) -> float:
    """FLOP/s of large matrix products, which is what there is to be had."""
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    return 2 * side**3 / seconds_of(lambda: [a @ b for _ in range(10)], device) * 10


def flop_a_sample(player: Player) -> float:
    """Floating-point operations of one sample: matrix products, convolutions and attention."""
    one = player.resized(1)
    counter = FlopCounterMode(display=False)
    with counter:
        one.play(one.samples(1), seeds_to_test(one, 1))
    return float(counter.get_total_flops())


def peak_memory(device: str) -> float:
    """GB in use at most: of the GPU since it was asked last, else of this process ever."""
    if device == "cuda":
        most = torch.cuda.max_memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        return most / 1e9
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most * (1 if sys.platform == "darwin" else 1024) / 1e9


def table(rows: Iterable[tuple[str, str]]) -> None:
    for name, value in rows:
        print(f"  {name:<32}{value}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="tiny models, on the CPU")
    parser.add_argument("--folder", type=Path, help="keep the checkpoints here, and use them again")
    parser.add_argument("--compile", action="store_true", help="compile the generator's network")
    options = parser.parse_args()
    if not options.small and not torch.cuda.is_available():
        parser.error("the full size needs a GPU; --small runs the same code on a CPU")
    sizes = SMALL if options.small else FULL
    device = "cpu" if options.small else "cuda"
    dtype = torch.float32 if options.small else torch.bfloat16
    with tempfile.TemporaryDirectory() as name:
        base = options.folder or Path(name)
        for folder, build in ((base / "sdxl", build_sdxl), (base / "llava", build_llava)):
            if not folder.exists():
                print(f"building {folder.name} with random weights")
                build(sizes, folder, device, dtype)
                free_memory()
        compare(sizes, study_of(sizes, base / "sdxl", base / "llava", options.compile),
                Path(name), device, dtype)  # fmt: skip


def compare(
    sizes: dict[str, dict[str, Any]], study: Study, folder: Path, device: str, dtype: torch.dtype
) -> None:
    run = sizes["run"]
    print(torch.cuda.get_device_name() if device == "cuda" else "CPU, small: no figure of a GPU")
    peak = matmul_peak(run["matmul"], device, dtype)
    rounds = study.trajectories * study.rounds
    rates: dict[str, float] = {}
    for way in ("off", "devices", "models"):
        with open_session(study, folder / way, say=print) as session:
            if way == "off":
                flop = {name: flop_a_sample(player) for name, player in session.players.items()}
                brief = shortened(study, run["plain"], run["rounds"])
                peak_memory(device)
                plain = plain_loop(brief, session.players, folder)
                rates["plain"] = brief.trajectories * brief.rounds / plain
                print("\nplain loop, one trajectory at a time")
                table([("rounds/h", f"{rates['plain'] * 3600:,.0f}"),
                       ("peak memory", f"{peak_memory(device):.2f} GB")])  # fmt: skip
            seconds, inside = engine(session, way)
            sizes_of = {name: player.batch_size for name, player in session.players.items()}
        rates[way] = rounds / seconds
        speed = {name: rounds / spent for name, spent in inside.items()}
        print(f"\nengine, overlap {way}, micro-batches {sizes_of}")
        table([
            ("images/s while it draws", f"{speed['sdxl']:.3f}"),
            ("captions/s while it describes", f"{speed['llava']:.3f}"),
            ("rounds/h", f"{rates[way] * 3600:,.0f}"),
            ("times the plain loop", f"{rates[way] / rates['plain']:.2f}"),
            ("peak memory", f"{peak_memory(device):.2f} GB"),
            *((f"{name}: share of the peak", f"{flop[name] * speed[name] / peak:.1%}")
              for name in speed),
        ])  # fmt: skip
        if way != "models":
            # Where both play at once their times add up to more than there is.
            print(f"  {'outside the models':<32}{1 - sum(inside.values()) / seconds:.3%}")
        free_memory()
    print(f"\nmatrix products: {peak / 1e12:.2f} TFLOP/s measured")
    best = max(("off", "devices", "models"), key=rates.__getitem__)
    print(f"best: overlap {best}, {rates[best] / rates['plain']:.2f} times the plain loop")


if __name__ == "__main__":
    main()
