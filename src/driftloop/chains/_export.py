"""Runs for others to read: a table with its pictures, or a film."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from ..errors import ChainError, nearest
from ..steps import Trajectory
from ..store import Run, open_run
from ._film import write_film
from ._parquet import write_parquet
from ._progress import progress_bar
from ._shards import SHARD_BYTES, write_shards
from ._wide import WideRows

FILMS = (".gif", ".mp4")
RATE = 3.0


def export_run(
    run: Run | str | PathLike[str],
    target: str | PathLike[str],
    *,
    trajectories: Sequence[str] = (),
    rate: float = RATE,
    shard_bytes: int = SHARD_BYTES,
    progress: bool | None = None,
) -> list[Path]:
    """Write a run as Parquet with its pictures, or as a film.

    Args:
        run: A run, or its folder.
        target: A ``.parquet`` file; a ``.gif`` or ``.mp4`` file; or a folder, for a table in shards
            that ``datasets.load_dataset`` opens.
        trajectories: Names, or parts of them, such as ``autonomous/ship/0``, ``ship/0`` or
            ``ship``; by default all. A film of one shows its captions, one of several is a mosaic.
        rate: Rounds a second of a film.
        shard_bytes: Bytes after which a shard of the table ends.
        progress: Show a progress bar on the error stream; by default only on a terminal.

    Returns:
        The files.

    Raises:
        ChainError: It cannot be exported as asked; the message says what to mend.
        StoreError: The run cannot be read, or a file cannot be written.
    """
    if not isinstance(run, Run):
        with open_run(run) as opened:
            return export_run(
                opened, target, trajectories=trajectories, rate=rate, shard_bytes=shard_bytes,
                progress=progress,
            )  # fmt: skip
    target = Path(target)
    kind = target.suffix.lower()
    if kind not in (*FILMS, ".parquet", "") and not target.is_dir():
        raise ChainError(
            f"{target}: a run is written as .parquet, {' or '.join(FILMS)}, or into a folder"
        )
    if kind in FILMS and not 0.1 <= rate <= 50:
        raise ChainError(f"--rate {rate:g}: between 0.1 and 50 rounds a second")
    names = select(run, trajectories)
    with progress_bar(progress) as advance:
        if kind in FILMS:
            return [write_film(run, names, target, advance, rate=rate)]
        if kind == ".parquet":
            return [write_parquet(WideRows(names, run), target, advance)]
        return write_shards(WideRows(names, run), target, advance, shard_bytes=shard_bytes)


def select(run: Run, words: Sequence[str]) -> list[Trajectory]:
    """Trajectories by name, or by the beginning or end of it.

    Raises:
        ChainError: A word names none.
    """
    everything = run.trajectories()
    if not words:
        return everything
    by_name = {f"/{name.arm}/{name.prompt}/{name.twin}/": name for name in everything}
    chosen: dict[Trajectory, None] = {}
    for word in words:
        wanted = f"/{word.strip('/')}/"
        found = [by_name[wanted]] if wanted in by_name else []
        found = found or [name for full, name in by_name.items() if wanted in full]
        if not found:
            parts = {part for name in everything for part in (name.arm, name.prompt)}
            parts |= {full.strip("/") for full in list(by_name)[:10_000]}
            raise ChainError(
                f"{run.folder} has no trajectory '{word}'.{nearest(word, parts)} A name is "
                f"ARM/PROMPT/TWIN or a part of it, such as '{next(iter(by_name), '').strip('/')}'"
            )
        chosen.update(dict.fromkeys(found))
    return list(chosen)
