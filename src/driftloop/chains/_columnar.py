"""Tables as Parquet, read a few rows at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ChainError
from ._rows import BadCellError, Place
from ._sheet import Damage, Record, Whole

if TYPE_CHECKING:
    import pyarrow as pa

MAX_UNPACKED = 2_000_000_000
"""Bytes of one column in one row group, as the footer has them."""
FEW_ROWS = 64
"""Rows that are in memory together, pictures included."""
FOOTER_TEXT = 100_000_000


class Columnar:
    """One Parquet file.

    Args:
        file: The file.
        name: What it is called in the source.

    Raises:
        ChainError: It is damaged, or too large to be unpacked.
    """

    def __init__(self, file: Path, name: str) -> None:
        self.file = file
        self.name = name
        self.commas = False
        self.mended: dict[str, int] = {}
        self.note = "" if file.suffix.lower() == ".parquet" else "as Parquet"
        self.names = self._check()

    def records(self, columns: Collection[str], whole: Whole) -> Iterator[Record | Damage]:
        """Every row, with the columns that are needed."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        number = 0
        try:
            with pq.ParquetFile(self.file, thrift_string_size_limit=FOOTER_TEXT) as table:
                for batch in table.iter_batches(FEW_ROWS, columns=sorted(columns)):
                    for row in _rows(batch):
                        number += 1
                        yield Record(Place(self.name, number), row)
        except (pa.ArrowException, OSError) as error:
            raise self._error(error) from error

    def _check(self) -> list[str]:
        """The names of the columns, once it is known that none is too large."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(self.file, thrift_string_size_limit=FOOTER_TEXT) as table:
                footer = table.metadata
                for group in range(footer.num_row_groups):
                    part = footer.row_group(group)
                    sizes = [
                        part.column(at).total_uncompressed_size for at in range(part.num_columns)
                    ]
                    if max(sizes, default=0) > MAX_UNPACKED:
                        raise ChainError(
                            f"{self.file}: a row group unpacks to {max(sizes):,} bytes; write it "
                            f"with smaller row groups"
                        )
                return list(table.schema_arrow.names)
        except UnicodeDecodeError as error:
            raise ChainError(f"{self.file}: a column's name is not UTF-8; rename it") from error
        except (pa.ArrowException, OSError) as error:
            raise self._error(error) from error

    def _error(self, error: Exception) -> ChainError:
        if isinstance(error, OSError) and error.strerror:
            return ChainError(f"{self.file}: cannot be read: {error.strerror}")
        return ChainError(f"{self.file}: damaged, or no Parquet file: {error}")


def _rows(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    """Rows as Python has them; what has no such form is there as the reason."""
    try:
        yield from batch.to_pylist()
    except (ValueError, OverflowError, TypeError, ArithmeticError):
        # A text that is not UTF-8, a date that Python's calendar lacks: one cell, not the table.
        for at in range(batch.num_rows):
            names = zip(batch.schema.names, batch.columns, strict=True)
            yield {name: _cell(name, column, at) for name, column in names}


def _cell(name: str, column: pa.Array, at: int) -> Any:
    try:
        return column[at].as_py()
    except UnicodeDecodeError:
        return BadCellError(f"a cell of '{name}' is not UTF-8")
    except (ValueError, OverflowError, TypeError, ArithmeticError) as error:
        return BadCellError(f"a cell of '{name}' cannot be read: {error}")
