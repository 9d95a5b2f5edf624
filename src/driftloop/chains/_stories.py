"""Chains of language models as TelephoneGameLLM and LLM-Culture keep them: a JSON file each.

A file ``outputN.json`` holds ``stories``, the texts of each generation: one where the network is a
chain, one an agent where it is not. ``initial_story`` (TelephoneGameLLM) or ``prompt_init``
(LLM-Culture) is what the first was told. The folders above tell the rest; see :func:`place_files`.
"""

from __future__ import annotations

import json
import re
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ._folder import Folder
from ._rows import Account, BadCellError, Numbered, Place, Row, clean_name, clean_text

NAME = re.compile(r"output[-_]?(\d*)\.json")
SEED = re.compile(r"(seed|twin|rep|replicate|repetition|run|trial)[-_ ]?\d+", re.IGNORECASE)
MAX_FILE = 100_000_000


@dataclass(frozen=True)
class Telling:
    """What one file holds."""

    place: Place
    folders: tuple[str, ...]
    number: str
    """Of the file's name."""
    start: object
    """What was told first; None where the file does not say."""
    given: bool
    """Whether the start is a text to pass on, and no instruction to tell one."""
    generations: list[list[object]]
    instruction: str
    personalities: tuple[str, ...]
    """One for all, or one for each who told."""

    @property
    def agents(self) -> int:
        """How many texts each generation has."""
        return len(self.generations[0])

    def facts(self, teller: int) -> tuple[tuple[str, str], ...]:
        """What a player was told, by what it is called here.

        Args:
            teller: The agent of a network, or the generation of a chain, from 0.
        """
        several = len({*self.personalities}) > 1
        one = self.personalities[teller if several else 0 :][:1]
        told = {"instruction": self.instruction, "personality": "".join(one).strip()}
        return tuple((name, value) for name, value in told.items() if value)


@dataclass(frozen=True)
class Levels:
    """What the folders above a file were taken for."""

    arm: str
    prompt: str
    twin: str


class StoriesReader:
    """Reads a folder of such files, or one.

    Args:
        folder: The source.
        files: The files of that name.
    """

    numbered: Numbered = "round"

    def __init__(self, folder: Folder, files: list[Path]) -> None:
        self.files = files
        self.account = Account()
        self._folder = folder
        self._facts: dict[str, dict[str, str]] = {}

    def describe(self) -> dict[str, object]:
        """How many files there are, and what players were told, by arm."""
        return {"layout": "stories", "files": len(self.files), "told": self._facts}

    def rows(self) -> Iterator[Row]:
        """The rows that can be used, file by file."""
        tellings = []
        for file in self.files:
            place = Place(self._folder.name(file), None)
            try:
                tellings.append(_read(file, place))
            except BadCellError as reason:
                self.account.reject(place, str(reason), "", "file")
        placed = place_files(tellings)
        self._note(tellings, placed)
        for telling, levels in zip(tellings, placed, strict=True):
            for agent in range(telling.agents):
                yield from self._told(telling, levels, agent)

    def _told(self, telling: Telling, levels: Levels, agent: int) -> Iterator[Row]:
        alone = telling.agents == 1
        named = (levels.twin, "" if alone else f"agent {agent + 1}")
        twin = ", ".join(filter(None, named))
        texts = [telling.start, *(texts[agent] for texts in telling.generations)]
        for number, text in enumerate(texts):
            if number == 0 and text is None:
                continue
            try:
                if not isinstance(text, str):
                    raise BadCellError(f"generation {number} is no text")
                arm = clean_name(levels.arm, "arm")
                facts = telling.facts(max(number - 1, 0) if alone else agent)
                self._facts.setdefault(arm or "imported", dict(facts))
                yield Row(
                    telling.place, number, text=clean_text(text, "text"), arm=arm,
                    trajectory=telling.place.file + ("" if alone else f", agent {agent + 1}"),
                    prompt_id=clean_name(levels.prompt, "prompt"), twin=clean_name(twin, "twin"),
                    facts=facts, alone=not alone and number > 1,
                )  # fmt: skip
            except BadCellError as reason:
                self.account.reject(telling.place, str(reason), str(text))

    def _note(self, tellings: list[Telling], placed: list[Levels]) -> None:
        if not placed:
            return
        first, at = placed[0], tellings[0].place.file
        taken = [
            f"{what} '{value}'"
            for what, value in (("arm", first.arm), ("prompt", first.prompt), ("twin", first.twin))
            if value
        ]
        arms = len({levels.arm for levels in placed})
        self.account.notes.append(
            f"folders and files were taken for: {', '.join(taken) or 'one twin'} ({at}); arms in "
            f"all: {arms:,}"
        )
        networks = [telling for telling in tellings if telling.agents > 1]
        if networks:
            agents = sum(telling.agents for telling in networks)
            self.account.notes.append(
                f"networks of several agents: {len(networks):,}; each of their {agents:,} agents "
                f"is a trajectory. An agent reads what several others told, so its inputs are not "
                f"known, and twins of one network are not independent"
            )
        bare = sum(telling.start is None for telling in tellings)
        if bare:
            self.account.notes.append(
                f"files that do not say what was told first (initial_story, prompt_init): {bare:,}"
            )


