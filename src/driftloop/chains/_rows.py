"""What a reader gives: rows as they stand in a source, and what of it is kept out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from ..errors import ChainError

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
    """Of a table from 1, its header included; of a Parquet file its row; None for a whole file."""

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


class Reject(NamedTuple):
    """Something that is kept out."""

    place: Place
    what: Literal["row", "picture", "file"]
    reason: str
    content: str
    """Its beginning, to find it by."""


class BadCellError(ValueError):
    """A cell that cannot be used; the message is the reason."""


@dataclass
class Account:
    """What a reader noticed on its way."""

    rejected: list[Reject] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Decisions that a reader of the run should know."""
    pictured: set[str | None] = field(default_factory=set)
    """Arms that name pictures, also where none of them can be read."""

    def reject(
        self,
        place: Place,
        reason: str,
        content: str = "",
        what: Literal["row", "picture", "file"] = "row",
    ) -> None:
        """Keep something out.

        Raises:
            ChainError: So much is damaged that the source is more likely misread.
        """
        self.rejected.append(Reject(place, what, reason, " ".join(content.split())[:120]))
        if len(self.rejected) > MAX_REJECTED:
            (reason, count), *_ = self.reasons().most_common(1)
            raise ChainError(
                f"{place.file}: more than {MAX_REJECTED:,} rows cannot be used, {count:,} of them "
                f"because: {reason}. Is it the right file, and are its columns those that "
                f"--column should name?"
            )

    def reasons(self) -> Counter[str]:
        """How often each reason, numbers in it left out."""
        return Counter(reject.reason.split(":")[0] for reject in self.rejected)


class Reader(Protocol):
    """One kind of source."""

    numbered: Numbered
    account: Account

    def describe(self) -> dict[str, object]:
        """How the source was read, for the record."""
        ...

    def rows(self) -> Iterator[Row]:
        """The rows that can be used; the rest goes to the account."""
        ...


def whole_number(cell: str, what: str) -> int:
    """Read an integer, also as ``3.0``, which tables with a missing cell turn it into.

    >>> whole_number(" 3.0 ", "round")
    3
    """
    text = cell.strip()
    whole, dot, rest = text.partition(".")
    if dot and not rest.strip("0"):
        text = whole
    try:
        if len(text) > 20:
            raise ValueError
        return int(text)
    except ValueError:
        raise BadCellError(f"the {what} is not a whole number: {cell.strip()[:40]!r}") from None


def clean_text(value: str, what: str) -> str:
    """Check a text's length, and that a file can hold it."""
    if len(value) > MAX_TEXT:
        raise BadCellError(
            f"the {what} is too long: {len(value):,} characters of at most {MAX_TEXT:,}"
        )
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
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
