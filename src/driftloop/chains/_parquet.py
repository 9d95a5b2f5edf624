"""A run as Parquet that the ``datasets`` library opens with its pictures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ..errors import StoreError
from ..files import exported
from ..store import Run, readings_type
from ._progress import Advance
from ._wide import COLUMNS, WideRows

if TYPE_CHECKING:
    import pyarrow as pa

GROUP_BYTES = 16_000_000
"""Pictures that are in memory together: a row group is written when they come to this."""
GROUP_ROWS = 1_000


class Exported:
    """The rows of a run, one after the other, and what was said in them so far.

    Args:
        rows: The rows.
        advance: Told of trajectories as they are begun.
    """

    def __init__(self, rows: WideRows, advance: Advance) -> None:
        self.run = rows.run
        self.count = 0
        """How many have been taken since the part began."""
        self._rows = iter(rows)
        self._next = next(self._rows, None)
        self._advance = advance
        self._trajectories = len(rows.trajectories)
        self._last: tuple[str, str, int] | None = None
        self.begin_part()

    @property
    def more(self) -> bool:
        """Whether there is another row."""
        return self._next is not None

    def begin_part(self) -> None:
        """Count, and digest, from here on."""
        self.count = 0
        self._hasher = hashlib.sha256(json.dumps(COLUMNS).encode())

    def digest(self) -> str:
        """The hash of the part's rows; their pictures are in them by digest."""
        return self._hasher.hexdigest()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The rows that are left."""
        while (row := self._next) is not None:
            self._hasher.update(json.dumps(row).encode() + b"\n")
            self.count += 1
            trajectory = row["arm"], row["prompt_id"], row["twin"]
            if trajectory != self._last:
                self._last = trajectory
                self._advance("trajectories exported", 1, self._trajectories)
            self._next = next(self._rows, None)
            yield row


def write_parquet(rows: WideRows, target: Path, advance: Advance) -> Path:
    """Write the rows of a run as one file.

    Args:
        rows: What to write.
        target: A ``.parquet`` file.
        advance: Told of trajectories as they are begun.

    Raises:
        StoreError: A picture cannot be read, or the file cannot be written.
    """
    try:
        with exported(target) as stream:
            write_rows(Exported(rows, advance), stream)
    except OSError as error:
        raise StoreError(f"{target}: cannot be written: {error}") from error
    return target


def write_rows(rows: Exported, stream: IO[bytes], most: int | None = None) -> None:
    """Write rows as a Parquet file.

    Args:
        rows: What to write: all that are left, or fewer.
        stream: The file.
        most: Bytes after which it ends.

    Raises:
        OSError: It cannot be written.
        StoreError: A picture cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _schema()
    buffer: list[dict[str, Any]] = []
    held = 0
    # Pictures are compressed already.
    with pq.ParquetWriter(stream, schema, compression="snappy") as writer:
        for row in rows:
            for name, kind in COLUMNS.items():
                if kind == "image" and row[name] is not None:
                    row[name] = _picture(rows.run, row[name])
                    held += len(row[name]["bytes"])
            buffer.append(row)
            if held >= GROUP_BYTES or len(buffer) >= GROUP_ROWS:
                writer.write_table(pa.Table.from_pylist(buffer, schema=schema))
                buffer.clear()
                held = 0
                if most is not None and stream.tell() >= most:
                    return
        if buffer:
            writer.write_table(pa.Table.from_pylist(buffer, schema=schema))


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
