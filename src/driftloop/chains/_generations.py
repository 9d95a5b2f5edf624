"""Chains as UCF-UM keeps them: a folder ``gen-N`` of pictures, a file ``gen-N.csv`` of captions.

A chain that starts from a caption has ``gen-0.csv``, ``gen-1/``, ``gen-2.csv`` ...; one that starts
from a picture ``gen-0/``, ``gen-1.csv``, ``gen-2/`` ... A caption belongs to the picture whose file
has the same name, its ending aside. The captions may also lie in the generation's folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from ..errors import ChainError
from ._columns import SYNONYMS, plain_name
from ._delimited import Delimited
from ._encoded import detect_encoding
from ._folder import Folder
from ._pictures import SUFFIXES, Pictures
from ._rows import (
    Account,
    BadCellError,
    Numbered,
    Place,
    Row,
    clean_name,
    clean_text,
)
from ._sheet import Cells, Damage

GENERATION = re.compile(r"(?:gen|generation|iter|iteration|round)[-_ ]?(\d{1,6})", re.IGNORECASE)
TABLES = (".csv", ".tsv")
BESIDE = (".txt", ".caption")
"""Endings of captions that have a file each: with those a folder is no generation of a table."""
FILES = ("filename", "file_name", "file", "image", "image_path", "image_id", "id")


@dataclass
class Generation:
    """The files of one generation."""

    names: set[str] = field(default_factory=set)
    captions: list[Path] = field(default_factory=list)
    pictures: dict[Path, str] = field(default_factory=dict)
    """With their paths in the generation's folder."""


Arms = dict[str, dict[int, Generation]]


