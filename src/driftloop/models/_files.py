"""Where a model's files are, and what they are: paths, hub names, bundled models."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import DriftloopError, ModelError
from ..given import expand
from . import _hub
from ._needs import MARKS, PICKLES, PLAIN, SHARD, Source, Wanted, needs_of
from ._protocols import Located

BUNDLED = "bundled:"
DECIDING = {".json", ".safetensors", ".bin", ".txt", ".jinja", ".model"}
"""Suffixes of the files that decide what a model answers."""

SAFE = {"local_files_only": True, "trust_remote_code": False}
"""What every loader of a library is told: the files are here, and none of them is run."""


def user_path(path: str) -> Path:
    """A path out of a study, with its ``~`` expanded.

    Raises:
        ModelError: No file can have it.
    """
    try:
        return expand(path)
    except DriftloopError as error:
        raise ModelError(f"no model at {error}") from error


def find_folder(path: str, revision: str | None = None) -> Path | None:
    """Return the folder of a model that is on this machine, or None for a hub name that is not.

    Raises:
        ModelError: A bundled model or a path that does not exist.
    """
    if path.startswith(BUNDLED):
        from ..postcards import bundled_path

        return bundled_path(path.removeprefix(BUNDLED))
    folder = user_path(path)
    if folder.is_dir():
        return folder.resolve()
    if path.startswith((".", "/", "~")) or path.count("/") != 1:
        from ..postcards import bundled_names

        bundled = ", ".join(BUNDLED + name for name in bundled_names())
        raise ModelError(
            f"no model at '{path}': it is not a folder, and a name on the hub has the form "
            f"owner/name; bundled models are {bundled}"
        )
    return _hub.cached_snapshot(path, revision)


def locate(path: str, wanted: Wanted, revision: str | None = None) -> Located:
    """Find a model by the files that it needs, asking the hub only for what is not here.

    Args:
        path: A folder, a name on the hub, or ``bundled:NAME``.
        wanted: What it is opened for.
        revision: Branch, tag or commit on the hub.

    Raises:
        ModelError: It does not exist, or lacks files that it needs.
        UnreachableError: It is not on this machine, whole, and the hub cannot be asked.
    """
    folder = find_folder(path, revision)
    if folder is None:
        return _on_hub(path, revision, wanted)
    found = files_in(folder, wanted)
    here = Located(str(folder), "", sum((folder / name).stat().st_size for name in found.weights))
    cached = _is_snapshot(folder)
    if found.missing and not cached:
        raise ModelError(f"{path}: {found.told}")
    if found.missing or (cached and found.unhelped):
        try:
            return _on_hub(path, revision, wanted)
        except ModelError as error:
            if found.missing:
                raise type(error)(f"{error}; in the cache, {folder}: {found.told}") from error
    return here._replace(identity=_identity(folder))


def fetch(path: str, located: Located, wanted: Wanted, revision: str | None = None) -> Path:
    """Return the folder of a model that was located, fetching from the hub what is not here.

    Raises:
        ModelError: The hub does not give it.
        UnreachableError: It went away; what has come stays.
    """
    if located.folder is not None:
        return Path(located.folder)
    repository = _hub.ask(path, revision)
    if located.commit not in (None, repository.commit):
        raise ModelError(
            f"'{path}' has changed on the hub since it was looked at; try again, or set its "
            f"revision to a commit"
        )
    source = _listed(repository)
    folder = _hub.fetch(repository, needs_of(source, wanted).fetched(source), bars=True)
    found = files_in(folder, wanted)
    if found.missing:
        # The hub's own library takes a file that is cut short for whole.
        _hub.fetch(repository, list(found.missing), again=True, bars=True)
        found = files_in(folder, wanted)
    if found.missing:
        raise ModelError(f"{path}: {found.told}")
    return folder


def files_in(folder: Path, wanted: Wanted) -> Found:
    """Tell which files a model needs, which of them lie in a folder, and which are missing.

    Of a snapshot in the hub's cache what its repository has is known where the cache kept the list.
    """
    here = frozenset(_names(folder))
    listed: frozenset[str] = frozenset()
    if _is_snapshot(folder):
        name = folder.parent.parent.name.removeprefix("models--").replace("--", "/")
        listed = _hub.known_names(name, folder.name)
    source = Source(here | listed, lambda name: _read_any(folder / name))
    needs = needs_of(source, wanted)
    damaged = {name: fault for name in needs.weights if (fault := _damage(folder / name))}
    missing = tuple(
        name for name in needs.files if name in damaged or not (folder / name).is_file()
    )
    unhelped = tuple(name for name in needs.helpful if name not in here)
    weights = tuple(name for name in needs.weights if name not in missing)
    told = _tell_missing(missing, damaged, source, wanted) if missing else ""
    return Found(tuple(needs.files), missing, unhelped, weights, told)


class Found(NamedTuple):
    """The files of a model: what it needs, and what of it is there."""

    needed: tuple[str, ...]
    missing: tuple[str, ...]
    unhelped: tuple[str, ...]
    """Missing, and needed by some uses only."""
    weights: tuple[str, ...]
    """Files of weights that are there."""
    told: str
    """What is missing and how to mend it; empty where nothing is."""


def _names(folder: Path) -> Iterator[str]:
    """The regular files of a model: at the top, and in folders of its own but not below those.

    Raises:
        ModelError: Something lies there that would be waited for when it is read.
    """
    for entry in sorted(folder.iterdir()):
        inside = sorted(entry.iterdir()) if _is_folder(entry) else [entry]
        for file in inside:
            if file.is_file():
                yield file.relative_to(folder).as_posix()
            elif file.exists() and not file.is_dir() and file.suffix in (*PLAIN, ".safetensors"):
                raise ModelError(f"{file}: not a regular file (a pipe or a device); remove it")


def _is_folder(path: Path) -> bool:
    # A folder that nobody may read holds nothing that a model could be loaded from.
    return path.is_dir() and os.access(path, os.R_OK | os.X_OK)


@lru_cache(maxsize=4096)
def _fault(file: Path, size: int, _changed: int) -> str:
    """What is wrong with a file of weights by its first bytes and its length."""
    with file.open("rb") as stream:
        start = stream.read(8)
        if start == b"version ":
            return "a pointer of Git LFS, not the weights: run 'git lfs pull' there"
        length = int.from_bytes(start, "little")
        if len(start) < 8 or length > size - 8:
            return "cut short"
        try:
            header = json.loads(stream.read(length))
            ends = [part["data_offsets"][1] for name, part in header.items() if name[:2] != "__"]
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            return "not safetensors"
    return "cut short" if max(ends, default=0) != size - 8 - length else ""


def _damage(file: Path) -> str:
    if not file.is_file():
        return ""
    stat = file.stat()
    return _fault(file, stat.st_size, stat.st_mtime_ns)


def _tell_missing(
    missing: Sequence[str], damaged: Mapping[str, str], source: Source, wanted: Wanted
) -> str:
    """Say what is missing, and the likeliest fix."""
    shown = [f"{name} ({damaged[name]})" if name in damaged else name for name in missing[:4]]
    more = f" and {len(missing) - 4} more" if len(missing) > 4 else ""
    said = f"missing: {', '.join(shown)}{more}"
    if missing[0] in MARKS.get(wanted.what, {}):
        return MARKS[wanted.what][missing[0]]
    folders = {name.rpartition("/")[0] for name in missing if name.endswith(".safetensors")}
    near = sorted(name for name in source.names if name.rpartition("/")[0] in folders)
    pickled = [name for name in near if name.endswith(PICKLES)]
    whole = [name for name in near if name.endswith(".safetensors") and name not in missing]
    others = {SHARD.sub("", name.rpartition("/")[2]).split(".")[1] for name in whole}
    others -= {wanted.variant or "safetensors"}
    others = {"none" if wish == "safetensors" else f'"{wish}"' for wish in others}
    if pickled and folders:
        return (
            f"{said}; there is {pickled[0]}, but weights in that form run code when they are "
            f"opened, and Driftloop does not read them: choose a revision or a model with "
            f"*.safetensors, or load it where you trust it and save it with save_pretrained"
        )
    if others and wanted.what == "pipeline":
        return f"{said}; there are weights of another variant: {', '.join(sorted(others))}"
    if damaged:
        return f"{said}; fetch it again; where the hub's cache keeps it, remove it first"
    return f"{said}; give the folder that save_pretrained wrote, or fetch it again"


def _identity(folder: Path) -> str:
    """Hash a model's files: those of a hub snapshot are named by their own hash already."""
    if folder.parent.name == "snapshots":
        return f"hub:{folder.parent.parent.name}@{folder.name}"
    files = sorted(folder.rglob("*"))
    return hash_files(folder, [f for f in files if f.is_file() and f.suffix in DECIDING])