def place_files(tellings: list[Telling]) -> list[Levels]:
    """What is arm, prompt and twin of each file, by folders and by what the files say.

    A last folder such as ``seed_3`` is the twin, as in TelephoneGameLLM, and the folder above it
    the prompt; elsewhere the file's number is the twin. Without such a folder the last one is the
    prompt only where its name comes back in several folders, each time with the same text. All
    folders above are the arm, and so is a folder that has the same text as all the others.
    """
    beside = Counter(telling.folders for telling in tellings)
    seeded = [bool(t.folders and SEED.fullmatch(t.folders[-1])) for t in tellings]
    above = [t.folders[:-1] if s else t.folders for t, s in zip(tellings, seeded, strict=True)]
    texts: dict[str, set[object]] = {}
    parents: dict[str, set[tuple[str, ...]]] = {}
    for folders, telling in zip(above, tellings, strict=True):
        if folders and telling.given:
            texts.setdefault(folders[-1], set()).add(str(telling.start))
            parents.setdefault(folders[-1], set()).add(folders[:-1])
    every = {text for found in texts.values() for text in found}
    shared = len(texts) > 1 and len(every) == 1
    own = len(every) == len(texts) and all(len(found) == 1 for found in texts.values())
    again = own and any(len(found) > 1 for found in parents.values())
    placed = []
    for telling, folders, seed in zip(tellings, above, seeded, strict=True):
        several = beside[telling.folders] > 1
        number = telling.number if several or not seed else ""
        twin = [telling.folders[-1], f"output{number}" if several else ""] if seed else [number]
        named = bool(folders) and telling.given and not shared and (seed or again)
        arm = "/".join(folders[:-1] if named else folders)
        prompt = folders[-1] if named else ""
        if not prompt and telling.start is None:
            prompt = f"unknown start of {arm}" if arm else "unknown start"
        placed.append(Levels(arm, prompt, "/".join(filter(None, twin))))
    return placed


def _read(file: Path, place: Place) -> Telling:
    try:
        found = file.stat(follow_symlinks=False)
        if not stat.S_ISREG(found.st_mode):
            raise BadCellError("the file is a link, a pipe or a device, which may lead anywhere")
        if found.st_size > MAX_FILE:
            raise BadCellError(f"the file has more than {MAX_FILE:,} bytes")
        data = json.loads(file.read_bytes())
    except (ValueError, RecursionError, OSError) as error:
        if isinstance(error, BadCellError):
            raise
        raise BadCellError(f"the file is no JSON: {error}") from None
    if not isinstance(data, dict) or not isinstance(data.get("stories"), list):
        raise BadCellError("the file has no list 'stories'")
    stories = data["stories"]
    if not stories or not all(isinstance(story, list) and story for story in stories):
        raise BadCellError("the file is no chain: a generation has no text")
    if len({len(story) for story in stories}) > 1:
        least, most = min(map(len, stories)), max(map(len, stories))
        raise BadCellError(
            f"generations have different numbers of texts ({least} to {most}), so that nothing "
            f"says which agent told which"
        )
    match = NAME.fullmatch(file.name)
    start, given = data.get("initial_story"), data.get("initial_story") is not None
    personalities = data.get("personality_list")
    return Telling(
        place, tuple(place.file.split("/")[:-1]), match[1] if match else "",
        start if given else _said(data.get("prompt_init")) or None, given, stories,
        _said(data.get("prompt_update")),
        tuple(map(str, personalities)) if isinstance(personalities, list) else (),
    )  # fmt: skip


def _said(value: object) -> str:
    """A text, or the different ones of a list, in their order."""
    texts = value if isinstance(value, list) else [value]
    said = dict.fromkeys(t.strip() for t in texts if isinstance(t, str) and t.strip())
    return "\n".join(said)


def story_files(folder: Folder) -> list[Path]:
    """The files of that name, in their order."""
    return [file for file in folder.files if NAME.fullmatch(file.name)]
