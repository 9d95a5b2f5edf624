"""Runs of panic-tda, as its Parquet export has them: a folder with a file for each of its tables.

``runs.parquet`` has the network, the prompt and the number of each run, ``invocations.parquet`` a
row for each picture and caption, in which pictures are left out. A row -1, where there is one, is
the prompt again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ChainError
from ._folder import Folder
from ._pictures import Pictures
from ._rows import (
    MAX_ROUND,
    Account,
    BadCellError,
    Numbered,
    Place,
    Row,
    clean_name,
    clean_text,
)

RUNS = "runs.parquet"
INVOCATIONS = "invocations.parquet"
NEEDED = {
    RUNS: ("id", "network", "initial_prompt"),
    INVOCATIONS: ("run_id", "sequence_number", "type", "output_text"),
}
WANTED = {
    RUNS: ("run_number", "seed"),
    INVOCATIONS: ("model", "output_image"),
}
BATCH = 1_024
FEW = 64
"""Rows that are in memory together where they have pictures."""
RANDOM = -1
"""The seed of panic-tda that stands for none."""


@dataclass(frozen=True)
class RunFacts:
    """A row of ``runs.parquet``."""

    arm: str
    prompt: str
    twin: str | None
    seed: int | None


class PanicReader:
    """Reads such a folder, a batch of rows at a time.

    Args:
        folder: The source.
        at: The folder in it that has the tables.
        pictures: Reads the pictures, where the export has them.
    """

    numbered: Numbered = "step"

    def __init__(self, folder: Folder, at: Path, pictures: Pictures) -> None:
        self.account = Account()
        self.pictures = pictures
        self.files = [at / RUNS, at / INVOCATIONS]
        self._folder = folder
        self._arms: set[str] = set()

    def describe(self) -> dict[str, object]:
        """The networks."""
        return {"layout": "panic-tda", "arms": sorted(self._arms)}

    def rows(self) -> Iterator[Row]:
        """The rows that can be used, in the order of the file."""
        runs = self._runs()
        self._arms = {facts.arm for facts in runs.values()}
        self.account.pictured.update(self._arms)
        for id, facts in runs.items():
            place = Place(self._folder.name(self.files[0]), None)
            # It is told once for each run, whether or not the export has rows -1.
            yield Row(
                place, 0, text=facts.prompt, arm=facts.arm, trajectory=id, prompt=facts.prompt,
                twin=facts.twin,
            )  # fmt: skip
        for place, cells in _cells(self.files[1], self._folder):
            self._count()
            try:
                yield from self._row(place, cells, runs)
            except BadCellError as reason:
                shown = f"{cells.get('run_id')}, {cells.get('sequence_number')}"
                self.account.reject(place, str(reason), shown)
        if self.account.empty:
            self.account.notes.append(
                f"pictures that the export leaves out: {self.account.empty:,}; their captions "
                f"are here, and what these describe is not known"
            )

    def _row(self, place: Place, cells: dict[str, Any], runs: dict[str, RunFacts]) -> Iterator[Row]:
        facts = runs.get(str(cells.get("run_id")))
        if facts is None:
            raise BadCellError(f"the run is not in {RUNS}")
        number, kind = cells.get("sequence_number"), str(cells.get("type")).lower()
        if not isinstance(number, int) or not -1 <= number < MAX_ROUND:
            raise BadCellError("the sequence number is missing, or out of range")
        if number == -1:
            if cells.get("output_text") != facts.prompt:
                raise BadCellError(f"the text before the first is not the prompt of {RUNS}")
            # The run's row has the same prompt, and gave the start.
            self.account.used += 1
            return
        expected = "text" if number % 2 else "image"
        if kind != expected:
            raise BadCellError(
                f"the network is none of picture and caption by turns, as {kind} number {number}"
            )
        model = clean_name(str(cells.get("model") or ""), "model")
        image, text = None, cells.get("output_text")
        notes: tuple[str, ...] = ()
        if kind == "image":
            text = None
            if cells.get("output_image") is None:
                self.account.empty += 1
                return
            image, notes = self.pictures.from_cell(cells["output_image"])
        elif not isinstance(text, str):
            raise BadCellError("there is no text, as of a run that was not finished")
        yield Row(
            place, number + 1, text=None if text is None else clean_text(text, "text"),
            image=image, arm=facts.arm, trajectory=str(cells["run_id"]), prompt=facts.prompt,
            twin=facts.twin, generator=model, captioner=model, generator_seed=facts.seed,
            captioner_seed=facts.seed, image_notes=notes,
        )  # fmt: skip

    def _count(self) -> None:
        self.account.rows = (self.account.rows or 0) + 1

    def _runs(self) -> dict[str, RunFacts]:
        found: dict[str, RunFacts] = {}
        random = 0
        for place, cells in _cells(self.files[0], self._folder):
            self._count()
            try:
                prompt = cells.get("initial_prompt")
                if not isinstance(prompt, str) or not prompt.strip():
                    raise BadCellError("the run has no prompt")
                id = str(cells["id"])
                if id in found:
                    raise BadCellError("the run comes twice")
                seed, number = cells.get("seed"), cells.get("run_number")
                random += seed == RANDOM
                twin = number if number is not None else seed if seed != RANDOM else None
                found[id] = RunFacts(
                    _network(cells.get("network")), clean_text(prompt, "prompt"),
                    None if twin is None else str(twin), None if seed == RANDOM else seed,
                )  # fmt: skip
            except BadCellError as reason:
                self.account.reject(place, str(reason), str(cells.get("id")))
        if random:
            self.account.notes.append(
                f"runs with the seed -1, which is none in panic-tda: {random:,}; their seeds are "
                f"not known"
            )
        return found


def panic_folder(folder: Folder) -> Path | None:
    """The folder in a source that has the tables of an export, if there is one.

    Raises:
        ChainError: There are several exports.
    """
    files = {*folder.files}
    found = [
        file.parent for file in folder.files
        if file.name == RUNS and file.with_name(INVOCATIONS) in files
    ]  # fmt: skip
    if len(found) > 1:
        raise ChainError(
            f"{folder.root}: more than one export of panic-tda, such as {found[0]} and {found[1]}; "
            f"import each into a run of its own"
        )
    return found[0] if found else None


def _network(cell: Any) -> str:
    """A name for a network: its models in their order."""
    if isinstance(cell, str):
        try:
            cell = json.loads(cell)
        except ValueError:
            cell = [cell]
    if not isinstance(cell, list) or not cell or not all(isinstance(one, str) for one in cell):
        raise BadCellError("the run's network is no list of models")
    name = clean_name(" + ".join(cell), "network")
    if name is None:
        raise BadCellError("the run's network is no list of models")
    return name


def _cells(file: Path, folder: Folder) -> Iterator[tuple[Place, dict[str, Any]]]:
    """The rows of a Parquet file, the columns that are wanted only."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file, thrift_string_size_limit=100_000_000) as table:
            names = table.schema_arrow.names
            missing = [name for name in NEEDED[file.name] if name not in names]
            if missing:
                raise ChainError(
                    f"{file}: no column '{missing[0]}', which an export of panic-tda has. It has: "
                    f"{', '.join(names)}"
                )
            columns = [name for name in (*NEEDED[file.name], *WANTED[file.name]) if name in names]
            size = FEW if "output_image" in columns else BATCH
            number = 0
            for batch in table.iter_batches(size, columns=columns):
                for cells in batch.to_pylist():
                    number += 1
                    yield Place(folder.name(file), number), cells
    except pa.ArrowException as error:
        raise ChainError(f"{file}: damaged, or no Parquet file: {error}") from error
    except OSError as error:
        raise ChainError(f"{file}: cannot be read: {error}") from error
