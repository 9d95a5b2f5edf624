"""What a player is: whatever takes a turn in the loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

from PIL import Image

from ..errors import ModelError
from ..network import EVERY_ROUND, Rounds
from ..steps import ONE_INPUT, Failure, Needs, Output, Role
from . import _samples
from ._protocols import TextReader, Weights


class Player(ABC):
    """A loaded model, or whatever else takes a turn.

    One thread at a time plays it, not always the same, while others play beside it.

    A player of your own sets ``role`` and ``batch_size``, in its class or on itself, and has
    ``fingerprint``, ``play`` and ``resized``. All else has a default; set or write what differs.
    A dataclass whose field has no default, where this class has one, says ``= field()``: else it
    takes the one from here.
    """

    role: Role
    """What it does in the loop."""
    batch_size: int
    """Inputs a micro-batch."""
    needs: Needs = ONE_INPUT
    """What its calls take besides the output of the turn before. Each input is then a tuple, in the
    order of :class:`~driftloop.steps.Needs`, with a list in the place of states."""
    is_rule: bool = False
    """Whether it is a rule, which its name in a study tells from others: a round may have several
    rules, where two models of one role are two rounds."""
    rounds: Rounds = EVERY_ROUND
    """The rounds in which it plays where it is in a network."""
    device: str | None = None
    """The name of what it computes on. Players on one device take turns; one without a device
    shares it with nobody."""
    weights: Weights | None = None
    """Its weights where they can be moved: it moves them in by itself when it plays, and others may
    move them out when it does not."""
    reader: TextReader | None = None
    """What it takes of a text, where it is a generator that can tell."""
    test_size: int | None = None
    """The inputs that a test takes at most, where each of them costs money."""
    test_seeds: Sequence[int] = ()
    """The seeds that it can be tested with, where it cannot answer any other."""
    can_be_tested: bool = True
    """Whether tests and probes may play it. One that they may not keeps its micro-batch, and
    nobody knows whether its answers depend on what else is in it."""
    answers_the_same: bool = True
    """Whether it answers the same call in the same way each time that it is asked. A server may
    not, and a person need not: what a run holds is the answer that it got."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Hash of everything about it that decides its outputs: weights, settings, micro-batch."""

    @abstractmethod
    def play(self, inputs: Sequence[Any], seeds: Sequence[int]) -> list[Output | Failure]:
        """Answer at most ``batch_size`` inputs, one outcome each, in order.

        The micro-batch is padded to its fixed shape inside, so that an answer does not depend on
        how many came with it. Each seed drives its own sample only.

        Args:
            inputs: Texts for a generator, RGB images for a captioner or an editor.
            seeds: One a sample.
        """

    @abstractmethod
    def resized(self, batch_size: int) -> Player:
        """The same model, weights shared, with another micro-batch (and fingerprint)."""

    def within(self, words: int) -> Player:
        """The same captioner told to keep to a number of words; itself where it cannot be told."""
        return self

    def limits(self) -> dict[str, Any]:
        """What the model can take and give: tokens it reads, picture size, parameters, dtype."""
        return {}

    def samples(self, count: int) -> list[str] | list[Image.Image]:
        """Different inputs that it can take, for tests; by default texts or pictures, by role."""
        reads_text = self.role.reads == "text"
        return _samples.prompts(count) if reads_text else _samples.pictures(count)

    def facts(self) -> dict[str, Any]:
        """What this session has learnt about it for the next plan."""
        return {}

    def stop(self) -> None:
        """End soon what it plays; asked from another thread.

        What is not answered by then is a failure that says so (``stopped``), and is played later.
        By default it plays to the end of its micro-batch.
        """
        return None


def check_outcomes(player: Player, outcomes: Iterable[Any], count: int) -> list[Output | Failure]:
    """Give back what a player answered, where it is an answer of its role to each input.

    Raises:
        ValueError: It is not; the message says what the player should give.
    """
    given = list(outcomes) if isinstance(outcomes, Iterable) else [outcomes]
    for outcome in given:
        if not isinstance(outcome, Output | Failure):
            raise ValueError(
                f"the model gave {_named(outcome)}, and an answer is a driftloop.steps.Output or "
                f"a Failure, such as Output('a text')"
            )
        if isinstance(outcome, Output) and outcome.reference.kind != player.role.writes:
            raise ValueError(f"a {player.role} gave {outcome.reference.kind}")
    if len(given) != count:
        raise ValueError(f"the model gave {len(given)} answers to {count} inputs")
    return given


def check_class(kind: type[Player]) -> None:
    """Refuse a class of which no player can be made.

    Raises:
        ModelError: It lacks something, by name.
    """
    if lacks := sorted(getattr(kind, "__abstractmethods__", ())):
        raise ModelError(
            f"class {kind.__qualname__} lacks {' and '.join(lacks)}, which a player of its kind has"
        )


def _named(found: object) -> str:
    return "None" if found is None else f"{type(found).__name__} ({str(found)[:40]!r})"


def as_player(found: object) -> Player:
    """Give back what was loaded, where it is a player; each comes in through here.

    Raises:
        ModelError: It is none, or lacks what a player has to set.
    """
    kind = found if isinstance(found, type) else type(found)
    name = f"{kind.__module__}.{kind.__qualname__}"
    if kind is found:
        raise ModelError(f"{name} is a class, and an instance of it is a player")
    if not isinstance(found, Player):
        raise ModelError(
            f"{name} is no player, since it does not inherit from driftloop.models.Player: write "
            f"class {kind.__name__}(Player), which has a default for all that a player may have"
        )
    try:
        role, size = found.role, found.batch_size
    except AttributeError as error:
        raise ModelError(f"{name}: {error}; a player sets its role and its batch_size") from error
    if not isinstance(role, Role):
        raise ModelError(
            f"{name}: its role is {role!r}; set it to one of driftloop.steps.Role, such as "
            f"Role.CAPTIONER"
        )
    if not isinstance(size, int) or size < 1:
        raise ModelError(f"{name}: its batch_size is {size!r}; set it to a number from 1")
    if callable(getattr(kind, "fingerprint", None)):
        raise ModelError(f"{name}: its fingerprint is a method; write @property above it")
    return found
