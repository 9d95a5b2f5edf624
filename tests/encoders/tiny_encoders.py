"""One tiny encoder of each family, saved as its library saves it, and what it ought to give.

Every function builds a checkpoint from the library's own config classes, with a real tokenizer or
image processor, and writes it where it is told to. The reference beside it is the plain way in the
library's own words: one content at a time, no batch, no padding but what the model was trained on.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import transformers as tf
from PIL import Image
from tiny_parts import PATCH, SIDE, WIDTH, clip_pictures, clip_vision, ids, save, tokenizer
from tokenizers import pre_tokenizers
from tokenizers.processors import TemplateProcessing

LIMIT = 24
"""Tokens that the text sides read."""
SPACE = 12
"""Dimensions of the space that two sides share."""
SIZE = {"height": SIDE, "width": SIDE}

Reference = Callable[[Path, Any], torch.Tensor]
"""Folder and content to the vector that the library gives, ``(1, d)``."""


class Case(NamedTuple):
    """A checkpoint, and the plain way to its vectors."""

    build: Callable[[Path], None]
    family: str
    text: Reference | None = None
    image: Reference | None = None
    limit: int | None = LIMIT
    needs: tuple[str, ...] = ()


CASES: dict[str, Case] = {}


def case(name: str, family: str, **references: Any) -> Callable[[Any], Any]:
    def register(build: Callable[[Path], None]) -> Callable[[Path], None]:
        CASES[name] = Case(build, family, **references)
        return build

    return register


def text_tower(**changes: Any) -> dict[str, Any]:
    return {
        "hidden_size": WIDTH, "intermediate_size": WIDTH, "num_hidden_layers": 2,
        "num_attention_heads": 2, "max_position_embeddings": LIMIT, **changes,
    }  # fmt: skip


def bert_words() -> Any:
    return tokenizer(
        "[CLS]", "[SEP]", begins="[CLS]", ends="[SEP]", cls_token="[CLS]", sep_token="[SEP]"
    )


def side(
    cls: Any, kind: str, processor: Any = None, features: bool = True, **options: Any
) -> Reference:
    """The pooled output of one side of a model, or its features.

    Args:
        cls: The model's own class.
        kind: ``text`` or ``image``.
        processor: The tokenizer's or image processor's class.
        features: Whether the model has ``get_text_features`` and ``get_image_features``.
        options: How a text is padded.
    """

    def give(folder: Path, content: Any) -> torch.Tensor:
        model = cls.from_pretrained(folder, dtype=torch.float32).eval()
        made = (processor or tf.AutoTokenizer).from_pretrained(folder)
        if kind == "text":
            cut = {"truncation": True, "max_length": LIMIT, **options}
            inputs = made([content], return_tensors="pt", **cut)
        else:
            inputs = made(images=content.convert("RGB"), return_tensors="pt")
        with torch.inference_mode():
            found = (
                getattr(model, f"get_{kind}_features")(**inputs) if features else model(**inputs)
            )
        return found if torch.is_tensor(found) else found.pooler_output.flatten(1)

    return give


def dual(cls: Any, processor: Any, **options: Any) -> dict[str, Reference]:
    return {"text": side(cls, "text", **options), "image": side(cls, "image", processor)}


@case("CLIP", "clip", **dual(tf.CLIPModel, tf.CLIPImageProcessorPil))
def clip(folder: Path) -> None:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), "sh", "ea</w>"]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    vocabulary |= {"<|startoftext|>": len(pieces), "<|endoftext|>": len(pieces) + 1}
    words = tf.CLIPTokenizer(
        vocab=vocabulary, merges=[("s", "h"), ("e", "a</w>")], model_max_length=LIMIT
    )
    config = tf.CLIPConfig(
        text_config=text_tower(vocab_size=len(words), **ids(words)),
        vision_config=clip_vision().to_dict(),
        projection_dim=SPACE,
    )
    save(tf.CLIPModel(config), tf.CLIPProcessor(clip_pictures(), words), folder)


@case("Chinese-CLIP", "clip", **dual(tf.ChineseCLIPModel, tf.ChineseCLIPImageProcessorPil))
def chinese_clip(folder: Path) -> None:
    words = bert_words()
    config = tf.ChineseCLIPConfig(
        text_config=text_tower(vocab_size=len(words), **ids(words)),
        vision_config=clip_vision(tf.ChineseCLIPVisionConfig).to_dict(),
        projection_dim=SPACE,
    )
    pictures = tf.ChineseCLIPImageProcessorPil(size=SIZE, crop_size=SIZE)
    save(tf.ChineseCLIPModel(config), pictures, folder, words)


@case("SigLIP", "siglip", **dual(tf.SiglipModel, tf.SiglipImageProcessorPil, padding="max_length"))
def siglip(folder: Path) -> None:
    # As the published ones: the end is the padding, and no mask hides it.
    words = tokenizer(ends="</s>", pad_token="</s>", bos_token=None)
    words.model_input_names = ["input_ids"]
    siglip_with(words, folder)


@case(
    "SigLIP 2", "siglip", **dual(tf.SiglipModel, tf.SiglipImageProcessorPil, padding="max_length")
)
def siglip2(folder: Path) -> None:
    siglip_with(siglip2_words(), folder)


@case(
    "SigLIP 2 NaFlex", "siglip",
    **dual(tf.Siglip2Model, tf.Siglip2ImageProcessorPil, padding="max_length"),
)  # fmt: skip
def naflex(folder: Path) -> None:
    words = siglip2_words()
    vision = {"hidden_size": WIDTH, "intermediate_size": WIDTH, "num_hidden_layers": 2,
              "num_attention_heads": 2, "patch_size": PATCH, "num_patches": 16}  # fmt: skip
    config = tf.Siglip2Config(
        text_config=text_tower(vocab_size=len(words), projection_size=WIDTH, **ids(words)),
        vision_config=vision,
    )
    pictures = tf.Siglip2ImageProcessorPil(patch_size=PATCH, max_num_patches=20)
    save(tf.Siglip2Model(config), pictures, folder, words)


def siglip_with(words: Any, folder: Path) -> None:
    config = tf.SiglipConfig(
        text_config=text_tower(vocab_size=len(words), projection_size=WIDTH, **ids(words)),
        vision_config=clip_vision(tf.SiglipVisionConfig).to_dict(),
    )
    save(tf.SiglipModel(config), tf.SiglipImageProcessorPil(size=SIZE), folder, words)


def siglip2_words() -> Any:
    pieces = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *(f"<0x{b:02X}>" for b in range(256))]
    pieces += [*"▁abcdefghijklmnopqrstuvwxyz.,0123456789"]
    words = tf.Siglip2Tokenizer(
        vocab={piece: number for number, piece in enumerate(pieces)}, padding_side="right"
    )
    words.backend_tokenizer.post_processor = TemplateProcessing(
        single="$A <eos>", special_tokens=[("<eos>", 1)]
    )
    return words


def dino_config(cls: Any, **changes: Any) -> Any:
    return cls(
        hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=2, image_size=SIDE,
        patch_size=PATCH, **changes,
    )  # fmt: skip


def dino_pictures() -> Any:
    return tf.BitImageProcessorPil(
        size={"shortest_edge": 40}, crop_size=SIZE, image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    )  # fmt: skip


@case("DINOv2", "dino", image=side(tf.Dinov2Model, "image", tf.BitImageProcessorPil, False))
def dinov2(folder: Path) -> None:
    save(tf.Dinov2Model(dino_config(tf.Dinov2Config)), dino_pictures(), folder)


@case(
    "DINOv2 with registers", "dino",
    image=side(tf.Dinov2WithRegistersModel, "image", tf.BitImageProcessorPil, False),
)  # fmt: skip
def dinov2_with_registers(folder: Path) -> None:
    config = dino_config(tf.Dinov2WithRegistersConfig, num_register_tokens=2)
    save(tf.Dinov2WithRegistersModel(config), dino_pictures(), folder)


MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class PlainPictures:
    """What DINOv3's processor does, in NumPy: transformers has it for torchvision only."""

    @classmethod
    def from_pretrained(cls, folder: Path) -> PlainPictures:
        return cls()

    def __call__(self, images: Image.Image, return_tensors: str) -> dict[str, torch.Tensor]:
        small = images.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        scaled = (np.asarray(small) / 255 - MEAN) / STD
        return {"pixel_values": torch.tensor(scaled, dtype=torch.float32).permute(2, 0, 1)[None]}

    def save_pretrained(self, folder: Path) -> None:
        settings = {
            "image_processor_type": "DINOv3ViTImageProcessorFast", "do_resize": True, "size": SIZE,
            "resample": 2, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True,
            "image_mean": MEAN, "image_std": STD, "default_to_square": True,
            "data_format": "channels_first", "do_center_crop": None, "crop_size": None,
        }  # fmt: skip
        (folder / "preprocessor_config.json").write_text(json.dumps(settings), "utf-8")


