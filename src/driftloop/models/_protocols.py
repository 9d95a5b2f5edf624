"""What backends and players are made with: settings, places, contacts, readers, weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from ..given import no_truths
from ..steps import Reading


class Settings(BaseModel):
    """Settings that every backend's models have."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    """A folder, a name on the Hugging Face hub, or ``bundled:NAME``."""
    batch_size: Annotated[int, Field(ge=1, le=4096)] | None = None
    """Inputs a micro-batch. By default found by a quick probe, kept with the run and remembered
    for this machine; set it to get the same bits on other machines of the same kind."""

    UNHURRIED: ClassVar[frozenset[str]] = frozenset({"batch_size"})
    """Names of settings that have no bearing on how long a call takes."""
    UNDECIDING: ClassVar[frozenset[str]] = frozenset()
    """Names of settings that have no bearing on what it answers: they may change in mid-run."""

    _copy: int = PrivateAttr(0)

    @model_validator(mode="before")
    @classmethod
    def _numbers_are_numbers(cls, data: Any) -> Any:
        return no_truths(cls, data)

    @property
    def pace(self) -> dict[str, Any]:
        """The settings that decide how long a call takes, and so the best micro-batch."""
        return self.model_dump(mode="json", exclude=set(self.UNHURRIED))

    @property
    def copy_number(self) -> int:
        """Which of the replicas on its device it is, from 0; each has weights of its own."""
        return self._copy

    def replicas(self) -> Sequence[Settings]:
        """The settings of each of the model's replicas, which play at the same time."""
        return [self]

    def price(self, known: dict[str, Any]) -> float | None:
        """Money a call, given what earlier sessions have learnt; None where it cannot be told."""
        return 0.0


class Located(NamedTuple):
    """A model that was found, without loading it."""

    folder: str | None
    """Where its files lie; None where nothing is on this machine (yet)."""
    identity: str
    """Hash or revision of its weights and configuration."""
    size: int | None
    """Bytes of weights on disk."""
    commit: str | None = None
    """The commit on the hub that is to be fetched, where it has to be."""


class Contact(NamedTuple):
    """What is known of a model's server before the model is asked anything."""

    address: str
    key: str
    """The environment variable whose key goes there; empty where none does."""
    trouble: str
    """Why it cannot be asked, and the fix; empty where it can."""


class TextReader(Protocol):
    """What a generator takes of a text, told without drawing; safe to ask from any thread."""

    @property
    def window(self) -> int:
        """Tokens that its text encoder with the most room takes."""
        ...

    @property
    def identity(self) -> str:
        """Hash of everything that decides what it takes."""
        ...

    def read(self, text: str) -> tuple[Reading, ...]:
        """Count what each text encoder takes of a text, and what it does not."""
        ...


class Weights(Protocol):
    """What has to be on a player's device while it plays; one for all players that share it."""

    @property
    def here(self) -> bool:
        """Whether it is there, and could be elsewhere."""
        ...

    def move_in(self) -> None:
        """Bring it onto the device, all or nothing; nothing to do where it is there."""
        ...

    def move_out(self) -> None:
        """Bring it into main memory."""
        ...
