"""Which column of a table holds what."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ..errors import ChainError, nearest

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
        "sequence_number", "round_number",
    ),
    "text": (
        "text", "caption", "description", "output_text", "story", "message", "output", "response",
        "content",
    ),
    "image": (
        "image", "image_path", "picture", "path", "file", "filename", "file_name", "img",
        "image_file", "output_image",
    ),
    "generator": ("generator", "t2i_model", "image_model"),
    "captioner": ("captioner", "i2t_model", "caption_model"),
    "editor": ("editor", "i2i_model"),
    "model": ("model", "model_name", "llm"),
    "generator_seed": ("generator_seed", "image_seed"),
    "captioner_seed": ("captioner_seed", "caption_seed"),
    "editor_seed": ("editor_seed",),
    "failure": ("failure", "error"),
}  # fmt: skip
"""What a column may be called, most telling first; case, spaces and dashes do not matter."""


def match_columns(
    names: Sequence[str], chosen: Mapping[str, str], where: str
) -> tuple[dict[str, str], list[str]]:
    """Find the columns of a table.

    Args:
        names: What the table calls them.
        chosen: What the user said, by meaning.
        where: The table, for errors.

    Returns:
        Columns by meaning, and those that mean nothing here.

    Raises:
        ChainError: A chosen column is not there, or one that is needed cannot be told.
    """
    if len(set(names)) < len(names):
        double = next(name for name in names if list(names).count(name) > 1)
        raise ChainError(f"{where}: two columns are called '{double}': rename one")
    found = {}
    for meaning, name in chosen.items():
        if meaning not in SYNONYMS:
            raise ChainError(
                f"--column {meaning}={name}: there is no '{meaning}'.{nearest(meaning, SYNONYMS)} "
                f"What a column can be: {', '.join(SYNONYMS)}."
            )
        if name not in names:
            raise ChainError(
                f"{where}: no column '{name}' (--column {meaning}={name}).{nearest(name, names)} "
                f"It has: {', '.join(names)}."
            )
        found[meaning] = name
    taken = set(found.values())
    plain = {_plain(name): name for name in reversed(names) if name not in taken}
    for meaning, synonyms in SYNONYMS.items():
        free = [plain[s] for s in synonyms if s in plain and plain[s] not in taken]
        if meaning not in found and free:
            found[meaning] = free[0]
            taken.add(free[0])
    has = f"It has: {', '.join(names)}."
    if "round" not in found:
        raise ChainError(
            f"{where}: no column says the round; name it with --column round=... {has}"
        )
    if not found.keys() & {"text", "image"}:
        raise ChainError(
            f"{where}: no column holds texts or paths of pictures; name one with --column text=... "
            f"or --column image=... {has}"
        )
    return found, [name for name in names if name not in taken]


def _plain(name: str) -> str:
    return re.sub(r"[\s\-]+", "_", re.sub(r"([a-z])([A-Z])", r"\1_\2", name).strip().lower())