@case("DINOv3", "dino", image=side(tf.DINOv3ViTModel, "image", PlainPictures, False))
def dinov3(folder: Path) -> None:
    config = dino_config(tf.DINOv3ViTConfig, intermediate_size=WIDTH, num_register_tokens=2)
    save(tf.DINOv3ViTModel(config), PlainPictures(), folder)


@case("DINOv3 ConvNeXt", "dino", image=side(tf.DINOv3ConvNextModel, "image", PlainPictures, False))
def dinov3_convnext(folder: Path) -> None:
    config = tf.DINOv3ConvNextConfig(hidden_sizes=[8, 8, 16, WIDTH], depths=[1, 1, 1, 1])
    save(tf.DINOv3ConvNextModel(config), PlainPictures(), folder)


@case("ViT", "auto", image=side(tf.ViTModel, "image", tf.ViTImageProcessorPil, False))
def vit(folder: Path) -> None:
    save(tf.ViTModel(clip_vision(tf.ViTConfig)), tf.ViTImageProcessorPil(size=SIZE), folder)


@case("ResNet", "auto", image=side(tf.ResNetModel, "image", tf.ConvNextImageProcessorPil, False))
def resnet(folder: Path) -> None:
    config = tf.ResNetConfig(embedding_size=8, hidden_sizes=[8, 8, 16, WIDTH], depths=[1, 1, 1, 1])
    pictures = tf.ConvNextImageProcessorPil(size={"shortest_edge": SIDE})
    save(tf.ResNetModel(config), pictures, folder)


