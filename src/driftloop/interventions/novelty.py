"""Rule ``novelty``: of several captions the one is kept that is farthest from an archive.

The archive is what the trajectory has been through, or what its arm's other trajectories say.
The captioner before it in the network is asked ``candidates`` times in a round, each time with
another seed; the first of them is what it would have said without the rule.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from ..encoders import get_encoder
from ..models import Located
from ..steps import Needs, Output, Role
from ._rule import Given, Rule, RuleBackend, RuleSettings

REMEMBERED = 50_000
"""Texts whose vectors are kept."""


class NoveltySettings(RuleSettings):
    """How many are compared, and with what."""

    candidates: Annotated[int, Field(ge=2, le=64)] = 3
    """Captions of a picture to choose from."""
    archive: Literal["past", "peers"] = "past"
    """``past``: the trajectory's own states. ``peers``: those of the arm's other trajectories at
    the end of the round before, for which all wait."""
    encoder: str = "lexical"
    """What measures the distance: an encoder of texts, as ``driftloop report`` takes it."""

    @property
    def needs(self) -> Needs:
        """The candidates and the archive."""
        past, peers = self.archive == "past", self.archive == "peers"
        return Needs(candidates=self.candidates, past=past, peers=peers)


class Novelty(Rule):
    """Keeps the candidate whose nearest neighbour in the archive is farthest."""

    role = Role.CHOOSER
    settings_type = NoveltySettings
    settings: NoveltySettings

    def __init__(self, settings: NoveltySettings, identity: str = "") -> None:
        super().__init__(settings, identity)
        self._encoder = get_encoder(settings.encoder, "text")
        self._known: dict[str, np.ndarray[Any, Any]] = {}

    def answer(self, given: Given, random: random.Random) -> Output:
        """The candidate to go on with; the first where the archive is empty, and of equal ones."""
        archive = [text for text in (*given.past, *given.peers) if text.strip()]
        if not archive:
            return Output(given.text, flags=("nothing to compare with yet",))
        candidates, there = self._vectors(given.candidates), self._vectors(archive)
        # A text without a word has no vector: it is near to nothing, and kept only among its like.
        near = (candidates @ np.nan_to_num(there).T).max(axis=1)
        distances = np.nan_to_num(1 - near, nan=-1.0).round(6)
        best = int(np.argmax(distances))
        told = f"candidate {best + 1} of {len(distances)}: {distances[best]:.3f} from the nearest"
        return Output(given.candidates[best], flags=(f"{told}, the first {distances[0]:.3f}",))

    def _vectors(self, texts: Sequence[str]) -> np.ndarray[Any, Any]:
        """Vectors of texts, each encoded by itself once: an archive comes again every round."""
        if len(self._known) > REMEMBERED:
            self._known.clear()
        for text in texts:
            if text not in self._known:
                self._known[text] = np.asarray(self._encoder.encode([text])[0], dtype=float)
        return np.stack([self._known[text] for text in texts])


class NoveltyBackend(RuleBackend):
    """Names the encoder's weights."""

    def locate(self, settings: RuleSettings) -> Located:
        """Find the encoder.

        Raises:
            ModelError: There is none of that name, or it is not of texts.
        """
        assert isinstance(settings, NoveltySettings)
        return Located(None, f"novelty by {get_encoder(settings.encoder, 'text').identity}", 0)


backend = NoveltyBackend(Novelty)
