"""Chains in a table, whatever kind of file it is: one row a round, or a step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..cells import restored
from ..errors import ChainError, listed
from ._apart import find_apart, shown, worth_looking
from ._cells import NOTHING, failure_of, is_missing, name_of, seed_of, text_of, whole_number
from ._columnar import Columnar
from ._columns import APART, KNOWN, SYNONYMS, extend_columns, match_columns, plain_name
from ._delimited import Delimited
from ._documents import Documents
from ._encoded import check_file, detect_encoding
from ._kinds import kind_of, sort_contents
from ._pictures import Pictures
from ._rows import MAX_ROUND, Account, BadCellError, Numbered, Place, Row
from ._sheet import Cells, Damage, Record, Sheet

KINDS = (".csv", ".tsv", ".tab", ".jsonl", ".ndjson", ".json", ".parquet")
STEPS = ("step", "turn", "t", "seq", "sequence_number", "step_number", "step_num")
"""What a column may be called that counts texts and pictures alike."""
MAX_FILE = 64_000_000_000
MAX_KEYS = 1_000
NAMES = ("arm", "trajectory", "prompt_id", "twin", "generator", "captioner", "editor", "model")
SEEDS = ("generator_seed", "captioner_seed", "editor_seed")
WORDS_ARE_NAMES = ("arm", "trajectory", "prompt_id")
"""Meanings that may be called 'none' or 'NA'."""

OURS = ({"caption_flags", "captioner_fingerprint"}, {"tokens_written", "fingerprint"})
"""Columns by which an export of Driftloop is known, by rounds and by steps."""


class TableReader:
    """Reads a table, or the shards of one.

    Args:
        files: Tables with the same columns.
        pictures: Reads what the table names.
        columns: Column names by meaning, where they cannot be guessed.
        numbered: What the round column counts; None where the rows are to tell.
        encoding: Of text files, where it cannot be detected.
    """

    def __init__(
        self, files: list[Path], pictures: Pictures, *, columns: Mapping[str, str],
        numbered: Numbered | None, encoding: str | None,
    ) -> None:  # fmt: skip
        self.files = files
        self.numbered: Numbered | None = numbered
        self.account = Account(rows=0)
        self.pictures = pictures
        self._chosen = columns
        self._encoding = encoding
        self._columns: dict[str, str] = {}
        self._names: dict[str, None] = {}
        self._told_kind = False
        self._ours = False
        self._commas = False

    def describe(self) -> dict[str, object]:
        """Which columns were taken for what."""
        return {"columns": self._columns}

    def rows(self) -> Iterator[Row]:
        """The rows that can be used."""
        for file in self.files:
            if file.stat().st_size > MAX_FILE:
                raise ChainError(f"{file}: more than {MAX_FILE:,} bytes; split it")
            sheet = self._open(file)
            if sheet.note:
                self.account.tell(f"tables read {sheet.note}", file.name)
            self._columns = match_columns(sheet.names, self._chosen, str(file))
            self._names |= dict.fromkeys(sheet.names)
            self._commas = sheet.commas
            self._ours = any(names <= {*sheet.names} for names in OURS)
            shared = len({self._columns.get("text"), self._columns.get("image")} - {None}) == 1
            step = plain_name(self._columns["round"]) in STEPS
            self.account.stepwise = self.account.stepwise or shared or step
            needed = set(self._columns.values())
            for record in sheet.records(needed, self._is_row):
                self.account.rows = (self.account.rows or 0) + 1
                if isinstance(record, Damage):
                    self.account.reject(*record)
                    continue
                if self._ours and isinstance(sheet, Delimited):
                    record = self._restored(record)
                if len(self._names) < MAX_KEYS and not record.cells.keys() <= self._names.keys():
                    self._learn(record.cells)
                row = self._row(record.place, record.cells)
                if row is not None:
                    yield row
            for how, count in sheet.mended.items():
                self.account.tell(how, file.name, count)
        used = {name for m, name in self._columns.items() if m != "kind" or self._told_kind}
        unused = [name for name in self._names if name not in used]
        if unused:
            self.account.notes.append(f"columns that were not used: {listed(unused)}")

    def tell_apart(self, rows: Sequence[Sequence[Row]]) -> None:
        """Check that rows which fall on one place of one chain are not of several chains.

        Args:
            rows: Those of each chain in which some do.

        Raises:
            ChainError: A column keeps them apart that was not used for it.
        """
        keys = {self._columns[meaning] for meaning in APART if meaning in self._columns}
        parts = ("round", "text", "image", "failure", *(("kind",) if self._told_kind else ()))
        keys |= {self._columns[m] for m in parts
                 if m in self._columns}  # fmt: skip
        others = [name for name in self._names if name not in keys]
        looked = worth_looking(rows)
        wanted = {row.place for chain in looked for row in chain}
        cells = {
            record.place: {name: shown(record.cells.get(name)) for name in others}
            for file in (self.files if others else ())
            for record in self._open(file).records(others, self._is_row)
            if isinstance(record, Record) and record.place in wanted
        }
        find_apart(looked, cells, others, self._columns, str(self.files[0]))

    def _open(self, file: Path) -> Sheet:
        """A file's table, by what is in it: an ending may be wrong."""
        start = check_file(file)
        if start.startswith(b"PAR1") or file.suffix.lower() == ".parquet":
            return Columnar(file, file.name)
        encoding = detect_encoding(file, self._encoding)
        begins = start.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")[:1]
        usual = file.suffix.lower() in (".jsonl", ".ndjson", ".json")
        if begins in (b"{", b"[") or (usual and b"," not in start.split(b"\n")[0]):
            return Documents(file, file.name, encoding, self._is_round)
        return Delimited(file, file.name, encoding, self._is_known)

    def _is_known(self, name: str) -> bool:
        return plain_name(name) in KNOWN or name in self._chosen.values()

    def _is_round(self, name: str) -> bool:
        return plain_name(name) in SYNONYMS["round"] or name == self._chosen.get("round")

    def _is_row(self, cells: Cells) -> bool:
        """Whether cells look like a row; two columns say too little for that."""
        if len(self._names) < 3 or self._columns["round"] not in cells:
            return False
        try:
            whole_number(cells[self._columns["round"]], "round", commas=self._commas)
        except BadCellError:
            return False
        return True

    def _restored(self, record: Record) -> Record:
        """A row of a CSV file of ours, without the apostrophes that are for spreadsheets."""
        cells = {
            name: restored(cell) if isinstance(cell, str) else cell
            for name, cell in record.cells.items()
        }
        if cells != record.cells:
            told = "rows whose texts have no apostrophe any more, which was there for spreadsheets"
            self.account.tell(told, str(record.place))
        return Record(record.place, cells)

    def _learn(self, cells: Cells) -> None:
        """Take up keys that the first objects did not have."""
        self._names |= dict.fromkeys(cells)
        extend_columns(self._columns, list(self._names))

    def _row(self, place: Place, cells: Cells) -> Row | None:
        found = {
            meaning: cells[name]
            for meaning, name in self._columns.items()
            if name in cells and not self._missing(cells[name], meaning, place)
        }
        said = kind_of(found.pop("kind", None))
        self._told_kind = self._told_kind or said is not None
        stands = found.get("text"), found.get("image")
        both = {self._columns[meaning] for meaning in ("text", "image") if meaning in self._columns}
        if len(both) == 1 and None not in stands:
            stands = stands[0], None
        text, image = sort_contents(*stands, said, apart=len(both) == 2)
        if image is not stands[1]:
            self.account.tell(
                "pictures that stand in a column of texts", f"{place}: {_brief(image)}"
            )
        found |= {"text": text, "image": image}
        found = {meaning: cell for meaning, cell in found.items() if cell is not None}
        shown = ", ".join(f"{m}={_brief(cell)}" for m, cell in found.items())
        try:
            return self._checked(place, found, shown)
        except BadCellError as reason:
            self.account.reject(place, str(reason), shown)
            return None

    def _missing(self, cell: Any, meaning: str, place: Place) -> bool:
        """Whether a cell has no value; words that might have been meant are counted."""
        if isinstance(cell, str) and not cell.strip():
            return meaning != "text"
        if isinstance(cell, Mapping) and meaning in ("image", "prompt_image"):
            # As the datasets library writes that there is none.
            return {*cell} <= {"bytes", "path"} and not any(cell.values())
        if self._ours:
            # What Driftloop writes has an empty cell for nothing, and a caption may say "NA".
            return is_missing(cell, frozenset())
        if meaning in WORDS_ARE_NAMES:
            if is_missing(cell) and not is_missing(cell, NOTHING):
                self.account.tell(f"'{cell}' is kept as the name of the {meaning}", str(place))
            return is_missing(cell, NOTHING)
        gone = is_missing(cell)
        if gone and isinstance(cell, str) and meaning in ("text", "prompt"):
            told = f"{meaning}s that say '{cell.strip()}' and nothing else, taken as missing"
            self.account.tell(told, str(place))
        return gone

    def _checked(self, place: Place, found: Mapping[str, Any], shown: str) -> Row | None:
        """A row of cells that are there.

        Raises:
            BadCellError: One cannot be used, and so the row cannot.
        """
        if "round" not in found:
            raise BadCellError("the round is missing")
        number = whole_number(found["round"], "round", commas=self._commas)
        if isinstance(found["round"], str) and "," in found["round"]:
            example = f"'{found['round'].strip()}' is {number}"
            self.account.tell("rounds written with a comma", example)
        if not 0 <= number <= MAX_ROUND:
            raise BadCellError(f"the round is out of range: {number} of 0 to {MAX_ROUND:,}")
        texts = {m: text_of(found[m], m) for m in ("text", "prompt") if m in found}
        names = {m: name_of(found[m], m) for m in NAMES if m in found}
        seeds = {m: seed_of(found[m], m, commas=self._commas) for m in SEEDS if m in found}
        failure = failure_of(found.get("failure"))
        if "image" in found:
            self.account.pictured.add(names.get("arm"))
        unread: list[str] = []
        image, notes = self._picture(found.get("image"), unread)
        prompt_image, prompt_notes = self._picture(found.get("prompt_image"), unread)
        if failure is not None and texts.get("text", "").strip() == "":
            texts.pop("text", None)
        if failure is None and image is None and "text" not in texts:
            # A row of a start has nothing else; of others something is missing.
            if unread:
                self.account.unread.add(number)
                raise BadCellError(unread[0])
            if number > 0 or not ("prompt" in texts or prompt_image):
                raise BadCellError("there is neither a text nor a picture")
        for reason in unread:
            self.account.reject(place, reason, shown, "picture")
        both = names.get("model")
        return Row(
            place, number, texts.get("text"), image, failure,
            arm=names.get("arm"), trajectory=names.get("trajectory"),
            prompt_id=names.get("prompt_id"), prompt=texts.get("prompt"),
            prompt_image=prompt_image, twin=names.get("twin"),
            generator=names.get("generator") or both, captioner=names.get("captioner") or both,
            generator_seed=seeds.get("generator_seed"), captioner_seed=seeds.get("captioner_seed"),
            editor=names.get("editor"), editor_seed=seeds.get("editor_seed"),
            image_notes=notes, prompt_notes=prompt_notes,
        )  # fmt: skip

    def _picture(self, cell: Any, unread: list[str]) -> tuple[str | None, tuple[str, ...]]:
        """A picture's digest and what was done to it; why it cannot be read goes to the list."""
        if cell is None:
            return None, ()
        try:
            if isinstance(cell, BadCellError):
                raise cell
            return self.pictures.from_cell(cell)
        except BadCellError as reason:
            unread.append(str(reason))
            return None, ()


def _brief(cell: Any) -> str:
    """The beginning of a cell, for a person."""
    return type(cell).__name__ if isinstance(cell, bytes | Mapping | list) else str(cell)[:60]


def table_files(source: Path) -> list[Path]:
    """The table, or the Parquet shards in a folder and its ``data`` folder."""
    if not source.is_dir():
        return [source] if source.suffix.lower() in KINDS else []
    folders: Iterable[Path] = (source, source / "data")
    found = (sorted(p for p in f.glob("*.parquet") if p.is_file()) for f in folders)
    return next(filter(None, found), [])
