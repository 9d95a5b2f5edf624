"""Others' chains as an ordinary run folder."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from ..cells import write_csv
from ..errors import ChainError
from ..files import exported
from ..pictures import NOTES
from ..prompts import name_prompt
from ..seeds import digest
from ..steps import Content, Failure, Recorded, Role
from ..store import Run, sole_run
from ._assemble import Chain, Round, assemble
from ._choose import choose_reader, list_source
from ._pictures import Pictures
from ._progress import Advance, progress_bar
from ._rows import MAX_ROWS, Account, Counts, Numbered, Reader, Reject, Row
from ._tables import TableReader

REJECTED = "import-rejected.csv"
DONE = "imported"
"""The outcome of a session that got to its end."""


class Imported(NamedTuple):
    """What an import came to."""

    folder: Path
    trajectories: int
    rounds: int
    texts: int
    pictures: int
    """Places that have one; the same picture may be in several."""
    rejected: list[Reject]
    notes: list[str]
    fresh: bool
    """False where the folder held all of it already."""
    counts: Counts
    """The rows of the source, each counted once."""

    def __str__(self) -> str:
        """All of it in a line, but for what was kept out."""
        return (
            f"{'' if self.fresh else 'nothing new: '}{self.trajectories:,} trajectories, "
            f"{self.rounds:,} rounds, {self.texts:,} texts and {self.pictures:,} pictures in "
            f"{self.folder}"
        )


def import_chains(
    source: str | PathLike[str],
    folder: str | PathLike[str],
    *,
    columns: Mapping[str, str] | None = None,
    images: str | PathLike[str] | None = None,
    numbered: Numbered | None = None,
    first: int | None = None,
    encoding: str | None = None,
    progress: bool | None = None,
) -> Imported:
    """Read chains that others made into a run folder, which then is like any other.

    What is damaged is kept out and listed in the folder's ``import-rejected.csv``. Importing the
    same source again changes nothing; an import that was killed goes on.

    Args:
        source: A table (CSV, JSON, JSON lines, Parquet), a folder with a table or with Parquet
            files, a folder of generations (``gen-N/``, ``gen-N.csv``), an export of panic-tda, JSON
            files of TelephoneGameLLM or LLM-Culture, or pictures with captions beside them.
        folder: The run folder.
        columns: Column names of a table by meaning, where they cannot be guessed.
        images: The folder that paths of pictures start from and may not leave; by default the
            source's own.
        numbered: What a table's round column counts: ``round`` or ``step`` (a picture and its
            caption have numbers of their own). By default steps where texts and pictures
            alternate, else rounds.
        first: The number of the first round, or step, where that is neither 1 nor 0.
        encoding: Of text files, where it is not what they look like.
        progress: Show a progress bar on the error stream; by default only on a terminal.

    Raises:
        ChainError: The source cannot be read at all, or the folder holds something else.
        StoreError: The folder cannot be written.
    """
    source, folder = Path(source), Path(folder)
    base = Path(images) if images is not None else source if source.is_dir() else source.parent
    if not base.is_dir():
        raise ChainError(f"{base}: no such folder")
    pictures = Pictures(base)
    listed = list_source(source)
    reader = choose_reader(listed, source, pictures, columns or {}, numbered, encoding)
    with (
        sole_run(folder) as run,
        progress_bar(progress) as advance,
    ):
        held = _held(run)
        if not (held and held["done"]):
            pictures.keep = run.put_images
        chains = _read(source, reader, first, advance)
        pictures.flush()
        reader.account.notes += pictures.notes()
        read = {file.resolve() for file in reader.files} | pictures.read
        reader.account.notes += listed.note_unread(read)
        if not chains:
            raise ChainError(f"{source}: no chain in it can be used{_why(reader.account)}")
        reader.account.notes += _changes(chains)
        content = _content(chains)
        if held and held.get("content") != content:
            raise ChainError(
                f"{folder} holds other chains, imported from {held.get('source')}; choose another "
                f"folder with --out, or delete that one"
            )
        fresh = not (held and held["done"])
        if fresh:
            _write(run, source, reader, chains, content, advance)
        _write_rejected(folder / REJECTED, reader.account.rejected)
    rounds = [round for chain in chains for round in chain.rounds.values()]
    return Imported(
        folder, len(chains), len(rounds), sum(r.text is not None for r in rounds),
        sum(r.image is not None for r in rounds), reader.account.rejected, reader.account.notes,
        fresh, reader.account.counts(),
    )  # fmt: skip


def check_numbered(word: str) -> Numbered:
    """Check what a user says that numbers count."""
    if word == "round":
        return "round"
    if word == "step":
        return "step"
    raise ChainError(f"--numbered {word}: numbers count a 'round' or a 'step'")


def _held(run: Run) -> dict[str, Any] | None:
    """What an earlier import left in the folder.

    Raises:
        ChainError: The folder holds a run that was played.
    """
    studies = run.studies()
    if not all("imported" in study for study in studies) or (len(run) and not studies):
        raise ChainError(
            f"{run.folder} holds a run that was played; choose another folder with --out"
        )
    if not studies:
        return None
    done = any(session["outcome"] == DONE for session in run.sessions())
    return {**studies[-1]["imported"], "done": done}


def _read(source: Path, reader: Reader, first: int | None, advance: Advance) -> list[Chain]:
    def rows() -> Iterator[Row]:
        for count, row in enumerate(reader.rows(), 1):
            if count > MAX_ROWS:
                raise ChainError(
                    f"{source}: more than {MAX_ROWS:,} rows; split it by trajectories and import "
                    f"each part into a folder of its own"
                )
            if count % 100 == 0:
                advance("rows read", 100, None)
            yield row

    chains = assemble(
        rows(), reader.account, numbered=reader.numbered, first=first,
        tell_apart=reader.tell_apart if isinstance(reader, TableReader) else None,
    )  # fmt: skip
    reader.account.close()
    return chains


def _write(
    run: Run, source: Path, reader: Reader, chains: Sequence[Chain], content: str, advance: Advance
) -> None:
    account = reader.account
    about = {"source": source.name, "content": content, **reader.describe()}
    starts = {chain.name.prompt: chain.start for chain in chains}
    run.begin(
        study=json.dumps({"title": f"{source.name}, imported", "imported": about}),
        digest=content,
        prompts=[(id, start, "imported") for id, start in starts.items() if start is not None],
        environment={
            "versions": {"driftloop": version("driftloop")},
            "kept out": len(account.rejected),
            "notes": account.notes,
        },
        flags={chain.name.prompt: chain.start_notes for chain in chains if chain.start_notes},
    )
    known = set(run.trajectories())
    players: set[str] = set()
    arms = {arm or "imported" for arm in account.pictured}
    for chain in chains:
        steps = list(_steps(chain, chain.name.arm in arms))
        for step in steps:
            if step.fingerprint not in players:
                players.add(step.fingerprint)
                run.add_player(
                    step.fingerprint, step.model, step.role, None,
                    {
                        "settings": {"backend": "imported", **dict(step.settings)},
                        "invariance": {"verdict": "unknown"},
                    },
                )  # fmt: skip
        if chain.name not in known:
            run.record(chain.name, steps)
        advance("chains written", 1, len(chains))
    run.end(DONE)


def _steps(chain: Chain, pictured: bool) -> Iterator[Recorded]:
    """A chain's steps; an input is what came right before, where that is known."""
    last: Content | None = chain.start
    before = 0
    # A chain that starts from a picture begins each round with a caption.
    order = ("text", "image") if last is not None and last.kind == "image" else ("image", "text")
    for number, round in chain.rounds.items():
        if number != before + 1:
            last = None
        before = number
        for kind in order if pictured else ("text",):
            row: Row | None = getattr(round, kind)
            if row is None:
                last = None
                continue
            step = _step(number, kind, row, None if row.alone else last, pictured)
            yield step
            last = step.outcome if not isinstance(step.outcome, Failure) else None
        if round.failure is not None:
            kind = next((k for k in order if getattr(round, k) is None), order[-1])
            yield _step(number, kind if pictured else "text", round.failure, last, pictured)