def bert(folder: Path) -> None:
    words = bert_words()
    config = tf.BertConfig(vocab_size=len(words), **text_tower())
    save(tf.BertModel(config), words, folder)


CASES["BERT"] = Case(bert, "auto", text=side(tf.BertModel, "text", features=False))


@case("RoBERTa", "auto", text=side(tf.RobertaModel, "text", features=False))
def roberta(folder: Path) -> None:
    words = tokenizer(begins="<s>", ends="</s>")
    # Its positions begin behind the padding token's number, which is 0 here.
    config = tf.RobertaConfig(
        vocab_size=len(words), **text_tower(max_position_embeddings=LIMIT + 1), **ids(words)
    )
    save(tf.RobertaModel(config), words, folder)


def sentence_modules(folder: Path, *modules: str, pooling: str = "mean", **prompts: Any) -> None:
    """A sentence-transformers folder on a tiny BERT: pooling, then further modules by name."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import modules as parts

    bert(folder / "bert")
    make = {
        "dense": lambda: parts.Dense(WIDTH, SPACE),
        "normalize": parts.Normalize,
    }
    torch.manual_seed(1)
    model = SentenceTransformer(
        modules=[
            parts.Transformer(str(folder / "bert"), max_seq_length=LIMIT),
            parts.Pooling(WIDTH, pooling_mode=pooling, include_prompt=not prompts),
            *(make[module]() for module in modules),
        ],
        device="cpu",
        **prompts,
    )
    model.save_pretrained(str(folder))


def by_sentence_transformers(folder: Path, content: Any) -> torch.Tensor:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu", model_kwargs={"dtype": torch.float32})
    return torch.from_numpy(model.encode([content]))


SENTENCES: dict[str, Any] = {
    "text": by_sentence_transformers, "needs": ("sentence_transformers",)
}  # fmt: skip


@case("sentence: mean, normalised", "sentence", **SENTENCES)
def sentence_mean(folder: Path) -> None:
    sentence_modules(folder, "normalize")


@case("sentence: first token", "sentence", **SENTENCES)
def sentence_first(folder: Path) -> None:
    sentence_modules(folder, pooling="cls")


@case("sentence: prompt, projection", "sentence", **SENTENCES)
def sentence_prompt(folder: Path) -> None:
    sentence_modules(folder, "dense", prompts={"query": "query: "}, default_prompt_name="query")


@case("sentence: static", "sentence", **SENTENCES, limit=None)
def sentence_static(folder: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    torch.manual_seed(2)
    words = tokenizer()
    static = StaticEmbedding(words.backend_tokenizer, embedding_dim=WIDTH)
    SentenceTransformer(modules=[static], device="cpu").save_pretrained(str(folder))
