"""Encoders out of sentence-transformers folders: pooling and limits are what their files say."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import ModelError
from ..models._files import SAFE
from ..models._torch import import_torch, load_once, pick_device, quietly
from ..steps import Kind
from ._batches import ROWS, bucket, encode_in_groups, is_blank
from ._checkpoint import Checkpoint
from ._protocols import Matrix


class SentenceEncoder:
    """A model of the sentence-transformers library, run by it, in float32.

    Whatever modules its files name are applied as they say: pooling, projections, static
    embeddings, the prompt that it is used with by default.
    """

    kind: Kind = "text"
    batch_size = 32 * ROWS

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint
        self.name = checkpoint.name
        self.family = checkpoint.family

    @property
    def title(self) -> str:
        """What it looks at."""
        return f"meaning, by {self._checkpoint.short}"

    @property
    def identity(self) -> str:
        """Weights, number format, and the files that say how tokens are pooled and texts cut."""
        return f"sentence-transformers/1/text/float32/{self._checkpoint.identity}"

    @cached_property
    def limit(self) -> int | None:
        """Tokens that it reads, its special ones and its prompt's among them."""
        if self._model.transformers_model is None:
            return None
        found = self._model.get_max_seq_length()
        return None if found is None else int(found)

    def encode(self, contents: Sequence[str]) -> Matrix:
        """Encode texts; one that is blank has no vector (NaN)."""
        texts = list(contents)

        def encode(places: list[int], length: int) -> Any:
            options = {}
            if length:
                shape = {"padding": "max_length", "max_length": length}
                options["processing_kwargs"] = {"text": shape}
            with quietly():
                return self._model.encode(
                    [texts[at] for at in places],
                    batch_size=ROWS,
                    show_progress_bar=False,
                    **options,
                )

        result = encode_in_groups(self._lengths(texts), encode)
        result[np.array([is_blank(text) for text in texts])] = np.nan
        return result

    def cut(self, contents: Sequence[str]) -> list[int]:
        """Tokens past the limit."""
        if self.limit is None:
            return [0] * len(contents)
        with quietly():
            tokens = self._model.tokenizer(
                [self._prompt + text for text in contents],
                padding=False,
                truncation=False,
            )["input_ids"]
        return [max(0, len(ids) - self.limit) for ids in tokens]

    def _lengths(self, texts: list[str]) -> list[int]:
        """The length that each text is padded to; 0 where nothing is padded."""
        if self._model.transformers_model is None:
            return [0] * len(texts)
        with quietly():
            read = self._model.preprocess(texts, prompt=self._prompt or None)
        counts = read["attention_mask"].sum(dim=1).tolist()
        return [bucket(count, self.limit) for count in counts]

    @property
    def _prompt(self) -> str:
        name = self._model.default_prompt_name
        return str(self._model.prompts[name]) if name else ""

    @cached_property
    def _model(self) -> Any:
        device = pick_device("auto")
        key = ("sentence", self._checkpoint.identity, str(device))
        return load_once(key, lambda: self._load(str(device)))

    def _load(self, device: str) -> Any:
        torch = import_torch()
        import sentence_transformers

        try:
            with quietly():
                return sentence_transformers.SentenceTransformer(
                    str(self._checkpoint.folder),
                    device=device,
                    model_kwargs={"dtype": torch.float32, "use_safetensors": True},
                    **SAFE,
                )
        except (OSError, ValueError, KeyError, ImportError, AttributeError, RuntimeError) as error:
            raise ModelError(
                f"encoder '{self.name}': sentence-transformers cannot load it: {error}"
            ) from error
