"""Encoders by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import cast

from ..errors import ModelError, nearest
from ..models._files import find_folder
from ..steps import Kind
from ._checkpoint import Checkpoint, find_checkpoint, names_a_path, require_files, split_kind
from ._families import FAMILIES, recognise
from ._protocols import Encoder
from ._sentences import SentenceEncoder
from ._towers import ImageTower, TextTower

GROUP = "driftloop.encoders"
EYE = "bundled:postcard-clip"
"""A CLIP of the Postcards world that shares no weights with any player."""
SHIPPED = {"lexical": "text", "minilm": "text", "pixels": "image"}
WORDS: dict[Kind, str] = {"text": "texts", "image": "pictures"}


_added: dict[str, Encoder] = {}
"""Those of a user's own, by name."""


@cache
def _entries() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def encoder_names() -> list[str]:
    """Names of the encoders that ship or are installed; others are named by their path."""
    return sorted({*SHIPPED, *_entries(), *_added})


def add_encoder(encoder: Encoder) -> None:
    """Make an encoder known in this process, by its name.

    Raises:
        ModelError: Another one of that name ships or is installed.
    """
    if encoder.name in SHIPPED or encoder.name in _entries():
        raise ModelError(f"there is an encoder '{encoder.name}' already; give yours another name")
    _added[encoder.name] = encoder


def get_encoder(name: str, kind: Kind | None = None) -> Encoder:
    """Return an encoder.

    Args:
        name: One of :func:`encoder_names`, or a checkpoint: ``[FAMILY:]PATH[@REVISION][#KIND]``.
            The path is a folder, a name on the Hugging Face hub or ``bundled:NAME``; the family is
            ``clip``, ``siglip``, ``dino``, ``sentence`` or ``auto``, by default what its files say.
        kind: What it should take, where a checkpoint has an encoder for texts and one for pictures.

    Raises:
        ModelError: There is none of that name or kind, or what it needs is not installed.
    """
    found = find_encoders(name, kind)
    if len(found) > 1:
        raise ModelError(
            f"'{name}' has an encoder for each of {' and '.join(e.kind for e in found)}: "
            f"say {' or '.join(e.name for e in found)}"
        )
    return found[0]


def find_encoders(name: str, kind: Kind | None = None) -> list[Encoder]:
    """Every encoder that a name stands for: one, or both sides of a CLIP, whose space they share.

    Args:
        name: As :func:`get_encoder` takes it.
        kind: Those that take this only.

    Raises:
        ModelError: There is none of that name or kind, or what it needs is not installed.
    """
    base, named = split_kind(name)
    wanted = {one for one in (named, kind) if one is not None}
    kinds, make = _offer(base)
    chosen = [one for one in kinds if wanted <= {one}]
    if not chosen:
        raise ModelError(
            f"encoder '{base}' takes {' and '.join(WORDS[one] for one in kinds)} only, "
            f"not {' and '.join(WORDS[one] for one in sorted(wanted))}"
        )
    return [make(one) for one in chosen]


def is_encoder(name: str) -> bool:
    """Whether a name is an encoder's: registered, of a family, or told so by its files.

    What a model without a family before it is good for cannot always be told: here it is no
    encoder if only ``auto`` would take it, as captioners have that shape too.
    """
    base, kind = split_kind(name)
    if kind is not None or base in encoder_names():
        return True
    if base.partition(":")[0] in FAMILIES:
        return True
    folder = find_folder(base)
    return folder is not None and recognise(folder) not in (None, "auto")


def _offer(base: str) -> tuple[tuple[Kind, ...], Callable[[Kind], Encoder]]:
    """The kinds that a name has encoders for, and what makes one."""
    if base in encoder_names():
        registered = _added[base] if base in _added else _registered(base)
        return (registered.kind,), lambda _: registered
    if names_a_path(base):
        checkpoint = find_checkpoint(base)
        return checkpoint.kinds, lambda kind: _make(checkpoint, kind)
    raise ModelError(
        f"no encoder '{base}'.{nearest(base, encoder_names())} "
        f"Encoders: {', '.join(encoder_names())}; or the path of a model: owner/name on the hub, "
        f"./folder, bundled:NAME, with one of {', '.join(f'{name}:' for name in FAMILIES)} before "
        f"it if it is to be loaded as that."
    )


@cache
def _registered(name: str) -> Encoder:
    if name in SHIPPED:
        return cast(Encoder, import_module(f".{name}", __package__).encoder())
    entry = _entries()[name]
    try:
        return cast(Encoder, entry.load()())
    except ImportError as error:
        raise ModelError(f"encoder '{name}' ({entry.value}) cannot be imported: {error}") from error


def _make(checkpoint: Checkpoint, kind: Kind) -> Encoder:
    require_files(checkpoint, kind)
    if checkpoint.family == "sentence":
        return SentenceEncoder(checkpoint)
    return TextTower(checkpoint) if kind == "text" else ImageTower(checkpoint)


def default_encoders(kind: Kind, *, postcards: bool = False) -> list[Encoder]:
    """The encoders that a report measures with: those that ship and can run here.

    Weight-free ones come last: where there is a model of meaning, it is read first.

    Args:
        kind: What they take.
        postcards: Whether all players are bundled ones, whose world the bundled eye knows; it
            knows no other.
    """
    from .minilm import is_installed

    with_torch = find_spec("torch") is not None and find_spec("transformers") is not None
    eye = [get_encoder(EYE, kind)] if postcards and with_torch else []
    plain = [name for name in ("minilm", "lexical", "pixels") if SHIPPED[name] == kind]
    usable = [get_encoder(name) for name in plain if name != "minilm" or is_installed()]
    with_weights = [encoder for encoder in usable if encoder.name == "minilm"]
    return [*with_weights, *eye, *(encoder for encoder in usable if encoder.name != "minilm")]
