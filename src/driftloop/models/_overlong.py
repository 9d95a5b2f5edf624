"""Players that keep a caption from being longer than the generator after it reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..seeds import digest
from ..steps import Failure, Output, Reading, Role, fullest
from ._budget import cut_to_fit
from ._protocols import Player, TextReader

WORDS_A_TOKEN = 0.75
"""Of English, as OpenAI's documentation of its tokenizers has it ("1 token ~= 3/4 words")."""


class Around:
    """A player that plays as another does, with something done before or after."""

    def __init__(self, player: Player) -> None:
        self.player = player

    def __getattr__(self, name: str) -> Any:
        # What only some players have is there where the one inside has it.
        if name == "player":
            raise AttributeError(name)
        return getattr(self.player, name)

    @property
    def role(self) -> Role:
        """The role of the player inside."""
        return self.player.role

    @property
    def batch_size(self) -> int:
        """The micro-batch of the player inside."""
        return self.player.batch_size

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the player inside."""
        return self.player.fingerprint

    def limits(self) -> dict[str, Any]:
        """The limits of the player inside."""
        return self.player.limits()

    def samples(self, count: int) -> list[Any]:
        """Inputs that the player inside takes."""
        return list(self.player.samples(count))


class Fitted(Around):
    """A captioner whose captions the generator after it reads whole with one text encoder or more.

    It is told the budget, where it can be told at all, and what it writes beyond is cut at a
    sentence end and recorded.
    """

    def __init__(self, player: Player, reader: TextReader) -> None:
        within = getattr(player, "within", None)
        super().__init__(within(int(reader.window * WORDS_A_TOKEN)) if within else player)
        self.reader = reader

    @property
    def fingerprint(self) -> str:
        """Of the captioner with its budget, and of what the generator takes."""
        return digest("fitted", self.player.fingerprint, self.reader.identity).hex()

    def limits(self) -> dict[str, Any]:
        """The captioner's own, and the budget."""
        return {**self.player.limits(), "caption tokens": self.reader.window}

    def resized(self, batch_size: int) -> Fitted:
        """The same captioner with another micro-batch."""
        return Fitted(self.player.resized(batch_size), self.reader)

    def play(self, inputs: Sequence[Any], seeds: Sequence[int]) -> list[Output | Failure]:
        """Describe one picture each, in no more than is read."""
        return [self._fit(outcome) for outcome in self.player.play(inputs, seeds)]

    def _fit(self, outcome: Output | Failure) -> Output | Failure:
        if isinstance(outcome, Failure) or not isinstance(outcome.content, str):
            return outcome
        text, rest = cut_to_fit(outcome.content, lambda part: _unread(self.reader, part) is None)
        if not rest:
            return outcome
        cut_text = f"{rest} {outcome.cut_text}".rstrip()
        flags = (*outcome.flags, "shortened")
        return replace(outcome, content=text, cut_text=cut_text, flags=flags)


class Refusing(Around):
    """A generator that draws no text of which it would not read all."""

    def __init__(self, player: Player, reader: TextReader) -> None:
        super().__init__(player)
        self.reader = reader

    def resized(self, batch_size: int) -> Refusing:
        """The same generator with another micro-batch."""
        return Refusing(self.player.resized(batch_size), self.reader)

    def play(self, inputs: Sequence[Any], seeds: Sequence[int]) -> list[Output | Failure]:
        """Draw what is read whole; the rest fails, each by itself."""
        unread = [_unread(self.reader, text) for text in inputs]
        whole = [place for place, reading in enumerate(unread) if reading is None]
        drawn = (
            self.player.play([inputs[at] for at in whole], [seeds[at] for at in whole])
            if whole
            else []
        )
        outcomes: dict[int, Output | Failure] = dict(zip(whole, drawn, strict=True))
        for place, reading in enumerate(unread):
            if reading is not None:
                outcomes[place] = Failure(
                    f"the text has {reading.tokens + reading.cut} tokens and {reading.tokens} are "
                    f'read (overlong = "error"); not read: {reading.cut_text}'
                )
        return [outcomes[place] for place in range(len(inputs))]


def _unread(reader: TextReader, text: str) -> Reading | None:
    """Of the text encoder that reads the most, where not even that one reads the whole text."""
    reading = fullest(reader.read(text))
    return reading if reading is not None and reading.cut else None