def _step(number: int, kind: str, row: Row, last: Content | None, pictured: bool) -> Recorded:
    if kind == "image":
        role, model, seed = _painter(row)
    else:
        role = Role.CAPTIONER if pictured else Role.WRITER
        model, seed = row.captioner, row.captioner_seed
    model = model or f"unknown {role}"
    outcome: Content | Failure
    flags: tuple[str, ...] = ()
    if kind == "image" and row.image is not None:
        outcome = Content("image", row.image)
        flags = row.image_notes
    elif kind == "text" and row.text is not None:
        outcome = Content("text", row.text)
        flags = () if row.text.strip() else ("empty",)
    else:
        outcome = Failure(row.failure or "")
    fits = last is not None and last.kind == role.reads
    settings = row.facts if kind == "text" else ()
    if settings:
        # Who was told something else is another player, and a name stands for one.
        model = f"{model} ({name_prompt(' '.join(dict(settings).values()))})"
    print_ = digest("imported", model, role).hex()
    return Recorded(
        number, role, model, print_, last if fits else None, outcome, seed, flags, settings
    )


def _painter(row: Row) -> tuple[Role, str | None, int | None]:
    """Who made a row's picture: the editor where there is one, who comes after a generator."""
    if row.editor is not None:
        return Role.EDITOR, row.editor, row.editor_seed
    return Role.GENERATOR, row.generator, row.generator_seed


def _changes(chains: Iterable[Chain]) -> Iterator[str]:
    """What was done to pictures so that they could be read, counted."""
    starts = {chain.name.prompt: chain.start_notes for chain in chains}
    told = [round.image.image_notes for chain in chains for round in chain.rounds.values()
            if round.image]  # fmt: skip
    told = [notes for notes in (*starts.values(), *told) if notes]
    counts = Counter(note for notes in told for note in notes)
    if counts:
        some = ", ".join(f"{note} {counts[note]:,}" for note in NOTES if note in counts)
        yield f"pictures that were changed when they were read: {len(told):,} ({some})"


def _content(chains: Iterable[Chain]) -> str:
    """Hash of everything that is imported, so that the same is known again."""
    hasher = hashlib.sha256()
    for chain in sorted(chains, key=lambda chain: chain.name):
        rounds = [(number, _facts(round)) for number, round in chain.rounds.items()]
        hasher.update(json.dumps([chain.name, chain.start, rounds]).encode() + b"\n")
    return hasher.hexdigest()


def _facts(round: Round) -> list[Any]:
    text, image, failure = round.text, round.image, round.failure
    return [
        text and (text.text, text.captioner, text.captioner_seed),
        image and (image.image, *_painter(image)[1:]),
        failure and failure.failure,
    ]


def _why(account: Account) -> str:
    found = account.reasons().most_common(3)
    if not found:
        return "; it is empty"
    return "; kept out: " + "; ".join(f"{count:,} times {reason}" for reason, count in found)


def _write_rejected(path: Path, rejected: Sequence[Reject]) -> None:
    if not rejected:
        path.unlink(missing_ok=True)
        return
    rows = ((place.file, place.line, what, reason, text) for place, what, reason, text in rejected)
    with exported(path) as stream:
        write_csv(stream, ["file", "line", "what", "reason", "content"], rows)
