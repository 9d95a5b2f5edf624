"""Where a model's files are, and what they are: paths, hub names, bundled models."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from ..errors import ModelError, UnreachableError
from ._protocols import Located

BUNDLED = "bundled:"
DECIDING = {".json", ".safetensors", ".bin", ".txt", ".jinja", ".model"}
"""Suffixes of the files that decide what a model answers."""


def find_folder(path: str, revision: str | None = None) -> Path | None:
    """Return the folder of a model that is on this machine, or None for a hub name that is not.

    Raises:
        ModelError: A bundled model or a path that does not exist.
    """
    if path.startswith(BUNDLED):
        from ..postcards import bundled_path

        return bundled_path(path.removeprefix(BUNDLED))
    folder = Path(path).expanduser()
    if folder.is_dir():
        return folder.resolve()
    if path.startswith((".", "/", "~")) or path.count("/") != 1:
        from ..postcards import bundled_names

        bundled = ", ".join(BUNDLED + name for name in bundled_names())
        raise ModelError(
            f"no model at '{path}': it is not a folder, and a name on the hub has the form "
            f"owner/name; bundled models are {bundled}"
        )
    return _hub_cache(path, revision)


def _hub_cache(name: str, revision: str | None) -> Path | None:
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError
    except ImportError:
        return None
    try:
        return Path(snapshot_download(name, revision=revision, local_files_only=True))
    except LocalEntryNotFoundError:
        return None
    except HFValidationError as error:
        raise ModelError(f"'{name}' is not a name that the hub could have: {error}") from error


def locate(path: str, revision: str | None = None, variant: str | None = None) -> Located:
    """Find a model and name its weights, asking the hub only when they are not on this machine.

    Raises:
        ModelError: The model does not exist.
        UnreachableError: It is not on this machine, and the hub cannot be asked.
    """
    folder = find_folder(path, revision)
    if folder is None:
        return _on_hub(path, revision, variant)
    weights = [file for file in folder.rglob("*") if file.suffix in {".safetensors", ".bin"}]
    if not weights:
        raise ModelError(
            f"{path}: no weights (*.safetensors or *.bin) in that folder; "
            f"give the folder that save_pretrained wrote"
        )
    sizes = {file.relative_to(folder).as_posix(): file.stat().st_size for file in weights}
    pipeline = (folder / "model_index.json").is_file()
    return Located(str(folder), _identity(folder), loaded_bytes(sizes, variant, pipeline))


def loaded_bytes(sizes: Mapping[str, int], variant: str | None, pipeline: bool) -> int:
    """Bytes of the weights that are loaded, of all that a repository has.

    Args:
        sizes: Bytes of each file of weights, by its path in the repository.
        variant: The variant that is asked for, e.g. ``fp16``.
        pipeline: Whether it is a pipeline of diffusers, whose parts have a folder each; what lies
            beside those are the same weights for other programs.
    """
    folders: dict[str, list[str]] = {}
    for path in sizes:
        folder = path.rpartition("/")[0]
        if folder or not pipeline:
            folders.setdefault(folder, []).append(path)
    total = 0
    for paths in folders.values():
        safe = [path for path in paths if path.endswith(".safetensors")] or paths
        names = {path: path.rpartition("/")[2] for path in safe}
        varied = [path for path in safe if variant and f".{variant}" in names[path]]
        plain = [path for path in safe if names[path].count(".") == 1]
        total += sum(sizes[path] for path in varied or plain or safe)
    return total


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


@lru_cache
def _on_hub(name: str, revision: str | None, variant: str | None) -> Located:
    offline = os.environ.get("HF_HUB_OFFLINE", "").lower() in {"1", "true", "yes", "on"}
    try:
        from huggingface_hub import HfApi
        from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError
    except ImportError:
        raise ModelError(
            f"'{name}' is not on this machine; to fetch models from the hub: "
            f"pip install 'driftloop[all]'"
        ) from None
    if offline:
        raise UnreachableError(
            f"'{name}' is not on this machine and HF_HUB_OFFLINE forbids fetching it"
        )
    try:
        info = HfApi().model_info(name, revision=revision, timeout=20, files_metadata=True)
    except GatedRepoError as error:
        raise ModelError(f"'{name}' is gated: accept its licence on the hub and log in") from error
    except RepositoryNotFoundError as error:
        raise ModelError(f"no model named '{name}' on the hub: check the spelling") from error
    except Exception as error:
        raise UnreachableError(
            f"'{name}' is not on this machine and the hub cannot be asked for it "
            f"({type(error).__name__}); give the path of a folder, or go online"
        ) from error
    files = {file.rfilename: file.size or 0 for file in info.siblings or []}
    sizes = {name: size for name, size in files.items() if name.endswith(".safetensors")}
    size = loaded_bytes(sizes, variant, "model_index.json" in files)
    return Located(None, f"hub:models--{name.replace('/', '--')}@{info.sha}", size or None)


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
