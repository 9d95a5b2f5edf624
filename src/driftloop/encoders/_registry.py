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
SHIPPED = {"lexical": "text", "minilm": "text", "pixels": "image"}


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
        return cast(Encoder, import_module(f".{name}", __package__).encoder())
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


def default_encoders(kind: Kind) -> list[Encoder]:
    """The encoders that a report measures with: those that ship and can run here.

    Weight-free ones come last: where there is a model of meaning, it is read first.
    """
    from .minilm import is_installed

    names = [name for name in ("minilm", "lexical", "pixels") if SHIPPED[name] == kind]
    return [get_encoder(name) for name in names if name != "minilm" or is_installed()]
