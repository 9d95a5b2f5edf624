"""Encoders out of transformers: the text and the picture side of whatever ``AutoModel`` loads."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from PIL import Image

from ..errors import ModelError
from ..models._files import SAFE, read_json
from ..models._torch import import_torch, load_once, pick_device, quietly
from ..steps import Kind
from ._batches import ROWS, bucket, encode_in_groups, is_blank
from ._checkpoint import Checkpoint
from ._families import FAMILIES
from ._protocols import Matrix

OFFSET_POSITIONS = frozenset(
    {
        "altclip_text_model", "camembert", "data2vec-text", "longformer", "mpnet", "roberta",
        "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod",
    }
)  # fmt: skip
"""Model types that count positions from behind the padding token's number."""
PLAIN_PICTURES = frozenset({"DINOv3ViTImageProcessor", "DINOv3ViTImageProcessorFast"})
"""Image processors that resize, rescale and normalise like a ViT's, and that transformers has for
torchvision only."""
NO_LIMIT = 1_000_000
"""What a tokenizer says that knows no limit is larger than this."""


class _Tower:
    """One side of a checkpoint. Weights are loaded when something is encoded, in float32."""

    kind: Kind

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint
        self._dual = len(checkpoint.kinds) > 1
        self.name = f"{checkpoint.name}#{self.kind}" if self._dual else checkpoint.name

    @cached_property
    def family(self) -> str:
        """The checkpoint's, or what its configuration calls the model."""
        if self._checkpoint.family != "auto":
            return self._checkpoint.family
        return str(read_json(self._checkpoint.folder, "config.json")["model_type"])

    @property
    def pooling(self) -> str:
        """How a content's tokens or patches become one vector."""
        return f"get_{self.kind}_features" if self._dual else "pooler_output"

    @cached_property
    def _model(self) -> Any:
        device = pick_device("auto")
        key = ("encoder", self._checkpoint.identity, str(device))
        return load_once(key, lambda: _load_model(self._checkpoint, device))

    def _vectors(self, features: dict[str, Any]) -> Any:
        """Pooled vectors, ``(ROWS, d)`` on the CPU."""
        torch = import_torch()
        model = self._model
        pool = getattr(model, self.pooling) if self._dual else model
        with torch.inference_mode(), quietly():
            found = pool(**{name: part.to(model.device) for name, part in features.items()})
        # Some versions of transformers return the features themselves.
        pooled = found if torch.is_tensor(found) else getattr(found, "pooler_output", None)
        if pooled is not None and pooled.ndim == 4 and pooled.shape[2:] == (1, 1):
            pooled = pooled.flatten(1)
        if pooled is None or pooled.ndim != 2:
            raise ModelError(
                f"encoder '{self.name}': {type(model).__name__} gives no pooled output, so a "
                f"{self.kind} has no one vector; choose a model that was trained to give one "
                f"(families {', '.join(family for family in FAMILIES if family != 'auto')})"
            )
        return pooled.float().cpu()


class TextTower(_Tower):
    """Texts as vectors, cut at the model's own limit."""

    kind: Kind = "text"
    batch_size = 32 * ROWS

    @property
    def title(self) -> str:
        """What it looks at."""
        return f"meaning, by {self._checkpoint.short}"

    @cached_property
    def identity(self) -> str:
        """Weights, configuration, pooling, limit and number format."""
        return (
            f"transformers/1/text/{self.pooling}/{self.limit}/float32/{self._checkpoint.identity}"
        )

    @cached_property
    def limit(self) -> int | None:
        """Tokens that it reads, its special ones among them."""
        import transformers

        with quietly():
            config = transformers.AutoConfig.from_pretrained(self._checkpoint.folder, **SAFE)
        text = config.get_text_config()
        limits = [int(self._tokenizer.model_max_length)]
        positions = getattr(text, "max_position_embeddings", None)
        if positions:
            counted_before = text.pad_token_id + 1 if text.model_type in OFFSET_POSITIONS else 0
            limits.append(int(positions) - counted_before)
        smallest = min(limits)
        return smallest if smallest < NO_LIMIT else None

    def encode(self, contents: Sequence[str]) -> Matrix:
        """Encode texts; one without a token of its own has no vector (NaN)."""
        read = self._tokens(contents, cut=True)
        lengths = [len(ids) for ids in read["input_ids"]]
        full = FAMILIES[self._checkpoint.family].full_length
        shapes = [(self.limit if full else None) or bucket(n, self.limit) for n in lengths]

        def encode(places: list[int], length: int) -> Any:
            with quietly():
                features = self._tokenizer.pad(
                    {name: [part[at] for at in places] for name, part in read.items()},
                    padding="max_length",
                    max_length=length,
                    return_tensors="pt",
                )
            return self._vectors(dict(features))

        result = encode_in_groups(shapes, encode)
        specials = self._tokenizer.num_special_tokens_to_add()
        empty = [
            is_blank(text) or length <= specials
            for text, length in zip(contents, lengths, strict=True)
        ]
        result[np.array(empty)] = np.nan
        return result

    def cut(self, contents: Sequence[str]) -> list[int]:
        """Tokens past the limit."""
        if self.limit is None:
            return [0] * len(contents)
        return [
            max(0, len(ids) - self.limit) for ids in self._tokens(contents, cut=False)["input_ids"]
        ]

    def _tokens(self, texts: Sequence[str], *, cut: bool) -> dict[str, list[list[int]]]:
        """What the tokenizer gives for each text, in lists of their own lengths."""
        options: dict[str, Any] = {"padding": False, "truncation": False}
        if cut and self.limit is not None:
            options.update(truncation=True, max_length=self.limit)
        if not FAMILIES[self._checkpoint.family].full_length:
            # Where a model was trained on texts of one length, it is its tokenizer's own business
            # whether it sees the padding.
            options["return_attention_mask"] = True
        with quietly():
            return dict(self._tokenizer(list(texts), **options))

    @cached_property
    def _tokenizer(self) -> Any:
        import transformers

        try:
            with quietly():
                return transformers.AutoTokenizer.from_pretrained(self._checkpoint.folder, **SAFE)
        except (OSError, ValueError, KeyError, ImportError, AttributeError) as error:
            raise ModelError(
                f"encoder '{self.name}': transformers cannot load its tokenizer: {error}"
            ) from error


