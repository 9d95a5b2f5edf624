"""Which column of a table holds what."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache

from ..errors import ChainError, listed, nearest

SYNONYMS: dict[str, tuple[str, ...]] = {
    "arm": ("arm", "condition", "network", "setting", "group", "experiment"),
    "trajectory": (
        "trajectory", "trajectory_id", "chain", "chain_id", "run", "run_id", "item",
    ),
    "prompt_id": ("prompt_id", "prompt_index", "prompt_name", "prompt_number"),
    "prompt": (
        "prompt", "prompt_text", "initial_prompt", "initial_text", "initial_story", "start",
        "seed_text",
    ),
    "prompt_image": ("prompt_image", "initial_image", "start_image"),
    "twin": ("twin", "replicate", "repetition", "repeat", "replica"),
    "round": (
        "round", "gen", "generation", "iteration", "iter", "step", "turn", "t", "seq",
        "sequence_number", "round_number", "round_num", "round_index", "iteration_number",
        "step_number", "step_num", "generation_number",
    ),
    "text": (
        "text", "caption", "description", "output_text", "story", "message", "output", "response",
        "content",
    ),
    "image": (
        "image", "image_path", "picture", "path", "file", "filename", "file_name", "img",
        "image_file", "output_image",
    ),
    "kind": (
        "content_type", "output_type", "modality", "media_type", "mime_type", "kind", "type",
    ),
    "generator": ("generator", "t2i_model", "image_model"),
    "captioner": ("captioner", "i2t_model", "caption_model"),
    "editor": ("editor", "i2i_model"),
    "model": ("model", "model_name", "llm"),
    "generator_seed": ("generator_seed", "image_seed"),
    "captioner_seed": ("captioner_seed", "caption_seed"),
    "editor_seed": ("editor_seed",),
    "failure": ("failure", "error", "error_message", "exception"),
}  # fmt: skip
"""What a column may be called, most telling first; case, spaces and dashes do not matter."""
APART = ("arm", "trajectory", "prompt_id", "twin")
"""Meanings that tell chains apart."""
BESIDE = (
    "prompt", "generator", "captioner", "editor", "model", "generator_seed", "captioner_seed",
    "editor_seed",
)  # fmt: skip
"""What a column that was chosen to tell chains apart may mean beside that."""
_HUMP = re.compile("([a-z])([A-Z])")
_GAP = re.compile(r"[\s\-]+")
KNOWN = frozenset(synonym for synonyms in SYNONYMS.values() for synonym in synonyms)


def match_columns(names: Sequence[str], chosen: Mapping[str, str], where: str) -> dict[str, str]:
    """Find the columns of a table.

    Args:
        names: What the table calls them.
        chosen: What the user said, by meaning.
        where: The table, for errors.

    Returns:
        Columns by meaning.

    Raises:
        ChainError: A chosen column is not there, or one that is needed cannot be told.
    """
    there = set(names)
    if len(there) < len(names):
        ((double, _),) = Counter(names).most_common(1)
        raise ChainError(f"{where}: two columns are called '{double}': rename one")
    found = {}
    for meaning, name in chosen.items():
        if meaning not in SYNONYMS:
            raise ChainError(
                f"--column {meaning}={name}: there is no '{meaning}'.{nearest(meaning, SYNONYMS)} "
                f"What a column can be: {', '.join(SYNONYMS)}."
            )
        if name not in there:
            raise ChainError(
                f"{where}: no column '{name}' (--column {meaning}={name}).{nearest(name, names)} "
                f"It has: {listed(names)}."
            )
        found[meaning] = name
    extend_columns(found, names)
    has = f"It has: {listed(names)}." if names else "No row of it can be read."
    if "round" not in found:
        raise ChainError(
            f"{where}: no column says the round; name it with --column round=... {has}"
        )
    if not found.keys() & {"text", "image"}:
        raise ChainError(
            f"{where}: no column holds texts or paths of pictures; name one with --column text=... "
            f"or --column image=... {has}"
        )
    return found


def extend_columns(found: dict[str, str], names: Sequence[str]) -> None:
    """Take names for meanings that have no column yet.

    Args:
        found: Columns by meaning; it is added to.
        names: What the table calls its columns.
    """
    taken = {name for meaning, name in found.items() if meaning not in APART}
    apart = {name for meaning, name in found.items() if meaning in APART}
    plain = {plain_name(name): name for name in reversed(names)}
    for meaning, synonyms in SYNONYMS.items():
        used = taken if meaning in BESIDE else taken | apart
        free = [plain[s] for s in synonyms if s in plain and plain[s] not in used]
        if meaning not in found and free:
            found[meaning] = free[0]
            taken.add(free[0])


@lru_cache(maxsize=100_000)
def plain_name(name: str) -> str:
    """A column's name without what does not matter in it.

    >>> plain_name(" Image-Path"), plain_name("imagePath")
    ('image_path', 'image_path')
    """
    return _GAP.sub("_", _HUMP.sub(r"\1_\2", name).strip().lower())