def hash_files(folder: Path, files: Sequence[Path]) -> str:
    """Name files by their content, and by their names relative to a folder."""
    stats = [file.stat() for file in files]
    return _hash(folder, tuple(files), tuple((stat.st_size, stat.st_mtime_ns) for stat in stats))


@lru_cache
def _hash(folder: Path, files: tuple[Path, ...], _unchanged: tuple[tuple[int, int], ...]) -> str:
    """Hash files once in a process, as a sweep asks for them with each of its settings."""
    hasher = hashlib.blake2b(digest_size=16)
    for file in files:
        hasher.update(file.relative_to(folder).as_posix().encode())
        with file.open("rb") as stream:
            hasher.update(hashlib.file_digest(stream, "sha256").digest())
    return f"files:{hasher.hexdigest()}"


def _on_hub(name: str, revision: str | None, wanted: Wanted) -> Located:
    repository = _asked(name, revision)
    source = _listed(repository)
    needs = needs_of(source, wanted)
    missing = [file for file in needs.files if file not in source.names]
    if missing:
        raise ModelError(f"'{name}' on the hub: {_tell_missing(missing, {}, source, wanted)}")
    size = sum(repository.sizes[file] for file in needs.weights)
    identity = f"hub:models--{name.replace('/', '--')}@{repository.commit}"
    return Located(None, identity, size or None, repository.commit)