class ImageTower(_Tower):
    """Pictures as vectors, prepared by the model's own image processor in its Pillow variant."""

    kind: Kind = "image"
    batch_size = 2 * ROWS
    limit = None

    @property
    def title(self) -> str:
        """What it looks at."""
        sees = "appearance" if self._checkpoint.family == "dino" else "content"
        return f"{sees}, by {self._checkpoint.short}"

    @property
    def identity(self) -> str:
        """Weights, configuration, pooling, preparation and number format."""
        return f"transformers/1/image/{self.pooling}/pillow/float32/{self._checkpoint.identity}"

    def encode(self, contents: Sequence[Image.Image]) -> Matrix:
        """Encode pictures."""
        torch = import_torch()
        with quietly():
            prepared = [
                dict(self._processor(images=picture.convert("RGB"), return_tensors="pt"))
                for picture in contents
            ]
        # A processor that does not crop gives pictures of other proportions another shape.
        shapes = [tuple((name, *part.shape) for name, part in one.items()) for one in prepared]

        def encode(places: list[int], shape: tuple[tuple[Any, ...], ...]) -> Any:
            return self._vectors(
                {name: torch.cat([prepared[at][name] for at in places]) for name, *_ in shape}
            )

        return encode_in_groups(shapes, encode)

    def cut(self, contents: Sequence[Image.Image]) -> list[int]:
        """Nothing is counted in tokens."""
        return [0] * len(contents)

    @cached_property
    def _processor(self) -> Any:
        try:
            with quietly():
                return _load_image_processor(self._checkpoint)
        except (OSError, ValueError, KeyError, ImportError, AttributeError) as error:
            raise ModelError(
                f"encoder '{self.name}': transformers cannot load its image processor: {error}"
            ) from error


def _load_model(checkpoint: Checkpoint, device: Any) -> Any:
    torch = import_torch()
    import transformers

    try:
        with quietly():
            model, info = transformers.AutoModel.from_pretrained(
                checkpoint.folder,
                dtype=torch.float32,
                use_safetensors=True,
                **SAFE,
                output_loading_info=True,
            )
    except (OSError, ValueError, KeyError, ImportError, AttributeError, RuntimeError) as error:
        raise ModelError(
            f"encoder '{checkpoint.name}': transformers cannot load it: {error}"
        ) from error
    missing = sorted(info["missing_keys"])
    if missing:
        raise ModelError(
            f"encoder '{checkpoint.name}': its file lacks {len(missing)} of the weights that its "
            f"vectors are made with ({missing[0]}, ...), and transformers fills them with random "
            f"numbers; choose a checkpoint that has them"
        )
    return model.to(device).eval()


def _load_image_processor(checkpoint: Checkpoint) -> Any:
    import transformers

    settings = read_json(checkpoint.folder, "preprocessor_config.json")
    if not settings:
        found = read_json(checkpoint.folder, "processor_config.json").get("image_processor")
        settings = found if isinstance(found, dict) else {}
    if settings.get("image_processor_type") in PLAIN_PICTURES:
        plain = getattr(transformers, "ViTImageProcessorPil", transformers.ViTImageProcessor)
        return plain.from_dict(settings)
    # Kernels of torchvision round otherwise than Pillow: vectors would depend on what is installed.
    return transformers.AutoImageProcessor.from_pretrained(
        checkpoint.folder, use_fast=False, **SAFE
    )
