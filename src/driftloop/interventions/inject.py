"""Rule ``inject``: a text of a collection comes in, chosen by the step's seed.

The collection is a prompt set that ships, or a file with a text a line (or any other prompt file).
"""

from __future__ import annotations

import random
from typing import Literal, Self

from pydantic import model_validator

from ..models import Located, load_texts, locate_texts
from ..steps import Output
from ._rule import Given, Rule, RuleBackend, RuleSettings


class InjectSettings(RuleSettings):
    """What comes in, and how."""

    how: Literal["append", "prepend", "replace"] = "append"
    """After the caption, before it, or in its place."""

    @model_validator(mode="after")
    def _has_texts(self) -> Self:
        if not self.path:
            raise ValueError("a rule of this kind needs a path: a prompt set or a file of texts")
        return self


class Inject(Rule):
    """Brings a text in."""

    settings_type = InjectSettings
    settings: InjectSettings

    def __init__(self, settings: InjectSettings, identity: str = "") -> None:
        super().__init__(settings, identity)
        self._texts = load_texts(settings.path)

    def answer(self, given: Given, random: random.Random) -> Output:
        """The caption with a text of the collection."""
        text = random.choice(self._texts)
        parts = {"append": (given.text, text), "prepend": (text, given.text), "replace": (text,)}
        whole = " ".join(part.strip() for part in parts[self.settings.how])
        return Output(whole, flags=(f"brought in: {text}",))


class InjectBackend(RuleBackend):
    """Finds the collection."""

    def locate(self, settings: RuleSettings) -> Located:
        """Name the collection by its content.

        Raises:
            ModelError: There is none at the path.
        """
        return Located(None, locate_texts(settings.path, "texts"), 0)


backend = InjectBackend(Inject)
