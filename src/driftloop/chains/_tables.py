"""Chains in a table: CSV, JSON lines or Parquet, one row a round (or a step)."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from ..errors import ChainError
from ._columns import match_columns
from ._encoded import open_text
from ._pictures import Pictures
from ._rows import (
    MAX_ROUND,
    MAX_TEXT,
    Account,
    BadCellError,
    Numbered,
    Place,
    Row,
    clean_name,
    clean_text,
    whole_number,
)

KINDS = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
MAX_FILE = 64_000_000_000
MAX_LINE = 4 * MAX_TEXT
MAX_UNPACKED = 2_000_000_000
"""Bytes of one column in one row group of a Parquet file, as its footer has them."""
FEW_ROWS = 64
"""Rows of a Parquet file that are in memory together, pictures included."""
TEXTS = ("text", "prompt", "failure")
KEY_LINES = 1_000
MAX_KEYS = 1_000
NAMES = ("arm", "trajectory", "prompt_id", "twin", "generator", "captioner", "editor", "model")
SEEDS = ("generator_seed", "captioner_seed", "editor_seed")

Cells = Mapping[str, Any]


class TableReader:
    """Reads a table, or the shards of one.

    Args:
        files: Tables with the same columns.
        pictures: Reads what the table names.
        columns: Column names by meaning, where they cannot be guessed.
        numbered: What the round column counts.
        encoding: Of CSV and JSON lines.
    """

    def __init__(
        self, files: list[Path], pictures: Pictures, *, columns: Mapping[str, str],
        numbered: Numbered, encoding: str,
    ) -> None:  # fmt: skip
        self.files = files
        self.numbered = numbered
        self.account = Account()
        self.pictures = pictures
        self._chosen = columns
        self._encoding = encoding
        self._columns: dict[str, str] = {}

    def describe(self) -> dict[str, object]:
        """Which columns were taken for what."""
        return {"columns": self._columns}

    def rows(self) -> Iterator[Row]:
        """The rows that can be used."""
        for file in self.files:
            if file.stat().st_size > MAX_FILE:
                raise ChainError(f"{file}: more than {MAX_FILE:,} bytes; split it")
            self._columns = {}
            for place, cells in self._raw(file):
                row = self._row(place, cells)
                if row is not None:
                    yield row

    def _raw(self, file: Path) -> Iterator[tuple[Place, Cells]]:
        kind = KINDS[file.suffix.lower()]
        if kind == "parquet":
            yield from self._parquet(file)
            return
        with open_text(file, self._encoding, newline="" if "sv" in kind else None) as stream:
            if kind == "jsonl":
                yield from self._jsonl(file, stream)
            else:
                yield from self._csv(file, stream, "\t" if kind == "tsv" else ",")

    def _csv(self, file: Path, stream: IO[str], delimiter: str) -> Iterator[tuple[Place, Cells]]:
        csv.field_size_limit(MAX_LINE)
        table = csv.reader(stream, delimiter=delimiter, strict=True)
        header: list[str] | None = None
        line = 0
        while True:
            start = line + 1
            try:
                cells = next(table)
            except StopIteration:
                break
            except csv.Error as error:
                line = table.line_num
                self.account.reject(Place(file.name, start), f"the line is no CSV: {error}")
                continue
            line = table.line_num
            if not cells:
                continue
            if header is None:
                header = [cells[0].lstrip("\ufeff"), *cells[1:]]
                self._match(header, file)
            elif len(cells) != len(header):
                self.account.reject(
                    Place(file.name, start),
                    f"the line has another number of cells: {len(cells)} of {len(header)}",
                    delimiter.join(cells),
                )
            else:
                # A CSV file cannot tell an empty text from none.
                present = zip(header, cells, strict=True)
                yield Place(file.name, start), {name: cell for name, cell in present if cell != ""}
        if header is None:
            raise ChainError(f"{file}: empty; a table begins with a line of column names")

    def _jsonl(self, file: Path, stream: IO[str]) -> Iterator[tuple[Place, Cells]]:
        self._match(_keys(stream), file)
        stream.seek(0)
        number = 0
        while line := stream.readline(MAX_LINE):
            number += 1
            place = Place(file.name, number)
            if len(line) == MAX_LINE and not line.endswith("\n"):
                while (rest := stream.readline(MAX_LINE)) and not rest.endswith("\n"):
                    pass
                self.account.reject(place, f"the line has more than {MAX_LINE:,} characters", line)
                continue
            if not line.strip():
                continue
            try:
                cells = json.loads(line.lstrip("\ufeff"))
            except (ValueError, RecursionError) as error:
                self.account.reject(place, f"the line is no JSON: {error}", line)
                continue
            if not isinstance(cells, dict):
                self.account.reject(place, "the line is no JSON object", line)
                continue
            yield place, {name: cell for name, cell in cells.items() if cell is not None}

    def _parquet(self, file: Path) -> Iterator[tuple[Place, Cells]]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(file, thrift_string_size_limit=100_000_000) as table:
                self._match(table.schema_arrow.names, file)
                footer = table.metadata
                for group in range(footer.num_row_groups):
                    part = footer.row_group(group)
                    sizes = [
                        part.column(at).total_uncompressed_size for at in range(part.num_columns)
                    ]
                    if max(sizes, default=0) > MAX_UNPACKED:
                        raise ChainError(
                            f"{file}: a row group unpacks to {max(sizes):,} bytes; write it with "
                            f"smaller row groups"
                        )
                wanted = sorted(set(self._columns.values()))
                number = 0
                for batch in table.iter_batches(FEW_ROWS, columns=wanted):
                    for cells in batch.to_pylist():
                        number += 1
                        present = {name: cell for name, cell in cells.items() if cell is not None}
                        yield Place(file.name, number), present
        except pa.ArrowException as error:
            raise ChainError(f"{file}: damaged, or no Parquet file: {error}") from error
        except OSError as error:
            raise ChainError(f"{file}: cannot be read: {error}") from error

    def _match(self, names: list[str], file: Path) -> None:
        self._columns, unused = match_columns(names, self._chosen, str(file))
        if unused and file == self.files[0]:
            self.account.notes.append(f"columns that were not used: {', '.join(unused)[:400]}")

    def _row(self, place: Place, cells: Cells) -> Row | None:
        found = {m: cells[name] for m, name in self._columns.items() if name in cells}
        shown = ", ".join(f"{m}={str(cell)[:60]}" for m, cell in found.items() if m != "image")
        try:
            if "round" not in found:
                raise BadCellError("the round is missing")
            number = whole_number(_scalar(found["round"], "round"), "round")
            if not 0 <= number <= MAX_ROUND:
                raise BadCellError(f"the round is out of range: {number} of 0 to {MAX_ROUND:,}")
            texts = {m: clean_text(_scalar(found[m], m), m) for m in TEXTS if m in found}
            names = {m: clean_name(_scalar(found[m], m), m) for m in NAMES if m in found}
            seeds = {m: _seed(found[m], m) for m in SEEDS if m in found}
        except BadCellError as reason:
            self.account.reject(place, str(reason), shown)
            return None
        image, notes = self._picture(place, found.get("image"), shown)
        prompt_image, prompt_notes = self._picture(place, found.get("prompt_image"), shown)
        pictured = "image" in found
        if pictured:
            self.account.pictured.add(names.get("arm"))
        if image is None and not texts.keys() & {"text", "failure"}:
            # A picture that cannot be read is told already, and the row has nothing else.
            if pictured:
                return None
            if number > 0 or not ("prompt" in texts or prompt_image):
                self.account.reject(place, "there is neither a text nor a picture", shown)
                return None
        both = names.get("model")
        return Row(
            place, number, texts.get("text"), image, texts.get("failure"),
            arm=names.get("arm"), trajectory=names.get("trajectory"),
            prompt_id=names.get("prompt_id"), prompt=texts.get("prompt"),
            prompt_image=prompt_image, twin=names.get("twin"),
            generator=names.get("generator") or both, captioner=names.get("captioner") or both,
            generator_seed=seeds.get("generator_seed"), captioner_seed=seeds.get("captioner_seed"),
            editor=names.get("editor"), editor_seed=seeds.get("editor_seed"),
            image_notes=notes, prompt_notes=prompt_notes,
        )  # fmt: skip

    def _picture(self, place: Place, cell: Any, shown: str) -> tuple[str | None, tuple[str, ...]]:
        if cell is None:
            return None, ()
        try:
            if isinstance(cell, Mapping):
                # As the datasets library has it: the file itself, or where it is.
                cell = cell.get("bytes") or cell.get("path")
            if isinstance(cell, bytes):
                return self.pictures.from_bytes(cell)
            if isinstance(cell, str) and cell.strip():
                return self.pictures.from_path(cell.strip())
            raise BadCellError("the picture is neither a path nor the bytes of a file")
        except BadCellError as reason:
            self.account.reject(place, str(reason), shown, "picture")
            return None, ()


def table_files(source: Path) -> list[Path]:
    """The table, or the Parquet shards in a folder and its ``data`` folder."""
    if source.is_file():
        return [source] if source.suffix.lower() in KINDS else []
    folders: Iterable[Path] = (source, source / "data")
    return next((found for f in folders if (found := sorted(f.glob("*.parquet")))), [])


def _keys(stream: IO[str]) -> list[str]:
    """What the objects of the first lines have: not every one needs to have everything."""
    keys: dict[str, None] = {}
    for _ in range(KEY_LINES):
        try:
            cells = json.loads(stream.readline(MAX_LINE).lstrip("\ufeff"))
        except (ValueError, RecursionError):
            continue
        if isinstance(cells, dict):
            keys.update(dict.fromkeys(list(cells)[:MAX_KEYS]))
    return list(keys)[:MAX_KEYS]


def _scalar(cell: Any, what: str) -> str:
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        raise BadCellError(f"the {what} is neither a text nor a number: {type(cell).__name__}")
    return str(cell)


def _seed(cell: Any, what: str) -> int:
    seed = whole_number(_scalar(cell, what), what)
    if not -(2**63) <= seed < 2**63:
        raise BadCellError(f"the {what} does not fit 64 bits: {seed}")
    return seed
