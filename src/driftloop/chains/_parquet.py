"""A run as Parquet that the ``datasets`` library opens with its pictures."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ChainError, StoreError
from ..store import Run, readings_type
from ._progress import Advance
from ._wide import COLUMNS, WideRows

if TYPE_CHECKING:
    import pyarrow as pa

SHARD_BYTES = 400_000_000
"""Of one file; what hubs and viewers handle well."""
GROUP_BYTES = 16_000_000
"""Pictures that are in memory together: a row group is written when they come to this."""
GROUP_ROWS = 1_000


def write_parquet(
    rows: WideRows, target: Path, advance: Advance, *, shard_bytes: int = SHARD_BYTES
) -> list[Path]:
    """Write the rows of a run, as one file or as shards.

    Args:
        rows: What to write.
        target: A ``.parquet`` file, or a folder for shards named as the Hugging Face hub has them.
        advance: Told of trajectories as they are done.
        shard_bytes: Bytes after which a shard ends.

    Returns:
        The files.

    Raises:
        ChainError: The folder is not empty.
        StoreError: A picture cannot be read, or a file cannot be written.
    """
    single = target.suffix.lower() == ".parquet"
    folder = target.parent if single else target / "data"
    if not single and target.is_dir() and any(target.iterdir()):
        raise ChainError(
            f"{target}: the folder is not empty, and shards of two exports would be read as one; "
            f"choose another folder, or delete that one"
        )
    parts: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        parts = _write_parts(rows, folder, target.stem, advance, None if single else shard_bytes)
        if single:
            files = [target]
        else:
            count = len(parts)
            files = [folder / f"train-{n:05}-of-{count:05}.parquet" for n in range(count)]
        for part, file in zip(parts, files, strict=True):
            part.replace(file)
    except OSError as error:
        raise StoreError(f"{target}: cannot be written: {error}") from error
    finally:
        for part in folder.glob(f".{target.stem}-*.part"):
            with suppress(OSError):
                part.unlink()
    return files


def _write_parts(
    rows: WideRows, folder: Path, stem: str, advance: Advance, shard_bytes: int | None
) -> list[Path]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _schema()
    parts: list[Path] = []
    writer: Any = None
    buffer: list[dict[str, Any]] = []
    held = 0
    last = None

    def flush() -> None:
        nonlocal writer, held
        if writer is None:
            parts.append(folder / f".{stem}-{len(parts):05}.part")
            # Pictures are compressed already.
            writer = pq.ParquetWriter(parts[-1], schema, compression="snappy")
        writer.write_table(pa.Table.from_pylist(buffer, schema=schema))
        buffer.clear()
        held = 0
        if shard_bytes is not None and parts[-1].stat().st_size >= shard_bytes:
            writer.close()
            writer = None

    try:
        for row in rows:
            for name, kind in COLUMNS.items():
                if kind == "image" and row[name] is not None:
                    row[name] = _picture(rows.run, row[name])
                    held += len(row[name]["bytes"])
            buffer.append(row)
            if held >= GROUP_BYTES or len(buffer) >= GROUP_ROWS:
                flush()
            trajectory = (row["arm"], row["prompt_id"], row["twin"])
            if trajectory != last:
                last = trajectory
                advance("trajectories exported", 1, len(rows.trajectories))
        if buffer or not parts:
            flush()
    finally:
        if writer is not None:
            writer.close()
    return parts


def _schema() -> pa.Schema:
    import pyarrow as pa

    kinds = {
        "string": pa.string(),
        "int64": pa.int64(),
        "float64": pa.float64(),
        "list": pa.list_(pa.string()),
        "readings": readings_type(),
        "image": pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
    }
    # What is not named here the library reads from the columns' own types.
    pictures = {name: {"_type": "Image"} for name, kind in COLUMNS.items() if kind == "image"}
    return pa.schema([(name, kinds[kind]) for name, kind in COLUMNS.items()]).with_metadata(
        {"huggingface": json.dumps({"info": {"features": pictures}})}
    )


def _picture(run: Run, digest: str) -> dict[str, Any]:
    return {"bytes": run.images.file(digest), "path": f"{digest}.png"}
