"""Which files a model needs: said once, for folders, caches and hubs alike.

A repository is judged by its names alone, and by the few configuration files that name others:
``model_index.json`` the parts of a pipeline, ``modules.json`` those of a sentence encoder, an
index the shards of weights. Weights are safetensors: a pickle runs code when it is opened.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

TOKENIZERS = (
    ("tokenizer.json",), ("vocab.json", "merges.txt"), ("vocab.txt",), ("*.model",), ("*.spm",),
    ("tekken.json",), ("*.tiktoken",), ("vocab.bpe",),
)  # fmt: skip
"""Files that hold a tokenizer's words, by the forms that libraries write."""
WORDLESS = {"ByT5Tokenizer", "CanineTokenizer", "PerceiverTokenizer"}
"""Tokenizers that read bytes and have no file of words."""
PICTURES = (("preprocessor_config.json",), ("processor_config.json",))
"""Files that say how a picture is prepared."""
READING = (
    "*tokenizer*.json", "special_tokens_map.json", "added_tokens.json", "vocab.*", "merges.txt",
    "*.model", "*.spm", "*.tiktoken", "*processor_config.json", "chat_template.*",
)  # fmt: skip
"""Files that decide what a model reads; those that its repository has are needed."""
PLAIN = (".json", ".txt", ".jinja", ".model", ".spm", ".tiktoken", ".bpe")
"""Endings of the small files that are fetched beside weights."""
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".msgpack", ".h5")
"""Endings of weights in a form that is not read."""
MARKS = {
    "pipeline": {
        "model_index.json": "no model_index.json there, so it is not a diffusers pipeline; "
        'a captioner wants backend = "transformers"'
    },
    "captioner": {
        "config.json": "no config.json with a model_type there, so it is not a transformers "
        'model; a generator wants backend = "diffusers"'
    },
    "encoder": {
        "config.json": "not an encoder: there is neither a config.json with a model_type nor a "
        "modules.json in that folder"
    },
}
"""What a repository is not that lacks the file which its kind is known by."""
STEMS = {"diffusers": "diffusion_pytorch_model", "transformers": "model"}
SHARD = re.compile(r"-\d+-of-\d+")
LORA = "pytorch_lora_weights.safetensors"
NOT_LORAS = ("scheduler", "optimizer", "checkpoint")


class Source(NamedTuple):
    """A repository as far as it is known: its files by name, and what a JSON file of it says."""

    names: frozenset[str]
    read: Callable[[str], Any]
    """The content of a JSON file by its name; an empty one where it cannot be read."""


@dataclass(frozen=True)
class Wanted:
    """What a repository is opened for."""

    what: Literal["pipeline", "captioner", "encoder", "lora"]
    variant: str | None = None
    without: tuple[str, ...] = ()
    """Parts of a pipeline that are left out."""
    file: str | None = None
    """The file of a LoRA, where one is named."""


@dataclass
class Needs:
    """The files that a model cannot do without."""

    files: list[str] = field(default_factory=list)
    """By name; where the repository has none of a kind, the name that it would have."""
    weights: list[str] = field(default_factory=list)
    """Those of the files that are weights."""
    helpful: list[str] = field(default_factory=list)
    """Files that only some uses need: the tokenizer of an encoder that takes pictures too."""
    folders: set[str] = field(default_factory=set)
    """Folders of the repository that it reads from."""

    def add(self, *files: str, weights: bool = False) -> None:
        """Need further files."""
        self.files += [file for file in files if file not in self.files]
        if weights:
            self.weights += [file for file in files if file.endswith(".safetensors")]
        self.folders |= {file.rpartition("/")[0] for file in files}

    def fetched(self, source: Source) -> list[str]:
        """The files to fetch of a repository: those needed, and the small ones beside them."""
        beside = {
            name
            for name in source.names
            if name.rpartition("/")[0] in self.folders and name.endswith(PLAIN)
        }
        return sorted(beside.union(self.files, self.helpful) & source.names)


def needs_of(source: Source, wanted: Wanted) -> Needs:
    """Say which files a model needs."""
    needs = Needs()
    if wanted.what == "lora":
        needs.add(*_lora(source.names, wanted.file), weights=True)
    elif wanted.what == "pipeline":
        _pipeline(needs, source, wanted)
    elif wanted.what == "encoder" and "modules.json" in source.names:
        _sentence(needs, source)
    else:
        needs.add("config.json")
        needs.add(*_weights(source, "", "transformers", None), weights=True)
        reading = [*_tokenizer(source, ""), *_one_of(source, "", PICTURES), *_reading(source, "")]
        if wanted.what == "captioner":
            needs.add(*reading)
        else:
            needs.helpful += reading
    return needs


def lora_files(names: Iterable[str]) -> list[str]:
    """Files at the top of a repository that may be its LoRA, the usual name alone if it is there.

    >>> lora_files(["optimizer.safetensors", "style.safetensors", "unet/model.safetensors"])
    ['style.safetensors']
    """
    found = sorted(
        name
        for name in names
        if name.endswith(".safetensors") and "/" not in name
        and not any(word in name for word in NOT_LORAS)
    )  # fmt: skip
    return [LORA] if LORA in found else found


