"""What a pipeline reads of a prompt: the tokens that each text encoder takes, and the rest."""

from __future__ import annotations

import copy
import inspect
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..seeds import digest
from ..steps import Reading

PLACES = ("", "_2", "_3", "_4")
"""Suffixes under which pipelines keep their tokenizers and text encoders."""


class Reader(NamedTuple):
    """A text encoder's tokenizer, and how many tokens of a prompt it takes."""

    text_encoder: str
    """Its name in the pipeline."""
    tokenizer: Any
    window: int

    def read(self, text: str) -> Reading:
        """Count what is taken and what is not."""
        encoded = self.tokenizer(text, add_special_tokens=False, truncation=False, verbose=False)
        tokens = encoded["input_ids"]
        rest = tokens[self.window :]
        read = min(len(tokens), self.window)
        return Reading(read, len(rest), self._tail(text, rest), self.text_encoder)

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
        """Tokens that the text encoder with the most room takes."""
        return max(reader.window for reader in self.readers)

    @property
    def windows(self) -> dict[str, int]:
        """Tokens that each text encoder takes at most."""
        return {reader.text_encoder: reader.window for reader in self.readers}

    def read(self, text: str) -> tuple[Reading, ...]:
        """What each text encoder takes, and what it does not."""
        return tuple(reader.read(text) for reader in self.readers)


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
        name = f"text_encoder{place}"
        tokenizer = getattr(pipeline, f"tokenizer{place}", None)
        if tokenizer is None or getattr(pipeline, name, None) is None:
            continue
        window = min(tokenizer.model_max_length, longest or 100_000)
        # Sana puts its own instruction before the prompt and takes two tokens off for it.
        instructed = "complex_human_instruction" in options
        window -= 2 if instructed else tokenizer.num_special_tokens_to_add()
        # A copy: a pipeline sets its tokenizer to cut while it draws, maybe in another thread.
        found.append(Reader(name, copy.deepcopy(tokenizer), window))
    if not found:
        return None
    return PromptReader(tuple(found), digest("reader", identity, *(r.window for r in found)).hex())
