"""From the spelling of an encoder to the checkpoint that it names, without loading weights."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple, get_args

from ..errors import ModelError, nearest
from ..given import is_there
from ..models._files import BUNDLED, SAFE, fetch, locate, own_code
from ..models._needs import PICTURES, TOKENIZERS, Wanted
from ..models._torch import quietly
from ..steps import Kind
from ._families import FAMILIES, family_of

KINDS: tuple[Kind, ...] = get_args(Kind)
WANTED = Wanted("encoder")
TOKENIZER_FILES = ("tokenizer_config.json", *(name for form in TOKENIZERS for name in form))
PICTURE_FILES = tuple(name for form in PICTURES for name in form)


class Spelling(NamedTuple):
    """``[FAMILY:]PATH[@REVISION]`` in its parts."""

    family: str | None
    path: str
    revision: str | None


class Checkpoint(NamedTuple):
    """A checkpoint that encoders are made of."""

    name: str
    """As it was spelled."""
    family: str
    folder: Path
    identity: str
    """Hash or revision of its weights and configuration files."""
    kinds: tuple[Kind, ...]
    """What it has an encoder for."""

    @property
    def short(self) -> str:
        """The last part of its path, for titles."""
        return read_spelling(self.name).path.rstrip("/").replace(":", "/").rsplit("/", 1)[-1]


def split_kind(name: str) -> tuple[str, Kind | None]:
    """Split ``NAME#KIND``.

    >>> split_kind("clip:openai/clip-vit-base-patch32#image")
    ('clip:openai/clip-vit-base-patch32', 'image')
    """
    rest, mark, wish = name.rpartition("#")
    kind = next((kind for kind in KINDS if kind == wish), None)
    if not mark or (kind is None and is_there(name)):
        return name, None
    if kind is None:
        raise ModelError(
            f"encoder '{name}': '#{wish}' is no kind.{nearest(wish, KINDS)} "
            f"Kinds: #{', #'.join(KINDS)}."
        )
    return rest, kind


def names_a_path(name: str) -> bool:
    """Whether a name that is not registered is meant as a checkpoint's."""
    return (
        ":" in name
        or "/" in name
        or name.startswith((".", "~"))
        or (is_there(name) and Path(name).is_dir())
    )


def read_spelling(name: str) -> Spelling:
    """Read ``[FAMILY:]PATH[@REVISION]``.

    Raises:
        ModelError: There is no such family.

    >>> read_spelling("dino:facebook/dinov2-base@main")
    Spelling(family='dino', path='facebook/dinov2-base', revision='main')
    """
    before, colon, path = name.partition(":")
    # A single letter is a drive.
    if not colon or f"{before}:" == BUNDLED or len(before) == 1 or is_there(name):
        before, path = "", name
    elif before not in FAMILIES:
        raise ModelError(
            f"encoder '{name}': no family '{before}'.{nearest(before, FAMILIES)} "
            f"Families: {', '.join(FAMILIES)}."
        )
    elif not path:
        raise ModelError(
            f"encoder '{name}': say which model, e.g. clip:openai/clip-vit-base-patch32"
        )
    revision = None
    if "@" in path and not is_there(path):
        path, _, revision = path.rpartition("@")
    return Spelling(before or None, path, revision)


def find_checkpoint(name: str) -> Checkpoint:
    """Find a checkpoint and what it has encoders for; fetch it from the hub if it is not here.

    Args:
        name: ``[FAMILY:]PATH[@REVISION]``.

    Raises:
        ModelError: It does not exist, is of another family or no encoder, or a library is missing.
    """
    spelling = read_spelling(name)
    located = locate(spelling.path, WANTED, spelling.revision)
    require("torch", "transformers", name=name)
    folder = fetch(spelling.path, located, WANTED, spelling.revision)
    family = family_of(folder, spelling.path, spelling.family)
    if family == "sentence":
        require("sentence_transformers", name=name)
    kinds = FAMILIES[family].kinds or _kinds_of_class(folder, spelling.path)
    return Checkpoint(name, family, folder, located.identity, kinds)


def require(*libraries: str, name: str) -> None:
    """Check that libraries are installed, without importing them.

    Raises:
        ModelError: One is not; the message says how to get it.
    """
    for library in libraries:
        if find_spec(library) is None:
            extra = "sentence" if library == "sentence_transformers" else "transformers"
            raise ModelError(
                f"encoder '{name}' needs {library.replace('_', '-')}: "
                f"pip install 'driftloop[{extra}]'"
            )


def require_files(checkpoint: Checkpoint, kind: Kind) -> None:
    """Check that what prepares a kind's contents lies beside the weights.

    Raises:
        ModelError: It does not.
    """
    names = TOKENIZER_FILES if kind == "text" else PICTURE_FILES
    if checkpoint.family == "sentence" or any(any(checkpoint.folder.glob(n)) for n in names):
        return
    what, who = ("tokenizer", "Tokenizer") if kind == "text" else ("image processor", "Processor")
    others = [other for other in checkpoint.kinds if other != kind]
    raise ModelError(
        f"encoder '{checkpoint.name}': no {what} beside the weights ({', '.join(names)}): save one "
        f"there with {who}.save_pretrained"
        + "".join(f", or take its {other} encoder alone: '{checkpoint.name}#{other}'"
                  for other in others)
    )  # fmt: skip


def _kinds_of_class(folder: Path, path: str) -> tuple[Kind, ...]:
    """What the class that AutoModel takes for a checkpoint reads."""
    from transformers import (
        MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
        MODEL_MAPPING,
        AutoConfig,
    )

    try:
        with quietly():
            config = AutoConfig.from_pretrained(folder, **SAFE)
        model = MODEL_MAPPING[type(config)]
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(
            own_code(path, folder) or f"{path}: transformers has no AutoModel for it: {error}"
        ) from error
    if all(hasattr(model, f"get_{kind}_features") for kind in KINDS):
        return KINDS
    if type(config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING:
        raise ModelError(f"{path}: {model.__name__} is a captioner, not an encoder")
    kinds: dict[str, tuple[Kind, ...]] = {"input_ids": ("text",), "pixel_values": ("image",)}
    if model.main_input_name not in kinds:
        raise ModelError(
            f"{path}: {model.__name__} reads {model.main_input_name}, neither texts nor pictures"
        )
    return kinds[model.main_input_name]
