"""Encoders by name."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from ..errors import ModelError, nearest
from ..steps import Kind
from ._protocols import Encoder

GROUP = "driftloop.encoders"
SHIPPED = {
    "lexical": "lexical:encoder",
    "minilm": "minilm:encoder",
    "pixels": "pixels:encoder",
    "postcard-clip": "clip:image_encoder",
    "postcard-clip-text": "clip:text_encoder",
}
"""Names of the encoders that ship, and where in this package the function is that makes each."""


@cache
def _entries() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def encoder_names() -> list[str]:
    """Names of the encoders that ship or are installed."""
    return sorted({*SHIPPED, *_entries()})


@cache
def get_encoder(name: str) -> Encoder:
    """Return an encoder.

    Raises:
        ModelError: There is none of that name, or what it needs is not installed.
    """
    if name in SHIPPED:
        module, function = SHIPPED[name].split(":")
        return cast(Encoder, getattr(import_module(f".{module}", __package__), function)())
    if name not in _entries():
        raise ModelError(
            f"no encoder '{name}'.{nearest(name, encoder_names())} "
            f"Encoders: {', '.join(encoder_names())}."
        )
    entry = _entries()[name]
    try:
        return cast(Encoder, entry.load()())
    except ImportError as error:
        raise ModelError(f"encoder '{name}' ({entry.value}) cannot be imported: {error}") from error


def default_encoders(kind: Kind, *, postcards: bool = False) -> list[Encoder]:
    """The encoders that a report measures with: those that ship and can run here.

    Weight-free ones come last: where there is a model of meaning, it is read first.

    Args:
        kind: What they take.
        postcards: Whether all players of the run are bundled ones, whose world the encoder
            ``postcard-clip`` knows; it knows no other.
    """
    from . import clip, minilm

    able = {
        "minilm": minilm.is_installed(),
        "postcard-clip": postcards and clip.is_installed(),
        "postcard-clip-text": postcards and clip.is_installed(),
    }
    order = ("minilm", "postcard-clip", "postcard-clip-text", "lexical", "pixels")
    encoders = [get_encoder(name) for name in order if able.get(name, True)]
    return [encoder for encoder in encoders if encoder.kind == kind]
