"""What rules have in common."""

from __future__ import annotations

import random
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from copy import copy
from typing import Annotated, Any, ClassVar, NamedTuple, Self

from pydantic import Field, model_validator

from ..errors import ModelError
from ..models import Backend, Located, Player, Settings, check_class
from ..models.own import INCLUDED
from ..network import Rounds
from ..seeds import digest
from ..steps import ONE_INPUT, Failure, Needs, Output, Role


class RuleSettings(Settings):
    """Settings that every rule has."""

    path: str = ""
    """Where its data is, for rules that have some."""
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 64
    every: Annotated[int, Field(ge=1)] = 1
    """It acts in every so-many-th round: with 5 in the rounds 5, 10, 15 and so on."""
    start: Annotated[int, Field(ge=1)] | None = None
    """The first round in which it acts, by default ``every``."""
    until: Annotated[int, Field(ge=1)] | None = None
    """The last round in which it may act."""

    @model_validator(mode="after")
    def _acts(self) -> Self:
        first = self.rounds.first
        if self.until is not None and self.until < first:
            raise ValueError(f"it never acts: its first round is {first} and its last {self.until}")
        return self

    @property
    def needs(self) -> Needs:
        """What the rule is told besides the text."""
        return ONE_INPUT

    @property
    def rounds(self) -> Rounds:
        """The rounds in which it acts."""
        return Rounds(self.every, self.start, self.until)

    @property
    def choices(self) -> dict[str, Any]:
        """The settings that decide what it gives; when it acts, the network says."""
        when = {"path", "batch_size", "every", "start", "until"}
        return self.model_dump(mode="json", exclude=when)


class Given(NamedTuple):
    """What a rule is told of a step."""

    text: str
    """What it may rewrite: of several candidates the first."""
    candidates: tuple[str, ...]
    """All that it may choose from."""
    start: str | None
    """The prompt, where the rule needs it."""
    past: tuple[str, ...]
    """The trajectory's states at the end of each round before, where the rule needs them."""
    peers: tuple[str, ...]
    """Those of the arm's other trajectories at the end of the round before, where it needs them."""


class Rule(Player):
    """A rule: a text, or several, in; one text out, decided by what it is told and its seed alone.

    One of your own has ``answer``, and sets ``version`` to another text whenever it answers
    otherwise than before. Where it has settings of its own, ``settings_type`` is their class.

    Args:
        settings: What the study says of it.
        identity: What names its data.
    """

    role = Role.WRITER
    is_rule = True
    settings_type: ClassVar[type[RuleSettings]] = RuleSettings
    """The class of its settings."""
    version: str = "1"

    def __init__(self, settings: RuleSettings, identity: str = "") -> None:
        self.settings = settings
        self.batch_size = settings.batch_size
        self.needs = self.needs_with(settings)
        self.rounds = settings.rounds
        self._identity = identity

    @classmethod
    def needs_with(cls, settings: RuleSettings) -> Needs:
        """What it needs: as its settings say, and where they say nothing, its class."""
        return cls.needs if settings.needs == ONE_INPUT else settings.needs

    @abstractmethod
    def answer(self, given: Given, random: random.Random) -> str | Output | Failure:
        """What goes on.

        Args:
            given: What the rule is told.
            random: Random numbers of this step, from its seed.

        Returns:
            A text; an :class:`~driftloop.steps.Output` with a flag that says what was done; or a
            failure with the reason, which stops the trajectory.
        """

    @property
    def fingerprint(self) -> str:
        """Class, version, data and the settings that decide what it gives."""
        kind = type(self)
        # Where a file lies decides nothing: with it, a run could not go on on another machine.
        home = "own" if kind.__module__.startswith(INCLUDED) else kind.__module__
        parts = f"{home}.{kind.__qualname__}", self.version, self._identity
        return digest("rule", *parts, *sorted(self.settings.choices.items())).hex()

    def play(self, inputs: Sequence[Any], seeds: Sequence[int]) -> list[Output | Failure]:
        """Answer each by itself; what raises fails by itself."""
        return [self._one(item, seed) for item, seed in zip(inputs, seeds, strict=True)]

    def resized(self, batch_size: int) -> Self:
        """The same rule with another micro-batch, which decides nothing of what it gives."""
        other = copy(self)
        other.settings = self.settings.model_copy(update={"batch_size": batch_size})
        other.batch_size = batch_size
        return other

    def samples(self, count: int) -> list[Any]:
        """Texts, with what else it needs."""
        more = max(self.needs.candidates, 2)
        texts = [str(text) for text in super().samples(count + more)]
        if self.needs == ONE_INPUT:
            return texts[:count]
        return [(*self._sample(texts[at : at + more]),) for at in range(count)]

    def _sample(self, texts: list[str]) -> Iterator[Any]:
        yield from texts[: self.needs.candidates]
        if self.needs.start:
            yield texts[0]
        if self.needs.past:
            yield texts
        if self.needs.peers:
            yield from (texts, texts[-1])

    def _one(self, item: Any, seed: int) -> Output | Failure:
        given = self._given(item)
        if isinstance(given, Failure):
            return given
        found = self.answer(given, random.Random(seed))
        return Output(found) if isinstance(found, str) else found

    def _given(self, item: Any) -> Given | Failure:
        parts = iter((item,) if isinstance(item, str) else item)
        candidates = tuple(next(parts) for _ in range(self.needs.candidates))
        start = next(parts) if self.needs.start else None
        past = tuple(next(parts)) if self.needs.past else ()
        peers = list(next(parts)) if self.needs.peers else []
        if self.needs.peers and (own := next(parts)) in peers:
            peers.remove(own)
        told = Given(candidates[0], candidates, start, past, tuple(peers))
        texts = [*candidates, *past, *peers] + ([start] if self.needs.start else [])
        if not all(isinstance(text, str) for text in texts):
            return Failure("the rule takes texts, and one of the states that it looks at is none")
        return told


class RuleBackend(Backend):
    """Makes a rule known.

    Args:
        rule: Its class.

    Raises:
        ModelError: The class of its settings is none.
    """

    is_rule = True

    def __init__(self, rule: type[Rule]) -> None:
        if not issubclass(rule.settings_type, RuleSettings):
            raise ModelError(
                f"{rule.__qualname__}.settings_type has to inherit from "
                f"driftloop.interventions.RuleSettings: class "
                f"{rule.settings_type.__name__}(RuleSettings)"
            )
        self.rule = rule
        self.settings = rule.settings_type

    def role(self, settings: RuleSettings) -> Role:
        """As the rule's class says."""
        return self.rule.role

    def needs(self, settings: RuleSettings) -> Needs:
        """As its settings say, or its class."""
        return self.rule.needs_with(settings)

    def rounds(self, settings: RuleSettings) -> Rounds:
        """As its settings say."""
        return settings.rounds

    def locate(self, settings: RuleSettings) -> Located:
        """Nothing has to be found, but for rules with data."""
        return Located(None, f"rule {self.rule.__qualname__} {self.rule.version}", 0)

    def load(self, settings: RuleSettings, located: Located) -> Rule:
        """Make the rule.

        Raises:
            ModelError: Its class lacks something.
        """
        check_class(self.rule)
        return self.rule(settings, located.identity)
