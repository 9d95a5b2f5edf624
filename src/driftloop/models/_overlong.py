"""Players that keep a caption from being longer than the generator after it reads."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from PIL import Image

from ..seeds import digest
from ..steps import Failure, Output, Reading, fullest
from ._budget import cut_to_fit
from ._player import Player
from ._protocols import TextReader

WORDS_A_TOKEN = 0.75
"""Of English, as OpenAI's documentation of its tokenizers has it ("1 token ~= 3/4 words")."""


class Around(Player):
    """A player that plays as another does, with something done before or after.

    All that it does not say otherwise is the other's.
    """

    def __init__(self, player: Player) -> None:
        self.player = player
        self.role = player.role
        self.needs = player.needs
        self.is_rule = player.is_rule
        self.rounds = player.rounds
        self.batch_size = player.batch_size
        self.device = player.device
        self.weights = player.weights
        self.reader = player.reader
        self.test_size = player.test_size
        self.test_seeds = player.test_seeds
        self.can_be_tested = player.can_be_tested
        self.answers_the_same = player.answers_the_same

    @abstractmethod
    def around(self, player: Player) -> Player:
        """The same, done around another player."""

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the player inside."""
        return self.player.fingerprint

    def resized(self, batch_size: int) -> Player:
        """The same player with another micro-batch."""
        return self.around(self.player.resized(batch_size))

    def within(self, words: int) -> Player:
        """The same player told to keep to a number of words, where it can be told."""
        return self.around(self.player.within(words))

    def limits(self) -> dict[str, Any]:
        """The limits of the player inside."""
        return self.player.limits()

    def samples(self, count: int) -> list[str] | list[Image.Image]:
        """Inputs that the player inside takes."""
        return self.player.samples(count)

    def facts(self) -> dict[str, Any]:
        """What the player inside has learnt."""
        return self.player.facts()

    def stop(self) -> None:
        """Stop the player inside."""
        self.player.stop()


class Fitted(Around):
    """A captioner whose captions the generator after it reads whole with one text encoder or more.

    It is told the budget, where it can be told at all, and what it writes beyond is cut at a
    sentence end and recorded.
    """

    def __init__(self, player: Player, reader: TextReader) -> None:
        super().__init__(player.within(int(reader.window * WORDS_A_TOKEN)))
        self._after = reader

    def around(self, player: Player) -> Fitted:
        """Another captioner whose captions are read whole by the same generator."""
        return Fitted(player, self._after)

    @property
    def fingerprint(self) -> str:
        """Of the captioner with its budget, and of what the generator takes."""
        return digest("fitted", self.player.fingerprint, self._after.identity).hex()

    def limits(self) -> dict[str, Any]:
        """The captioner's own, and the budget."""
        return {**self.player.limits(), "caption tokens": self._after.window}

    def play(self, inputs: Sequence[Any], seeds: Sequence[int]) -> list[Output | Failure]:
        """Describe one picture each, in no more than is read."""
        return [self._fit(outcome) for outcome in self.player.play(inputs, seeds)]

    def _fit(self, outcome: Output | Failure) -> Output | Failure:
        if isinstance(outcome, Failure) or not isinstance(outcome.content, str):
            return outcome
        text, rest = cut_to_fit(outcome.content, lambda part: _unread(self._after, part) is None)
        if not rest:
            return outcome
        cut_text = f"{rest} {outcome.cut_text}".rstrip()
        flags = (*outcome.flags, "shortened")
        return replace(outcome, content=text, cut_text=cut_text, flags=flags)


class Refusing(Around):
    """A generator that draws no text of which it would not read all."""

    def __init__(self, player: Player, reader: TextReader) -> None:
        super().__init__(player)
        self._reads = reader

    def around(self, player: Player) -> Refusing:
        """Another generator that draws no text of which it would not read all."""
        return Refusing(player, self._reads)

    def play(self, inputs: Sequence[Any], seeds: Sequence[int]) -> list[Output | Failure]:
        """Draw what is read whole; the rest fails, each by itself."""
        unread = [_unread(self._reads, text) for text in inputs]
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
