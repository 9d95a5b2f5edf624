"""Families of encoders that a path is loaded as, and how a checkpoint's files tell which."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ..errors import ModelError
from ..models._files import read_json
from ..steps import Kind


class Family(NamedTuple):
    """A kind of checkpoint."""

    label: str
    """What its authors call it."""
    types: frozenset[str] = frozenset()
    """The ``model_type`` of its configurations."""
    kinds: tuple[Kind, ...] = ()
    """What it has an encoder for; empty where the model's class decides."""
    full_length: bool = False
    """Whether texts are padded to the limit, as they were in training, where the last token pools
    whatever padding is there."""


FAMILIES = {
    "clip": Family(
        "CLIP", frozenset({"clip", "chinese_clip", "altclip", "metaclip_2"}), ("text", "image")
    ),
    "siglip": Family("SigLIP", frozenset({"siglip", "siglip2"}), ("text", "image"), True),
    "dino": Family(
        "DINO",
        frozenset({"dinov2", "dinov2_with_registers", "dinov3_vit", "dinov3_convnext"}),
        ("image",),
    ),
    "sentence": Family("sentence-transformers", kinds=("text",)),
    "auto": Family("AutoModel"),
}
"""By the word before the colon in ``FAMILY:PATH``."""


def recognise(folder: Path) -> str | None:
    """Name the family that a folder's own configuration speaks of, or None if it is no encoder."""
    if (folder / "modules.json").is_file():
        return "sentence"
    model_type = read_json(folder, "config.json").get("model_type")
    if model_type is None:
        return None
    return next((name for name, family in FAMILIES.items() if model_type in family.types), "auto")


def family_of(folder: Path, path: str, wish: str | None) -> str:
    """The family that a folder is loaded as.

    Args:
        folder: Where the checkpoint lies.
        path: How it was spelled, for messages.
        wish: The family that was asked for, if any.

    Raises:
        ModelError: It is no encoder, or one of another family.
    """
    found = recognise(folder)
    if found is None:
        raise ModelError(
            f"{path}: not an encoder: there is neither a config.json with a model_type nor a "
            f"modules.json in that folder"
        )
    if wish is None or wish == found:
        return found
    has_config = "model_type" in read_json(folder, "config.json")
    if wish == "auto" and has_config:
        return wish
    if read_json(folder, "config.json").get("model_type") in FAMILIES[wish].types:
        # A sentence-transformers folder may hold one of these, e.g. a CLIP.
        return wish
    raise ModelError(f"{path}: a checkpoint of family '{found}', not '{wish}': say {found}:{path}")
