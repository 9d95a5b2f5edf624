"""What a reader gives: rows as they stand in a source, and what of it is kept out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from ..errors import ChainError, printable

MAX_ROWS = 2_000_000
MAX_TEXT = 200_000
"""Characters of a text; a language model that goes on with its own text reaches 20,000."""
MAX_NAME = 200
MAX_ROUND = 1_000_000
MAX_GAP = 1_000
"""Rounds that may be missing in a row: measures hold an array as long as the last round."""
MAX_REJECTED = 100_000

Numbered = Literal["round", "step"]
"""What the numbers of a source count: rounds, or steps (a picture, a caption, a picture ...)."""


class Place(NamedTuple):
    """Where something stands in a source."""

    file: str
    line: int | None
    """From 1, the line of column names too; of Parquet and JSON documents the row; None: a file."""

    def __str__(self) -> str:
        return self.file if self.line is None else f"{self.file}, line {self.line}"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a source, its cells checked one by one but not yet against each other."""

    place: Place
    number: int
    """As it stands in the source."""
    text: str | None = None
    image: str | None = None
    """Digest of a picture that was read."""
    image_notes: tuple[str, ...] = field(default=(), kw_only=True)
    """What was done to it when it was read."""
    failure: str | None = None
    """Why there is neither text nor picture."""
    arm: str | None = None
    trajectory: str | None = None
    prompt_id: str | None = None
    prompt: str | None = None
    prompt_image: str | None = None
    prompt_notes: tuple[str, ...] = field(default=(), kw_only=True)
    twin: str | None = None
    generator: str | None = None
    captioner: str | None = None
    generator_seed: int | None = None
    captioner_seed: int | None = None
    editor: str | None = None
    """Who made the picture of another picture, where that is how it was made."""
    editor_seed: int | None = None
    facts: tuple[tuple[str, str], ...] = ()
    """What else is known of who told the text, such as the instruction, by its name."""
    alone: bool = False
    """Whether what came right before is not its input."""


Kept = Literal["row", "text", "picture", "failure", "repeat", "file"]
"""What is kept out: a whole row, a part of a row that is used, an exact repeat, a whole file."""


class Reject(NamedTuple):
    """Something that is kept out."""

    place: Place
    what: Kept
    reason: str
    content: str
    """Its beginning, to find it by."""


class BadCellError(ValueError):
    """A cell that cannot be used; the message is the reason."""


class Counts(NamedTuple):
    """Each row of a source, counted once."""

    rows: int
    """All that the source has, blank lines and the line of column names left out."""
    used: int
    """Rows of which something is in the run."""
    kept_out: int
    repeats: int
    """Rows that say again what an earlier row said."""
    empty: int = 0
    """Rows whose content the source itself leaves out."""

    def __str__(self) -> str:
        """The sum, as a line."""
        parts = [f"{self.used:,} used"]
        if self.kept_out or self.repeats:
            parts.append(f"{self.kept_out:,} kept out")
        if self.repeats:
            parts.append(f"{self.repeats:,} exact repeats")
        if self.empty:
            parts.append(f"{self.empty:,} without their content")
        return f"rows of the source: {self.rows:,} = {' + '.join(parts)}"


@dataclass
class Account:
    """What a reader noticed on its way."""

    rejected: list[Reject] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Decisions that a reader of the run should know."""
    pictured: set[str | None] = field(default_factory=set)
    """Arms that name pictures, also where none of them can be read."""
    stepwise: bool = False
    """Whether rows have one content each, so that their numbers may be those of steps."""
    unread: set[int] = field(default_factory=set)
    """Numbers of rows that have nothing but a picture which cannot be read."""
    rows: int | None = None
    """Rows that the source has, where its reader counts them as it meets them."""
    used: int = 0
    empty: int = 0
    """Rows whose content the source itself leaves out."""
    _told: dict[str, tuple[int, str]] = field(default_factory=dict)

    def reject(
        self,
        place: Place,
        reason: str,
        content: str = "",
        what: Kept = "row",
    ) -> None:
        """Keep something out.

        Raises:
            ChainError: So much is damaged that the source is more likely misread.
        """
        shown = printable(" ".join(content[:1_000].split())[:120])
        self.rejected.append(Reject(place, what, printable(reason), shown))
        if len(self.rejected) > MAX_REJECTED:
            (reason, count), *_ = self.reasons().most_common(1)
            raise ChainError(
                f"{place.file}: more than {MAX_REJECTED:,} rows cannot be used, {count:,} of them "
                f"because: {reason}. Is it the right file, and are its columns those that "
                f"--column should name?"
            )

    def tell(self, decision: str, example: str = "", times: int = 1) -> None:
        """Count a decision that is made again and again: one note tells all of them.

        Args:
            decision: What was decided.
            example: Where, or about what; the first is told.
            times: How often.
        """
        count, first = self._told.get(decision, (0, example))
        self._told[decision] = (count + times, first)

    def close(self) -> None:
        """Write the notes of decisions that were counted.

        Raises:
            RuntimeError: The rows do not add up, which is a mistake of this program.
        """
        for decision, (count, example) in self._told.items():
            where = f" (the first: {example[:120]})" if example else ""
            self.notes.append(f"{decision}: {count:,}{where}")
        self._told.clear()
        # Names of columns, files and chains are in them.
        self.notes[:] = map(printable, self.notes)
        counts = self.counts()
        if counts.rows != counts.used + counts.kept_out + counts.repeats + counts.empty:
            raise RuntimeError(f"the rows do not add up, which is a bug of Driftloop: {counts}")

    def counts(self) -> Counts:
        """The rows by what became of them."""
        what = Counter(reject.what for reject in self.rejected)
        known = self.used + what["row"] + what["repeat"] + self.empty
        rows = known if self.rows is None else self.rows
        return Counts(rows, self.used, what["row"], what["repeat"], self.empty)

    def reasons(self) -> Counter[str]:
        """How often each reason, numbers in it left out."""
        return Counter(reject.reason.split(":")[0] for reject in self.rejected)


class Reader(Protocol):
    """One kind of source."""

    account: Account
    files: list[Path]
    """The files that it reads, but for pictures that they name."""

    @property
    def numbered(self) -> Numbered | None:
        """What the numbers count; None where the rows themselves are to tell."""
        ...

    def describe(self) -> dict[str, object]:
        """How the source was read, for the record."""
        ...

    def rows(self) -> Iterator[Row]:
        """The rows that can be used; the rest goes to the account."""
        ...


def clean_text(value: str, what: str) -> str:
    """Check a text's length, and that a file can hold it."""
    if len(value) > MAX_TEXT:
        raise BadCellError(
            f"the {what} is too long: {len(value):,} characters of at most {MAX_TEXT:,}"
        )
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        # Bytes that are none of the encoding are read as these, so that only their row is lost.
        if any("\udc80" <= character <= "\udcff" for character in value):
            raise BadCellError(f"the {what} holds a byte that is not of the encoding") from None
        raise BadCellError(f"the {what} holds half a character (a lone surrogate)") from None
    if "\0" in value:
        raise BadCellError(f"the {what} holds a NUL character: the file is binary or damaged")
    return value


def clean_name(value: str, what: str) -> str | None:
    """Check a name of an arm, a prompt, a twin or a model; None where it is blank."""
    name = " ".join(value.split())
    if len(name) > MAX_NAME:
        raise BadCellError(f"the {what} is too long for a name: {len(name):,} characters")
    return clean_text(name, what) or None
