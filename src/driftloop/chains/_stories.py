"""Chains of language models as TelephoneGameLLM keeps them: one JSON file a chain.

``Results/MODEL/INSTRUCTION/TEXT/seed_N/output0.json`` holds ``initial_story`` and ``stories``: the
texts of each generation, one where the network is a chain.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from ._rows import Account, BadCellError, Numbered, Place, Row, clean_name, clean_text

NAME = re.compile(r"output\d*\.json")
MAX_FILE = 100_000_000


class StoriesReader:
    """Reads a folder of such files, or one.

    Args:
        source: The folder, or a file.
    """

    numbered: Numbered = "round"

    def __init__(self, source: Path) -> None:
        self.source = source if source.is_dir() else source.parent
        self.files = story_files(source)
        self.account = Account()

    def describe(self) -> dict[str, object]:
        """How many files there are."""
        return {"layout": "stories", "files": len(self.files)}

    def rows(self) -> Iterator[Row]:
        """The rows that can be used, file by file."""
        for file in self.files:
            place = Place(file.relative_to(self.source).as_posix(), None)
            try:
                texts = _texts(file)
            except BadCellError as reason:
                self.account.reject(place, str(reason), "", "file")
                continue
            *arm, prompt, twin = ["", "", *place.file.split("/")[:-1]][-4:]
            for number, text in enumerate(texts):
                try:
                    if not isinstance(text, str):
                        raise BadCellError(f"generation {number} is no text")
                    yield Row(
                        place, number, text=clean_text(text, "text"),
                        arm=clean_name("/".join(filter(None, arm)), "arm"),
                        trajectory=place.file,
                        prompt_id=clean_name(prompt, "prompt"), twin=clean_name(twin, "twin"),
                    )  # fmt: skip
                except BadCellError as reason:
                    self.account.reject(place, str(reason), str(text))


def _texts(file: Path) -> list[object]:
    if file.is_symlink():
        raise BadCellError("the file is a link, which may lead anywhere")
    try:
        if file.stat().st_size > MAX_FILE:
            raise BadCellError(f"the file has more than {MAX_FILE:,} bytes")
        data = json.loads(file.read_bytes())
    except (ValueError, RecursionError, OSError) as error:
        raise BadCellError(f"the file is no JSON: {error}") from None
    if not isinstance(data, dict) or not isinstance(data.get("stories"), list):
        raise BadCellError("the file has no list 'stories'")
    stories = data["stories"]
    if not all(isinstance(story, list) and len(story) == 1 for story in stories):
        raise BadCellError("the file is no chain: a generation has more than one text, or none")
    return [data.get("initial_story"), *(story[0] for story in stories)]


def story_files(source: Path) -> list[Path]:
    """The files of that name, in their order."""
    if source.is_file():
        return [source] if NAME.fullmatch(source.name) else []
    return sorted(path for path in source.rglob("output*.json") if NAME.fullmatch(path.name))
