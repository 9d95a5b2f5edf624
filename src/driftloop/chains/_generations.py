"""Chains as UCF-UM keeps them: a folder ``gen-N`` of pictures, a file ``gen-N.csv`` of captions.

A chain that starts from a caption has ``gen-0.csv``, ``gen-1/``, ``gen-2.csv`` ...; one that starts
from a picture ``gen-0/``, ``gen-1.csv``, ``gen-2/`` ... A caption belongs to the picture whose file
has the same name, its ending aside.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path, PurePath

from ._columns import SYNONYMS
from ._encoded import open_text
from ._pictures import SUFFIXES, Pictures
from ._rows import (
    MAX_TEXT,
    Account,
    BadCellError,
    Numbered,
    Place,
    Row,
    clean_name,
    clean_text,
)

GENERATION = re.compile(r"gen[-_]?(\d{1,6})(\.csv)?", re.IGNORECASE)
DEPTH = 3
FILES = ("filename", "file_name", "image", "image_id", "id")


class GenerationsReader:
    """Reads a folder of generations, or folders of them, each an arm.

    Args:
        source: The folder; arms are named by their path in it.
        pictures: Reads the pictures, from the same folder.
        encoding: Of the CSV files.
    """

    def __init__(self, source: Path, pictures: Pictures, *, encoding: str) -> None:
        self.source = source
        self.account = Account()
        self.pictures = pictures
        self._encoding = encoding
        self._arms = generation_folders(source)
        self._parts = {arm: _generations(folder) for arm, folder in self._arms.items()}
        pairs = sum(bool(c and p) for g in self._parts.values() for n, (c, p) in g.items() if n)
        # Where a generation has both, it is a round; in UCF-UM each has one of them, and is a step.
        self.numbered: Numbered = "round" if pairs else "step"

    def describe(self) -> dict[str, object]:
        """The arms and how their generations are counted."""
        return {"layout": "generations", "arms": list(self._arms)}

    def rows(self) -> Iterator[Row]:
        """The rows that can be used, generation by generation."""
        self.account.pictured.update(self._parts)
        for arm, generations in self._parts.items():
            for number, (captions, pictures) in sorted(generations.items()):
                yield from self._captions(arm, number, captions)
                yield from self._drawn(arm, number, pictures)

    def _captions(self, arm: str, number: int, file: Path | None) -> Iterator[Row]:
        if file is None:
            return
        name = file.relative_to(self.source).as_posix()
        csv.field_size_limit(4 * MAX_TEXT)
        try:
            with open_text(file, self._encoding) as stream:
                table = csv.DictReader(stream, strict=True)
                heads = {h.strip().lstrip("\ufeff").lower(): h for h in table.fieldnames or () if h}
                named = next((heads[h] for h in FILES if h in heads), None)
                told = next((heads[h] for h in SYNONYMS["text"] if h in heads), None)
                if named is None or told is None:
                    self.account.reject(
                        Place(name, 1), "the file has no columns 'filename' and 'caption'",
                        ", ".join(heads), "file",
                    )  # fmt: skip
                    return
                for cells in table:
                    place = Place(name, table.line_num)
                    if None in cells or None in cells.values():
                        self.account.reject(
                            place, "the line has another number of cells", str(cells)
                        )
                        continue
                    row = self._row(place, arm, number, cells[named], text=cells[told])
                    if row is not None:
                        yield row
        except csv.Error as error:
            self.account.reject(Place(name, None), f"the file is no CSV: {error}", "", "file")

    def _drawn(self, arm: str, number: int, files: list[Path]) -> Iterator[Row]:
        for file in files:
            place = Place(file.relative_to(self.source).as_posix(), None)
            try:
                digest, notes = self.pictures.from_path(place.file)
            except BadCellError as reason:
                self.account.reject(place, str(reason), "", "picture")
                continue
            row = self._row(place, arm, number, file.name, image=digest, notes=notes)
            if row is not None:
                yield row

    def _row(
        self, place: Place, arm: str, number: int, file: str,
        text: str | None = None, image: str | None = None, notes: tuple[str, ...] = (),
    ) -> Row | None:  # fmt: skip
        try:
            # Endings differ between generations: .png here, .jpg there, or none.
            stem = PurePath(file.strip())
            item = stem.stem if stem.suffix.lower() in SUFFIXES else stem.name
            name = clean_name(item, "filename")
            if name is None:
                raise BadCellError("the filename is missing")
            if text is not None:
                text = clean_text(text, "caption")
        except BadCellError as reason:
            self.account.reject(place, str(reason), f"{file}: {text or ''}")
            return None
        # The same item starts from its caption in one arm and from its picture in the other.
        captions, pictures = self._parts[arm].get(0, (None, []))
        prompt = f"{name} (picture)" if pictures and captions is None else name
        return Row(
            place, number, text=text, image=image, arm=arm, trajectory=name,
            prompt_id=prompt, image_notes=notes,
        )  # fmt: skip


def generation_folders(source: Path) -> dict[str, Path]:
    """Folders of generations by their path in the source, looked for a few levels deep."""
    found = {}
    level = [source]
    for _ in range(DEPTH + 1):
        inside: list[Path] = []
        for folder in level:
            if any(captions or pictures for captions, pictures in _generations(folder).values()):
                at = folder.relative_to(source).as_posix()
                found[source.resolve().name if at == "." else at] = folder
            else:
                inside += sorted(p for p in folder.iterdir() if p.is_dir() and not p.is_symlink())
        level = inside
    return found


def _generations(folder: Path) -> dict[int, tuple[Path | None, list[Path]]]:
    """The captions and pictures of each generation."""
    found: dict[int, tuple[Path | None, list[Path]]] = {}
    for path in sorted(folder.iterdir()):
        match = GENERATION.fullmatch(path.name)
        if match is None or path.is_symlink():
            continue
        number = int(match[1])
        captions, pictures = found.get(number, (None, []))
        if match[2] and path.is_file():
            captions = path
        elif not match[2] and path.is_dir():
            files = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
            # The way that UCF-UM makes its folders leaves an empty gen-0 beside gen-0.csv.
            pictures = files
        found[number] = (captions, pictures)
    return found
