"""A run as a folder of Parquet shards: goes on after a kill, and never into another export."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from ..errors import ChainError, StoreError
from ..files import alone, exported, not_left_empty, written_whole
from ._parquet import Exported, write_rows
from ._progress import Advance
from ._wide import WideRows

SHARD_BYTES = 400_000_000
"""Of one file; what hubs and viewers handle well."""
MANIFEST = ".driftloop-export.json"
LOCK = ".driftloop-export.lock"


class Part(BaseModel):
    """A shard that is complete."""

    rows: int
    bytes: int
    digest: str
    """Of its rows: a run that was played on has others."""


class Manifest(BaseModel):
    """What of an export is in its folder. A part's name says of how many only in the end."""

    format: int = 1
    parts: list[Part] = []
    whole: bool = False
    """Whether these are all parts."""

    def final(self, folder: Path, number: int) -> Path:
        """The name of a shard as the Hugging Face hub has it."""
        return folder / f"train-{number:05}-of-{len(self.parts):05}.parquet"

    def standing(self, folder: Path, number: int) -> Path | None:
        """Where a part is; None where it is gone, or is not what was written."""
        places = [hidden(folder, number), *([self.final(folder, number)] if self.whole else [])]
        for place in places:
            if place.is_file() and place.stat().st_size == self.parts[number].bytes:
                return place
        return None


def hidden(folder: Path, number: int) -> Path:
    """The name of a part until all are there; nobody reads a hidden file as a shard."""
    return folder / f".train-{number:05}.parquet"


def write_shards(
    rows: WideRows, target: Path, advance: Advance, *, shard_bytes: int = SHARD_BYTES
) -> list[Path]:
    """Write the rows of a run as shards. An export that was broken off goes on.

    Args:
        rows: What to write.
        target: A folder: a new one, an empty one, or one of the same export that was broken off.
        advance: Told of trajectories as they are begun.
        shard_bytes: Bytes after which a shard ends.

    Returns:
        The files.

    Raises:
        ChainError: The folder holds something else, or another process exports into it.
        StoreError: A picture cannot be read, or a file cannot be written.
    """
    folder = target / "data"
    try:
        with not_left_empty(folder):
            _refuse_others(target)
            folder.mkdir(parents=True, exist_ok=True)
            with _alone(target):
                return _write(rows, target, folder, advance, shard_bytes)
    except OSError as error:
        kept = "; the shards that are complete are kept, and the same command goes on"
        rest = kept if (target / MANIFEST).is_file() else ""
        raise StoreError(f"{target}: cannot be written: {error}{rest}") from error


def _write(
    rows: WideRows, target: Path, folder: Path, advance: Advance, shard_bytes: int
) -> list[Path]:
    file = target / MANIFEST
    manifest = _read(file)
    _refuse_foreign(folder, manifest, target)
    left = Exported(rows, advance)
    manifest = _complete(manifest, left, target, folder, file)
    if not manifest.whole:
        _save(manifest, file)
        try:
            while left.more or not manifest.parts:
                left.begin_part()
                part = hidden(folder, len(manifest.parts))
                with exported(part) as stream:
                    write_rows(left, stream, shard_bytes)
                size = part.stat().st_size
                manifest.parts.append(Part(rows=left.count, bytes=size, digest=left.digest()))
                _save(manifest, file)
        except BaseException:
            if not manifest.parts:
                file.unlink(missing_ok=True)
            raise
        manifest.whole = True
        _save(manifest, file)
    files = [manifest.final(folder, number) for number in range(len(manifest.parts))]
    for number, name in enumerate(files):
        if hidden(folder, number).exists():
            hidden(folder, number).replace(name)
    return files


def _complete(
    manifest: Manifest, left: Exported, target: Path, folder: Path, file: Path
) -> Manifest:
    """The manifest with the parts that need not be written again; their rows are passed over.

    Raises:
        ChainError: They are not of these rows.
    """
    kept = 0
    whole = manifest.whole
    for number, part in enumerate(manifest.parts):
        if manifest.standing(folder, number) is None:
            break
        left.begin_part()
        for _ in left:
            if left.count == part.rows:
                break
        if (left.count, left.digest()) != (part.rows, part.digest):
            raise _another(target)
        kept += 1
    if kept == len(manifest.parts) and (not whole or not left.more):
        return manifest
    if kept == len(manifest.parts):
        raise _another(target)
    # A shard is gone or damaged: that one and those after it are written again.
    for number in range(len(manifest.parts)):
        if whole and manifest.final(folder, number).exists():
            manifest.final(folder, number).replace(hidden(folder, number))
    fewer = Manifest(parts=manifest.parts[:kept])
    _save(fewer, file)
    for number in range(kept, len(manifest.parts)):
        hidden(folder, number).unlink(missing_ok=True)
    return fewer


def _refuse_others(target: Path) -> None:
    """Refuse a folder that holds something, and no export of ours that could be gone on with."""
    if not target.is_dir() or (target / MANIFEST).is_file():
        return
    for path in target.iterdir():
        empty = path.name == "data" and path.is_dir() and not any(path.iterdir())
        if path.name != LOCK and not empty:
            raise ChainError(
                f"{target}: the folder is not empty, and shards of two exports would be read as "
                f"one; choose another folder, or delete that one"
            )


def _refuse_foreign(folder: Path, manifest: Manifest, target: Path) -> None:
    """Refuse shards in the folder that are no part of the export."""
    count = len(manifest.parts)
    ours = {manifest.final(folder, number).name for number in range(count if manifest.whole else 0)}
    for path in folder.iterdir():
        if path.name not in ours and not path.name.startswith("."):
            raise ChainError(
                f"{target}: {path.name} is not of this export, and would be read as a part of it; "
                f"choose another folder, or move that file"
            )


def _another(target: Path) -> ChainError:
    return ChainError(
        f"{target}: the folder holds another export, of other trajectories or of the run as it was "
        f"before it was played on; choose another folder, or delete that one"
    )


def _read(file: Path) -> Manifest:
    if not file.is_file():
        return Manifest()
    try:
        manifest = Manifest.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise ChainError(
            f"{file}: damaged, so nobody knows what of the export is there; choose another folder, "
            f"or delete that one"
        ) from error
    if manifest.format != Manifest().format:
        raise ChainError(f"{file}: written by a newer Driftloop; choose another folder")
    return manifest


def _save(manifest: Manifest, file: Path) -> None:
    data: dict[str, Any] = manifest.model_dump()
    with written_whole(file, sync=True) as stream:
        stream.write(json.dumps(data, indent=1).encode())


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Keep others from exporting into a folder."""
    lock = alone(target / LOCK)
    if lock is None:
        raise ChainError(
            f"{target}: another process is exporting into it; wait for it, or choose another folder"
        )
    try:
        yield
    finally:
        # While it is held, so that nobody else can have it by then.
        with suppress(OSError):
            (target / LOCK).unlink()
        lock.release()
