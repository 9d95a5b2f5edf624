"""What a pipeline reads of a prompt: the tokens that a text encoder takes, and what none does."""

from __future__ import annotations

import copy
import inspect
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..seeds import digest
from ._protocols import Reading

PLACES = ("", "_2", "_3", "_4")
"""Suffixes under which pipelines keep their tokenizers and text encoders."""


class Reader(NamedTuple):
    """A tokenizer, and how many tokens of a prompt its text encoder takes."""

    tokenizer: Any
    window: int

    def read(self, text: str) -> Reading:
        """Count what is taken and what is not."""
        encoded = self.tokenizer(text, add_special_tokens=False, truncation=False, verbose=False)
        tokens = encoded["input_ids"]
        rest = tokens[self.window :]
        return Reading(min(len(tokens), self.window), len(rest), self._tail(text, rest))

    def _tail(self, text: str, rest: list[int]) -> str:
        """The words past the window, in the text's own spelling where the tokenizer knows it."""
        if not rest:
            return ""
        if not getattr(self.tokenizer, "is_fast", False):
            return str(self.tokenizer.decode(rest))
        encoded = self.tokenizer(
            text,
            add_special_tokens=False,
            truncation=False,
            verbose=False,
            return_offsets_mapping=True,
        )
        return text[encoded["offset_mapping"][self.window][0] :]


@dataclass(frozen=True)
class PromptReader:
    """What the text encoders of a pipeline take of a prompt."""

    readers: tuple[Reader, ...]
    identity: str

    @property
    def window(self) -> int:
        """Tokens that the text encoder with the longest window takes at most."""
        return max(reader.window for reader in self.readers)

    def read(self, text: str) -> Reading:
        """What the text encoder that reads the most takes, and what none takes."""
        return min((one.read(text) for one in self.readers), key=lambda reading: reading.cut)


def reader_of(pipeline: Any, identity: str) -> PromptReader | None:
    """The tokenizers of a pipeline whose text encoders are there (SD3 is often used without T5).

    Args:
        pipeline: The pipeline.
        identity: Of its weights and files.

    Returns:
        None where the pipeline reads in a way that is not known here.
    """
    options = inspect.signature(type(pipeline).__call__).parameters
    longest = getattr(options.get("max_sequence_length"), "default", None)
    found = []
    for place in PLACES:
        tokenizer = getattr(pipeline, f"tokenizer{place}", None)
        if tokenizer is None or getattr(pipeline, f"text_encoder{place}", None) is None:
            continue
        window = min(tokenizer.model_max_length, longest or 100_000)
        # Sana puts its own instruction before the prompt and takes two tokens off for it.
        instructed = "complex_human_instruction" in options
        window -= 2 if instructed else tokenizer.num_special_tokens_to_add()
        # A copy: a pipeline sets its tokenizer to cut while it draws, maybe in another thread.
        found.append(Reader(copy.deepcopy(tokenizer), window))
    if not found:
        return None
    return PromptReader(tuple(found), digest("reader", identity, *(r.window for r in found)).hex())
