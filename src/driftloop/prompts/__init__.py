"""Prompts: what trajectories start from, and the sets that ship.

A set is a TOML file with ``prompts = [{ id, text, source }, ...]``, a table (``.csv``, ``.tsv``,
``.json``, ``.jsonl``) with a column ``prompt``, or a text file with one prompt a line. A prompt may
be an image file instead of a text, for networks that a captioner opens.

* :func:`load_prompts`, :func:`shipped` read sets.
* :func:`write_candidates` writes texts of many kinds by a grammar of our own; :func:`maximin`
  chooses those that are far from each other, and :func:`measure` says how far.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..errors import DriftloopError, StudyError, nearest
from ..given import expand, read_text, read_toml
from ..seeds import digest
from ..steps import whole_text
from ._grammar import write_candidates
from ._maximin import Dispersion, maximin, measure
from ._reading import read_items

__all__ = [
    "Dispersion",
    "Prompt",
    "load_prompts",
    "maximin",
    "measure",
    "resolve_images",
    "shipped",
    "write_candidates",
]

MAX_CHARACTERS = 10_000
"""Longer prompts are a mistake (a file pasted in): no text encoder reads them."""


class Prompt(BaseModel):
    """What trajectories start from: a text, or an image file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = ""
    """Its name in tables and figures; by default its first words and a hash."""
    text: Annotated[str, Field(max_length=MAX_CHARACTERS)] | None = None
    image: str | None = None
    """Path of an image file, relative to the file that names it."""
    source: str = ""
    """Where it comes from, e.g. ``grammar`` or ``free``; reports group by it."""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = {"text": value}
        if isinstance(value, dict):
            for key, part in value.items():
                if isinstance(part, str) and part != whole_text(part):
                    raise ValueError(
                        f"{key}: {part!r} holds half a character (a lone surrogate); write it whole"
                    )
        if isinstance(value, dict) and not value.get("id"):
            value = {**value, "id": name_prompt(str(value.get("text") or value.get("image") or ""))}
        return value

    @model_validator(mode="after")
    def _one_content(self) -> Prompt:
        if (self.text is None) == (self.image is None):
            raise ValueError("a prompt has either a text or an image")
        if self.text is not None and not self.text.strip():
            raise ValueError("the prompt is empty: write what the generator should draw")
        return self


def name_prompt(content: str) -> str:
    """A name for a prompt that was given none: its first words and a hash."""
    words = re.findall(r"[a-z0-9]+", content.lower())[:4]
    return "-".join([*words, digest("prompt", content).hex()[:4]])


def shipped() -> list[str]:
    """Names of the prompt sets that ship."""
    files = resources.files(__name__).iterdir()
    return sorted(file.name[:-5] for file in files if file.name.endswith(".toml"))


def load_prompts(name: str, base: Path) -> list[Prompt]:
    """Read a prompt set.

    Args:
        name: A set that ships (see :func:`shipped`) or the path of a file.
        base: The folder that relative paths start from.

    Raises:
        StudyError: There is no such set or file, or it is not one.
    """
    if name in shipped():
        text = resources.files(__name__).joinpath(f"{name}.toml").read_text("utf-8")
        return _parse_toml(text, name, Path())
    try:
        path = base / expand(name)
        if not path.is_file():
            raise StudyError(
                f"prompts: no set or file named '{name}'.{nearest(name, shipped())} "
                f"Sets that ship: {', '.join(shipped())}; a file is a .toml, a .csv, .tsv, .json "
                f"or .jsonl, or a .txt with one prompt a line."
            )
        if path.suffix.lower() == ".toml":
            return _parse_toml(read_text(path), str(path), path.parent)
        items = read_items(path)
    except DriftloopError as error:
        told = str(error) if isinstance(error, StudyError) else f"prompts: {error}"
        raise StudyError(told) from error
    return resolve_images(_validate(items, str(path)), path.parent, str(path))


def _parse_toml(text: str, where: str, base: Path) -> list[Prompt]:
    data = read_toml(text, where)
    if not isinstance(data.get("prompts"), list):
        raise StudyError(f"{where}: expected a list 'prompts = [{{ id, text }}, ...]'")
    items = {f"prompts[{number}]": item for number, item in enumerate(data["prompts"])}
    return resolve_images(_validate(items, where), base, where)


def _validate(items: Mapping[str, Any], where: str) -> list[Prompt]:
    """Prompts of what a file holds, by the place in it."""
    prompts = []
    for place, item in items.items():
        try:
            prompts.append(Prompt.model_validate(item))
        except ValidationError as error:
            reason = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise StudyError(f"{where}: {place}: {reason}") from error
    return prompts


def resolve_images(prompts: list[Prompt], base: Path, where: str) -> list[Prompt]:
    """Make the paths of image prompts absolute, and check that they can be opened."""
    resolved = []
    for prompt in prompts:
        if prompt.image is not None:
            try:
                path = (base / expand(prompt.image)).resolve()
            except DriftloopError as error:
                raise StudyError(f"{where}: prompt '{prompt.id}': image: {error}") from error
            if not path.is_file():
                raise StudyError(f"{where}: prompt '{prompt.id}': no image file {prompt.image}")
            prompt = prompt.model_copy(update={"image": str(path)})
        resolved.append(prompt)
    return resolved