def _lora(names: frozenset[str], file: str | None) -> list[str]:
    return [file] if file else lora_files(names)[:1] or [LORA]


def _pipeline(needs: Needs, source: Source, wanted: Wanted) -> None:
    needs.add("model_index.json")
    index = source.read("model_index.json")
    for part, value in sorted(index.items()) if isinstance(index, dict) else ():
        if part.startswith("_") or part in wanted.without:
            continue
        if not (isinstance(value, list) and len(value) == 2 and all(map(_is_text, value))):
            continue
        library, name = value
        if "Tokenizer" in name:
            needs.add(*_tokenizer(source, part), *_reading(source, part))
        elif "Processor" in name or "FeatureExtractor" in name:
            needs.add(*_one_of(source, part, PICTURES), *_reading(source, part))
        elif "Scheduler" in name:
            needs.add(f"{part}/scheduler_config.json")
        else:
            needs.add(f"{part}/config.json")
            needs.add(*_weights(source, part, library, wanted.variant), weights=True)


def _sentence(needs: Needs, source: Source) -> None:
    """What the modules of a sentence-transformers folder need, each of its own kind."""
    needs.add("modules.json")
    modules = source.read("modules.json")
    for module in modules if isinstance(modules, list) else []:
        if not isinstance(module, dict):
            continue
        folder, kind = str(module.get("path") or ""), str(module.get("type")).rpartition(".")[2]
        needs.folders |= {folder, ""}
        if kind in {"Transformer", "CLIPModel"}:
            needs.add(_join(folder, "config.json"), *_tokenizer(source, folder))
            needs.add(*_reading(source, folder))
        elif kind == "StaticEmbedding":
            needs.add(*_tokenizer(source, folder))
        elif kind in {"Dense", "Pooling"}:
            needs.add(_join(folder, "config.json"))
        if kind in {"Transformer", "CLIPModel", "StaticEmbedding", "Dense"}:
            needs.add(*_weights(source, folder, "transformers", None), weights=True)


def _weights(source: Source, folder: str, library: str, variant: str | None) -> list[str]:
    """The weights in a folder: of the variant where it has one, whole or by its index.

    A part without the variant is taken as it is, which is what diffusers does; that another part
    has the variant is what makes it one.
    """
    own = STEMS.get(library)
    stems = [own] if own else [*STEMS.values()]
    for wish in dict.fromkeys((variant, None)):
        for stem in stems:
            single = _join(folder, weights_name(stem, wish))
            index = _join(folder, f"{stem}.safetensors.index{_dotted(wish)}.json")
            if single in source.names:
                return [single]
            if index in source.names or _shards(source.names, folder, stem, wish):
                return [index, *_indexed(source, index, folder, stem, wish)]
    return [_join(folder, weights_name(stems[0], variant))]


def weights_name(stem: str, variant: str | None) -> str:
    """The name of a file of weights.

    >>> weights_name("model", None), weights_name("model", "fp16")
    ('model.safetensors', 'model.fp16.safetensors')
    """
    return f"{stem}{_dotted(variant)}.safetensors"


def _indexed(source: Source, index: str, folder: str, stem: str, variant: str | None) -> list[str]:
    table = source.read(index)
    named = table.get("weight_map") if isinstance(table, dict) else None
    if isinstance(named, dict) and named:
        return sorted({_join(folder, str(shard)) for shard in named.values()})
    return _shards(source.names, folder, stem, variant)


def _shards(names: Iterable[str], folder: str, stem: str, variant: str | None) -> list[str]:
    """Shards by their names; the variant stands before the number or behind it."""
    wanted = weights_name(stem, variant)
    return sorted(
        name
        for name in names
        if name.rpartition("/")[0] == folder
        and SHARD.search(last := name.rpartition("/")[2])
        and SHARD.sub("", last) == wanted
    )


def _tokenizer(source: Source, folder: str) -> list[str]:
    config = source.read(_join(folder, "tokenizer_config.json"))
    if isinstance(config, dict) and config.get("tokenizer_class") in WORDLESS:
        return [_join(folder, "tokenizer_config.json")]
    return _one_of(source, folder, TOKENIZERS)


def _one_of(source: Source, folder: str, forms: tuple[tuple[str, ...], ...]) -> list[str]:
    """The files of the first form that is whole, else of the one that is begun, else the first."""
    here = [name for name in source.names if name.rpartition("/")[0] == folder]
    begun: list[str] = []
    for form in forms:
        found = [fnmatch.filter(here, _join(folder, pattern)) for pattern in form]
        if all(found):
            return sorted(name for names in found for name in names)
        if any(found):
            begun = begun or [_join(folder, pattern) for pattern in form]
    return begun or [_join(folder, name) for name in forms[0]]


def _reading(source: Source, folder: str) -> list[str]:
    return sorted(
        name
        for name in source.names
        if name.rpartition("/")[0] == folder
        and any(fnmatch.fnmatch(name.rpartition("/")[2], pattern) for pattern in READING)
    )


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _dotted(variant: str | None) -> str:
    return f".{variant}" if variant else ""


def _is_text(value: object) -> bool:
    return isinstance(value, str)
