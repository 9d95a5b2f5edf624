"""What a backend and a player are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, NamedTuple, Protocol

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from ..given import no_truths
from ..steps import Failure, Output, Reading, Role


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


class Player(Protocol):
    """A loaded model.

    One thread at a time plays it, not always the same, while others play beside it.

    It may have more: ``device``, the name of what it computes on, where players take turns (one
    without shares it with nobody); ``weights``, its :class:`Weights`, which it moves in by itself
    when it plays and others may move out when it does not; ``test_size``, the inputs that a
    self-test takes where each of them costs money; ``test_seeds``, the seeds that it can be tested
    with where it cannot answer any other; ``facts()``, what a session has learnt about it for the
    next plan; ``stop()``, asked from another thread, after which what it plays ends soon: what is
    not answered by then is a failure that says so (``stopped``), and is played later; a generator a
    ``reader``, a :class:`TextReader` (or None); a captioner ``within(words)``, the same one told to
    keep to a number of words.
    """

    @property
    def role(self) -> Role:
        """What it does in the loop."""
        ...

    @property
    def batch_size(self) -> int:
        """Inputs a micro-batch."""
        ...

    @property
    def fingerprint(self) -> str:
        """Hash of everything about it that decides its outputs: weights, settings, micro-batch."""
        ...

    def play(self, inputs: Sequence[Any], seeds: Sequence[int]) -> list[Output | Failure]:
        """Answer at most ``batch_size`` inputs, one outcome each, in order.

        The micro-batch is padded to its fixed shape inside, so that an answer does not depend on
        how many came with it. Each seed drives its own sample only.

        Args:
            inputs: Texts for a generator, RGB images for a captioner or an editor.
            seeds: One a sample.
        """
        ...

    def resized(self, batch_size: int) -> Player:
        """The same model, weights shared, with another micro-batch (and fingerprint)."""
        ...

    def limits(self) -> dict[str, Any]:
        """What the model can take and give: tokens it reads, picture size, parameters, dtype."""
        ...

    def samples(self, count: int) -> list[str] | list[Image.Image]:
        """Different inputs that it can take, for self-tests and probes."""
        ...


class Backend(Protocol):
    """Checks and loads the models of one library.

    Where its generators tell what they take of a text, it has ``tells_reading = True``. Where its
    models are on a server, it has ``contact(settings)``, a :class:`Contact`. Where its
    models may have to be fetched, it has ``fetch(settings, located)``, which gives what was located
    with the folder that it then lies in; all of a study's are fetched before the first is loaded.
    """

    settings: type[Settings]
    """The pydantic model of its settings."""

    def role(self, settings: Any) -> Role:
        """The role that a model with these settings plays; imports nothing heavy."""
        ...

    def locate(self, settings: Any) -> Located:
        """Find the model without loading it; asked once for each of its settings in a study.

        Raises:
            ModelError: It does not exist, is not of a kind that this backend runs, or cannot do
                what the settings ask.
        """
        ...

    def recognises(self, folder: str) -> bool:
        """Whether a folder looks like a model of this backend."""
        ...

    def load(self, settings: Any, located: Located) -> Player:
        """Load the model; its micro-batch is the settings', or 1 where they leave it open.

        Args:
            settings: Those of one replica, see :meth:`Settings.replicas`.
            located: What :meth:`locate` found.

        Raises:
            ModelError: With what is missing and how to get it.
        """
        ...