def _listed(repository: _hub.Repository) -> Source:
    """A repository on the hub; the small files that name others are fetched as they are read."""
    names = frozenset(repository.sizes)

    def read(name: str) -> Any:
        return _read_any(_hub.fetch(repository, [name]) / name) if name in names else {}

    return Source(names, read)


@lru_cache
def _asked(name: str, revision: str | None) -> _hub.Repository:
    """Ask once in a process, as a sweep asks with each of its settings."""
    return _hub.ask(name, revision)


def _is_snapshot(folder: Path) -> bool:
    return folder.parent.name == "snapshots" and folder.parent.parent.name.startswith("models--")


def _read_any(file: Path) -> Any:
    """The content of a JSON file; an empty one where there is none or it cannot be read."""
    try:
        return json.loads(file.read_text("utf-8")) if file.is_file() else {}
    except (OSError, ValueError):
        return {}


def own_code(path: str, folder: str | Path) -> str:
    """Say that a model comes with Python code of its own, which is not run; empty if not."""
    for name in ("config.json", "tokenizer_config.json", "processor_config.json"):
        if "auto_map" in read_json(folder, name):
            return (
                f"{path}: it comes with Python code of its own (auto_map in its {name}), which "
                f"Driftloop does not run: choose a model that the library knows, or offer it as a "
                f"backend (docs/design.md)"
            )
    return ""


def read_json(folder: str | Path, name: str) -> dict[str, object]:
    """Read one of a model's configuration files; empty where there is none."""
    file = Path(folder) / name
    if not file.is_file():
        return {}
    try:
        data = json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise ModelError(f"{file}: not valid JSON: {error}") from error
    return data if isinstance(data, dict) else {}
