"""What a pipeline reads of a prompt: the tokens that a text encoder takes, and what none does."""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

PLACES = ("", "_2", "_3", "_4")
"""Suffixes under which pipelines keep their tokenizers and text encoders."""


class Reading(NamedTuple):
    """What was read of one prompt."""

    tokens: int
    """Tokens that the text encoder with the longest window took."""
    cut: int
    """Tokens that none took."""
    cut_text: str
    """The words of those."""


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


def readers_of(pipeline: Any) -> list[Reader]:
    """The tokenizers of a pipeline whose text encoders are there (SD3 is often used without T5)."""
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
        found.append(Reader(tokenizer, window))
    return found


def read(pipeline: Any, text: str) -> Reading:
    """What the text encoder with the longest window takes of a prompt, and what none takes."""
    readings = [reader.read(text) for reader in readers_of(pipeline)]
    return min(readings, key=lambda reading: reading.cut, default=Reading(0, 0, ""))