class GenerationsReader:
    """Reads a folder of generations, or folders of them, each an arm.

    Args:
        folder: The source; arms are named by their path in it.
        arms: What :func:`find_generations` found there.
        pictures: Reads the pictures, from the same folder.
        encoding: Of the CSV files, where it cannot be detected.

    Raises:
        ChainError: Generations are kept in more than one way.
    """

    def __init__(
        self, folder: Folder, arms: Arms, pictures: Pictures, *, encoding: str | None
    ) -> None:
        self.account = Account()
        self.pictures = pictures
        self._folder = folder
        self._encoding = encoding
        self._arms = arms
        self.files = [
            file
            for generations in arms.values()
            for one in generations.values()
            for file in (*one.captions, *one.pictures)
        ]
        paired = {arm: self._paired(arm, generations) for arm, generations in arms.items()}
        if len({*paired.values()} - {None}) > 1:
            some = {whole: arm for arm, whole in paired.items()}
            raise ChainError(
                f"{folder.root}: in {some[True]} a generation has pictures and captions, in "
                f"{some[False]} it has one of them; import each folder into a run of its own"
            )
        # Where a generation has both, it is a round; in UCF-UM each has one of them, and is a step.
        self.numbered: Numbered = "round" if True in paired.values() else "step"

    def describe(self) -> dict[str, object]:
        """The arms and how their generations are counted."""
        return {"layout": "generations", "arms": list(self._arms)}

    def rows(self) -> Iterator[Row]:
        """The rows that can be used, generation by generation."""
        self.account.pictured.update(self._arms)
        for arm, generations in self._arms.items():
            for number, one in sorted(generations.items()):
                for file in one.captions:
                    yield from self._captions(arm, number, file)
                yield from self._drawn(arm, number, one.pictures)

    def _paired(self, arm: str, generations: dict[int, Generation]) -> bool | None:
        """Whether generations have pictures and captions; None where the start alone tells."""
        found: bool | None = None
        for number, one in generations.items():
            if len(one.names) > 1:
                names = " and ".join(sorted(one.names)[:2])
                raise ChainError(
                    f"{self._folder.root}: {arm} has generation {number} twice, as {names}; take "
                    f"one of them away"
                )
            if number:
                found = found or bool(one.captions and one.pictures)
        return found

    def _captions(self, arm: str, number: int, file: Path) -> Iterator[Row]:
        name = self._folder.name(file)
        try:
            sheet = Delimited(file, name, detect_encoding(file, self._encoding), _is_known)
        except ChainError as reason:
            self.account.reject(Place(name, None), f"the file is no table: {reason}", "", "file")
            return
        heads = {plain_name(head): head for head in reversed(sheet.names)}
        named = next((heads[h] for h in FILES if h in heads), None)
        told = next((heads[h] for h in SYNONYMS["text"] if h in heads), None)
        if named is None or told is None:
            self.account.reject(
                Place(name, 1), "the file has no columns 'filename' and 'caption'",
                ", ".join(heads), "file",
            )  # fmt: skip
            return
        if sheet.note:
            self.account.tell(f"files of captions read {sheet.note}", name)

        def is_row(cells: Cells) -> bool:
            return str(cells.get(named, "")).strip().lower().endswith(SUFFIXES)

        for record in sheet.records((), is_row):
            if isinstance(record, Damage):
                self.account.reject(*record)
                continue
            cells = record.cells
            row = self._row(record.place, arm, number, cells.get(named, ""), cells.get(told, ""))
            if row is not None:
                yield row
        for how, count in sheet.mended.items():
            self.account.tell(how, name, count)

    def _drawn(self, arm: str, number: int, files: dict[Path, str]) -> Iterator[Row]:
        for file, inside in files.items():
            place = Place(self._folder.name(file), None)
            try:
                digest, notes = self.pictures.from_file(file)
            except BadCellError as reason:
                self.account.reject(place, str(reason), "", "picture")
                continue
            row = self._row(place, arm, number, inside, image=digest, notes=notes)
            if row is not None:
                yield row

    def _row(
        self, place: Place, arm: str, number: int, file: str,
        text: str | None = None, image: str | None = None, notes: tuple[str, ...] = (),
    ) -> Row | None:  # fmt: skip
        try:
            # Endings differ between generations: .png here, .jpg there, or none. Windows has
            # backslashes, and some tables name the generation's folder too.
            stem = PurePath(file.strip().replace("\\", "/"))
            at = next((n for n, part in enumerate(stem.parts) if GENERATION.fullmatch(part)), -1)
            stem = PurePath(*stem.parts[at + 1 :]) if stem.parts[at + 1 :] else stem
            whole = stem.with_suffix("") if stem.suffix.lower() in SUFFIXES else stem
            name = clean_name(whole.as_posix() if whole.name else "", "filename")
            if name is None:
                raise BadCellError("the filename is missing")
            if text is not None:
                text = clean_text(text, "caption")
        except BadCellError as reason:
            self.account.reject(place, str(reason), f"{file}: {text or ''}")
            return None
        # The same item starts from its caption in one arm and from its picture in the other.
        start = self._arms[arm].get(0, Generation())
        prompt = f"{name} (picture)" if start.pictures and not start.captions else name
        return Row(
            place, number, text=text, image=image, arm=arm, trajectory=name,
            prompt_id=prompt, image_notes=notes,
        )  # fmt: skip


def _is_known(name: str) -> bool:
    return plain_name(name) in (*FILES, *SYNONYMS["text"])


def find_generations(folder: Folder) -> Arms:
    """The generations of a source by their arm, which is named by its path."""
    arms: Arms = {}
    single = set()
    for file in folder.files:
        parts = folder.parts(file)
        names = [*parts[:-1], file.stem if file.suffix.lower() in TABLES else ""]
        matches = (GENERATION.fullmatch(name) for name in names)
        at, match = next(((at, m) for at, m in enumerate(matches) if m), (0, None))
        if match is None:
            continue
        arm = "/".join(parts[:at]) or folder.root.resolve().name
        inside = "/".join(parts[at + 1 :])
        suffix = file.suffix.lower()
        if inside and suffix in BESIDE:
            single.add(arm)
        if suffix not in (SUFFIXES if inside else ()) and suffix not in TABLES:
            continue
        one = arms.setdefault(arm, {}).setdefault(int(match[1]), Generation())
        one.names.add(names[at].lower())
        if suffix in TABLES:
            one.captions.append(file)
        else:
            one.pictures[file] = inside
    tabled = {arm for arm, found in arms.items() if any(one.captions for one in found.values())}
    return {arm: found for arm, found in arms.items() if arm in tabled or arm not in single}
