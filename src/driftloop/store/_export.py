"""A run as one documented wide table."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ..cells import write_csv
from ..errors import StoreError
from ..files import exported
from ..steps import Trajectory

if TYPE_CHECKING:
    import pyarrow as pa

    from ._run import Run

CHUNK = 256
"""Rows that are written at once: their pictures are in memory together."""


def export_steps(
    run: Run,
    path: Path,
    *,
    trajectories: Iterable[Trajectory] | None = None,
    pictures: bool = True,
) -> Path:
    """Write every step of a run as a table, the columns of :meth:`Run.steps`.

    A Parquet file holds the pictures too, as a column ``picture`` in the form that the ``datasets``
    library and its viewer open as images; a CSV file names them by digest only, and has an
    apostrophe before texts that a spreadsheet might take for a formula.

    Args:
        run: The run.
        path: A ``.parquet`` or ``.csv`` file to write.
        trajectories: Only their steps.
        pictures: Put the pictures into a Parquet file.

    Returns:
        The file.

    Raises:
        StoreError: Its name has another ending, it cannot be written, or a picture is missing or
            damaged.
    """
    kind = path.suffix.lower()
    if kind not in (".parquet", ".csv"):
        raise StoreError(f"{path}: a table is written as .parquet or .csv")
    table = run.steps(trajectories)
    try:
        with exported(path) as stream:
            if kind == ".parquet":
                _write_parquet(run, table, stream, pictures)
            else:
                _write_csv(table, stream)
    except OSError as error:
        raise StoreError(f"{path}: the table cannot be written there: {error}") from error
    return path


def _write_parquet(run: Run, table: pa.Table, stream: IO[bytes], pictures: bool) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    # Labels as plain strings: not every reader of Parquet knows dictionaries with these keys.
    plain = [
        field.type.value_type if _is_label(field.type) else field.type for field in table.schema
    ]
    table = pa.table(
        [column.cast(kind) for column, kind in zip(table.columns, plain, strict=True)],
        names=table.column_names,
    )
    schema = table.schema
    if pictures:
        image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        features = {"info": {"features": {"picture": {"_type": "Image"}}}}
        schema = schema.append(pa.field("picture", image)).with_metadata(
            {"huggingface": json.dumps(features)}
        )
    with pq.ParquetWriter(stream, schema) as writer:
        for first in range(0, len(table), CHUNK):
            rows = table.slice(first, CHUNK)
            if pictures:
                cells = [_cell(run, digest) for digest in rows["image"].to_pylist()]
                rows = rows.append_column("picture", pa.array(cells, schema.field("picture").type))
                rows = rows.cast(schema)
            writer.write_table(rows)


def _cell(run: Run, digest: str | None) -> dict[str, bytes | str] | None:
    return {"bytes": run.images.file(digest), "path": f"{digest}.png"} if digest else None


def _write_csv(table: pa.Table, stream: IO[bytes]) -> None:
    rows = (
        {
            **row,
            "flags": " ".join(row["flags"]),
            "readings": json.dumps(row["readings"], ensure_ascii=False),
        }.values()
        for row in table.to_pylist()
    )
    write_csv(stream, table.column_names, rows)


def _is_label(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_dictionary(kind))
