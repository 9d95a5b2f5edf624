"""``postcard-clip``: pictures and texts in one space, by the bundled CLIP of the Postcards world.

It shares no weights with any player and knows nothing but that world, so it is read where the
bundled models play, and nowhere else. Pictures and texts are two encoders, since an encoder takes
one kind; their vectors can be compared with each other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ModelError
from ..postcards import bundled_names, bundled_path
from ..steps import Kind
from ._protocols import Matrix, unit_rows

MODEL = "postcard-clip"


class ClipEncoder:
    """One tower of a CLIP model in the format of transformers."""

    batch_size = 64

    def __init__(self, folder: Path, kind: Kind) -> None:
        self._folder = folder
        self.kind: Kind = kind
        self.name = MODEL if kind == "image" else f"{MODEL}-text"
        self.title = "what the postcard shows" if kind == "image" else "what of a postcard is told"

    @cached_property
    def identity(self) -> str:
        """The hash of the weights is part of it."""
        with (self._folder / "model.safetensors").open("rb") as stream:
            weights = hashlib.file_digest(stream, "sha256").hexdigest()
        return f"{self.name}/1/{weights[:16]}"

    def encode(self, contents: Sequence[Any]) -> Matrix:
        """Encode pictures or texts; a blank text has no vector (NaN)."""
        import torch

        model, processor = _loaded(self._folder)
        with torch.inference_mode():
            if self.kind == "image":
                inputs = processor.image_processor(images=list(contents), return_tensors="pt")
                seen = model.vision_model(pixel_values=inputs["pixel_values"]).pooler_output
                return unit_rows(model.visual_projection(seen).numpy())
            inputs = processor.tokenizer(
                list(contents), padding=True, truncation=True, return_tensors="pt"
            )
            read = model.text_model(**inputs).pooler_output
            vectors = unit_rows(model.text_projection(read).numpy())
        vectors[[not text.strip() for text in contents]] = np.nan
        return vectors

    def cut(self, contents: Sequence[Any]) -> list[int]:
        """Tokens past the text tower's window; nothing of a picture is cut."""
        if self.kind == "image":
            return [0] * len(contents)
        tokenizer = _loaded(self._folder)[1].tokenizer
        encoded = tokenizer(list(contents), truncation=False, verbose=False)
        return [max(0, len(ids) - tokenizer.model_max_length) for ids in encoded["input_ids"]]


@lru_cache(maxsize=1)
def _loaded(folder: Path) -> tuple[Any, Any]:
    try:
        import torch
        from transformers import CLIPModel, CLIPProcessor
        from transformers.utils import logging
    except ImportError as error:
        raise ModelError(
            f"encoder '{MODEL}' needs torch and transformers: pip install 'driftloop[all]'"
        ) from error
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        model = CLIPModel.from_pretrained(str(folder), dtype=torch.float32)
        return model.eval(), CLIPProcessor.from_pretrained(str(folder))
    finally:
        if shown:
            logging.enable_progress_bar()


def is_installed() -> bool:
    """Whether the weights and the libraries that read them are here; imports neither."""
    return MODEL in bundled_names() and all(
        find_spec(name) is not None for name in ("torch", "transformers")
    )


def image_encoder() -> ClipEncoder:
    """Make the encoder of pictures."""
    return ClipEncoder(bundled_path(MODEL), "image")


def text_encoder() -> ClipEncoder:
    """Make the encoder of texts."""
    return ClipEncoder(bundled_path(MODEL), "text")
