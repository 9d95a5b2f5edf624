"""Chains whose steps have a file each: ``000.png`` and ``000.txt`` side by side.

The names tell the chain and the round: ``chain_03_round_002.png``, ``ship/002.txt``,
``ship/round_2/image.png``. A caption has its picture's name, ending aside. A file ``prompt.txt``
(or a picture of that name) is what the chains of its folder start from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import ChainError
from ._columns import SYNONYMS
from ._encoded import open_text
from ._folder import Folder
from ._pictures import SUFFIXES, Pictures, ReadPicture
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
)

CAPTIONS = (".txt", ".caption", ".json")
STARTS = ("prompt", "start", "initial", "initial_prompt", "seed_text", "prompt_0")
WORDS = (
    "round", "rd", "r", "step", "iteration", "iter", "it", "generation", "gen", "g", "turn", "t",
)  # fmt: skip
CONTENT = (
    "image", "img", "picture", "pic", "photo", "frame", "output", "out", "caption", "text",
    "description", "desc", "response",
)  # fmt: skip
"""What a name may say of its file's content; it tells neither chain nor round."""
OTHERS = ("chain", "trajectory", "run", "seed", "twin", "sample", "prompt", "id", "item", "arm")
"""Words whose number is no round."""
SEP = "-_ ."
NUMBERED = re.compile(
    rf"(?:(?<=[{SEP}])|^)(?:{'|'.join(WORDS)})[-_ ]?(\d{{1,9}})(?=[{SEP}]|$)", re.IGNORECASE
)
COUNTED = re.compile(r"(.*?\D)?(\d{1,9})")
COUNTS_OTHERS = re.compile(rf"(?:.*[{SEP}])?(?:{'|'.join(OTHERS)})[{SEP}]*", re.IGNORECASE)


@dataclass(frozen=True)
class Named:
    """What a file's name tells."""

    chain: tuple[str, ...]
    """Folders, and the name's own beginning where it has one."""
    number: int


class PairsReader:
    """Reads a folder of such files.

    Args:
        folder: The source.
        pictures: Reads the pictures, from the same folder.
        encoding: Of the captions, where it cannot be detected.

    Raises:
        ChainError: No name tells a round.
    """

    def __init__(self, folder: Folder, pictures: Pictures, *, encoding: str | None) -> None:
        self.account = Account()
        self.pictures = pictures
        self._folder = folder
        self._encoding = encoding
        self._starts: dict[tuple[str, ...], Path] = {}
        self._named: dict[Path, Named] = {}
        self._nameless: list[Path] = []
        for file in sided_files(folder):
            parts = folder.parts(file)
            if file.stem.lower() in STARTS:
                if self._starts.setdefault(parts[:-1], file) != file:
                    self._nameless.append(file)
            elif (named := read_name((*parts[:-1], file.stem))) is not None:
                self._named[file] = named
            else:
                self._nameless.append(file)
        if not self._named:
            name = folder.name(self._nameless[0]) if self._nameless else "a file"
            raise ChainError(
                f"{folder.root}: pictures and captions lie side by side, and no name tells the "
                f"round, such as {name}. Name the files by chain and round (ship_round_002.png and "
                f"ship_round_002.txt, or ship/002.png), or write a table with the columns chain, "
                f"round, caption and image"
            )
        self.files = [*self._starts.values(), *self._named, *self._nameless]
        kinds: dict[tuple[tuple[str, ...], int], set[bool]] = {}
        for file, named in self._named.items():
            kinds.setdefault((named.chain, named.number), set()).add(_pictured(file))
        every = {kind for found in kinds.values() for kind in found}
        apart = len(every) > 1 and all(len(found) == 1 for found in kinds.values())
        # Where no number has a picture and a caption, each has a number of its own.
        self.numbered: Numbered = "step" if apart else "round"

    def describe(self) -> dict[str, object]:
        """How the names were read."""
        return {"layout": "files", "files": len(self.files), "numbered": self.numbered}

    def rows(self) -> Iterator[Row]:
        """The rows that can be used, file by file."""
        for file in self._nameless:
            place = Place(self._folder.name(file), None)
            self.account.reject(place, "the file's name tells no round", "", "file")
        file, named = next(iter(self._named.items()))
        chain = "/".join(named.chain) or self._own_name
        self.account.notes.append(
            f"names of files were taken for chains and {self.numbered}s: {self._folder.name(file)} "
            f"is {self.numbered} {named.number} of {chain}"
        )
        starts = {folders: self._start(file) for folders, file in self._starts.items()}
        arms = {named.chain[:-1] for named in self._named.values()}
        pictured = {n.chain[:-1] for f, n in self._named.items() if _pictured(f)}
        self.account.pictured.update("/".join(c) or None for c in pictured)
        if len(arms) > 1:
            some = ", ".join(sorted("/".join(arm) or "(none)" for arm in arms)[:5])
            self.account.notes.append(f"folders above the chains' were taken for arms: {some}")
        for file, named in self._named.items():
            above = [named.chain[:count] for count in range(len(named.chain), -1, -1)]
            start = next((starts[folders] for folders in above if folders in starts), (None, None))
            row = self._row(file, named, *start)
            if row is not None:
                yield row

    def _row(
        self, file: Path, named: Named, prompt: str | None, prompt_image: ReadPicture | None
    ) -> Row | None:
        place = Place(self._folder.name(file), None)
        try:
            if named.number > MAX_ROUND:
                raise BadCellError(
                    f"the round is out of range: {named.number} of 0 to {MAX_ROUND:,}"
                )
            chain = clean_name(named.chain[-1] if named.chain else self._own_name, "chain")
            image, notes = self.pictures.from_file(file) if _pictured(file) else (None, ())
            return Row(
                place, named.number, text=self._caption(file) if image is None else None,
                image=image, arm=clean_name("/".join(named.chain[:-1]), "arm"),
                trajectory="/".join(named.chain) or chain,
                prompt_id=None if prompt or prompt_image else chain,
                prompt=prompt, prompt_image=prompt_image and prompt_image.digest,
                image_notes=notes, prompt_notes=prompt_image.notes if prompt_image else (),
            )  # fmt: skip
        except BadCellError as reason:
            self.account.reject(place, str(reason), "", "picture" if _pictured(file) else "file")
            return None

    def _start(self, file: Path) -> tuple[str | None, ReadPicture | None]:
        """The text, or the picture, that chains start from."""
        try:
            if _pictured(file):
                return None, self.pictures.from_file(file)
            return self._caption(file), None
        except BadCellError as reason:
            self.account.reject(Place(self._folder.name(file), None), str(reason), "", "file")
            return None, None

    def _caption(self, file: Path) -> str:
        with open_text(file, self._encoding, newline=None) as stream:
            text = stream.read(4 * MAX_TEXT).removeprefix("\ufeff")
        if file.suffix.lower() != ".json":
            return clean_text(text.rstrip("\n"), "caption")
        try:
            held = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BadCellError(f"the file is no JSON: {error}") from None
        if isinstance(held, dict):
            held = next((held[key] for key in SYNONYMS["text"] if held.get(key) is not None), None)
        if not isinstance(held, str):
            raise BadCellError(f"the file has no text by the name of {SYNONYMS['text'][1]}")
        return clean_text(held, "caption")

    @property
    def _own_name(self) -> str:
        return self._folder.root.resolve().name or "chain"


