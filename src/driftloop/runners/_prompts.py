"""The search for prompts that are as different from each other as can be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..encoders import get_encoder
from ..errors import StudyError
from ..prompts import Dispersion, load_prompts, maximin, measure, write_candidates
from ..scripts import count_words

RANDOM_SETS = 20
"""Random choices that a found one is compared with."""


class PromptSearch(NamedTuple):
    """Prompts that were found, and how far apart they are."""

    texts: tuple[str, ...]
    found: Dispersion
    by_chance: Dispersion
    """The random choice of the same size that is in the middle of 20 by its smallest distance."""
    candidates: int
    """Texts that were searched."""
    left_out: int
    """Candidates that are too long, say nothing to the encoder, or are not read to their end."""
    encoder: str
    """Identity of the encoder whose distances these are."""
    settings: dict[str, str | int]
    """What it takes to find them again."""

    def as_toml(self) -> str:
        """The prompts as a set that a study can name, with how they were found at the top."""
        told = ", ".join(f"{name} = {json.dumps(v)}" for name, v in self.settings.items())
        lines = [
            f"# {len(self.texts)} prompts that are far from each other: maximin search over",
            f"# {self.candidates:,} candidates in the distances of {self.encoder}.",
            f"# {told}",
            f"# smallest distance {self.found.smallest:.4f} "
            f"(by chance {self.by_chance.smallest:.4f}),",
            f"# to the nearest {self.found.nearest:.4f} on average ({self.by_chance.nearest:.4f}),",
            f"# of all pairs {self.found.mean:.4f} ({self.by_chance.mean:.4f}).",
            "prompts = [",
        ]
        width = len(str(len(self.texts)))
        for number, text in enumerate(self.texts, 1):
            quoted = json.dumps(text, ensure_ascii=False)
            lines.append(
                f'  {{ id = "far-{number:0{width}}", text = {quoted}, source = "search" }},'
            )
        return "\n".join([*lines, "]", ""])


def search_prompts(
    count: int = 100,
    *,
    words: int = 30,
    encoder: str = "minilm",
    candidates: str | None = None,
    pool: int = 5000,
    seed: int = 0,
) -> PromptSearch:
    """Find prompts that are far from each other.

    Args:
        count: How many.
        words: The most words of one.
        encoder: Whose distances, by name.
        candidates: A prompt set or file to choose from; by default texts of a grammar of our own.
        pool: How many texts the grammar writes.
        seed: Draws the grammar's texts and the search's starts.

    Raises:
        StudyError: There are fewer candidates than prompts wanted.
        ModelError: The encoder is not there.
    """
    player = get_encoder(encoder)
    if player.kind != "text":
        raise StudyError(f"encoder '{encoder}' looks at pictures: prompts want one that reads")
    if candidates is None:
        texts = write_candidates(pool, words=words, seed=seed)
    else:
        prompts = load_prompts(candidates, Path())
        texts = list(dict.fromkeys(prompt.text for prompt in prompts if prompt.text))
    short = [text for text in texts if count_words(text) <= words]
    size = player.batch_size
    chunks = [short[at : at + size] for at in range(0, len(short), size)]
    vectors = np.concatenate([player.encode(chunk) for chunk in chunks]) if chunks else None
    cut = [tokens for chunk in chunks for tokens in player.cut(chunk)]
    usable = [
        at for at in range(len(short)) if vectors is not None and np.isfinite(vectors[at]).all()
    ]
    usable = [at for at in usable if not cut[at]]
    if vectors is None or not 2 <= count <= len(usable):
        raise StudyError(
            f"{candidates or 'the grammar'}: {len(usable)} candidates of at most {words} words, "
            f"and {count} prompts are wanted (at least 2): give more candidates, or more words"
        )
    rows = vectors[usable]
    found = maximin(rows, count, seed=seed)
    dice = np.random.default_rng(seed)
    chance = [
        measure(rows, dice.choice(len(rows), count, replace=False)) for _ in range(RANDOM_SETS)
    ]
    settings: dict[str, str | int] = {"count": count, "words": words, "encoder": encoder}
    settings |= {"candidates": candidates} if candidates else {"pool": pool}
    return PromptSearch(
        texts=tuple(short[usable[row]] for row in found.chosen),
        found=found,
        by_chance=sorted(chance, key=lambda one: one.smallest)[RANDOM_SETS // 2],
        candidates=len(usable),
        left_out=len(texts) - len(usable),
        encoder=player.identity,
        settings={**settings, "seed": seed},
    )