def sided_files(folder: Folder) -> list[Path]:
    """Pictures, and captions with a file each; none where there are only the one or the other."""
    pictures = [file for file in folder.files if _pictured(file)]
    captions = [file for file in folder.files if file.suffix.lower() in CAPTIONS]
    places = {file.parent for file in pictures}
    beside = [file for file in captions if file.parent in places or file.suffix.lower() != ".json"]
    return sorted([*pictures, *beside]) if pictures and beside else []


def read_name(parts: tuple[str, ...]) -> Named | None:
    """What the folders and the name of a file tell, or None where they tell no round.

    A number with a word for a round is the round, wherever it stands; else the last number is,
    unless a word says that it counts something else.

    >>> read_name(("chain_03_round_002",))
    Named(chain=('chain_03',), number=2)
    >>> read_name(("ship", "round_2", "image"))
    Named(chain=('ship',), number=2)
    >>> read_name(("cold", "ship_012"))
    Named(chain=('cold', 'ship'), number=12)
    >>> read_name(("a dog",)), read_name(("chain_03",)), read_name(("round_1_step_2",))
    (None, None, None)
    """
    *folders, name = parts
    plain = _without_content(name)
    rounds = list(NUMBERED.finditer(plain))
    if len(rounds) > 1:
        return None
    if rounds:
        (found,) = rounds
        ends = (plain[: found.start()].strip(SEP), plain[found.end() :].strip(SEP))
        own = _without_content("_".join(filter(None, ends)))
        return Named((*folders, *([own] if own else [])), int(found[1]))
    if match := COUNTED.fullmatch(plain):
        before = match[1] or ""
        if COUNTS_OTHERS.fullmatch(before):
            return None
        own = _without_content(before.strip(SEP))
        return Named((*folders, *([own] if own else [])), int(match[2]))
    if folders and plain.lower() in ("", *CONTENT) and NUMBERED.fullmatch(folders[-1]):
        return read_name(tuple(folders))
    return None


def _without_content(name: str) -> str:
    """A name without words that say what kind of content the file has."""
    plain = re.sub(rf"(?:(?<=[{SEP}])|^)(?:{'|'.join(CONTENT)})$", "", name.strip(SEP), flags=re.I)
    return plain.strip(SEP)


def _pictured(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES
