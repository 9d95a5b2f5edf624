"""From a study to its players: every setting checked and every model found, nothing loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from ..errors import ModelError, StudyError, UnreachableError, nearest
from ..models import Backend, Located, backend_names, get_backend
from ..models.own import Handed
from ..network import Network
from ..steps import Role
from ..store import Run
from ..study import Study, explain
from ._networks import check_kinds, seat_network
from ._seats import SeatSpec

OWN = "own"
"""The backend of a player that is handed over."""
UNREACHABLE = "unreachable:"
"""What the identity of a model begins with that was taken on trust."""


@dataclass(frozen=True)
class Casting:
    """A study with its seats: who plays in which arm."""

    study: Study
    seats: dict[str, SeatSpec]
    networks: dict[str, Network]
    """Arm to its opening and network of seats."""

    @property
    def steps(self) -> int:
        """How many steps the study asks for."""
        return self.study.steps(self.networks.values())

    def fetched(self, say: Callable[[str], None]) -> Casting:
        """The same with every model's files on this machine.

        Raises:
            StudyError: With the model's key, where one cannot be fetched.
        """
        seats = {}
        for name, seat in self.seats.items():
            if seat.located.commit is not None:
                say(f"fetching {seat.settings.path}")
            try:
                located = seat.backend.fetch(seat.settings, seat.located)
            except ModelError as error:
                raise StudyError(f"models.{seat.model}.path: {error}") from error
            seats[name] = replace(seat, located=located)
        return replace(self, seats=seats)


def cast_study(
    study: Study,
    where: str = "study",
    *,
    players: Mapping[str, object] | None = None,
    unreachable: bool = False,
) -> Casting:
    """Check a study's models, settings and networks against the installed backends.

    Args:
        study: The study.
        where: What to call it in errors, usually its file.
        players: Players that are handed over, by the name of the model that each stands for; the
            backend of such a model is ``own``.
        unreachable: Take models on trust that are not on this machine while the hub cannot be
            asked for them; nothing is known of their size.

    Raises:
        StudyError: With the key and the fix, for everything that can be known without loading.
    """
    seats: dict[str, SeatSpec] = {}
    networks: dict[str, Network] = {}
    located: dict[tuple[str, str], Located] = {}
    handed = _handed(study, players or {}, where)
    # What an arm or a sweep sets may be what a model lacks: it has to be right where it plays. A
    # mistake of its own is told as its own, also where no arm uses it.
    alone: dict[str, StudyError] = {}
    for name in study.models:
        try:
            _seat(study, name, {}, where, located, handed, unreachable)
        except StudyError as error:
            alone[name] = error
    played: set[str] = set()
    for arm in study.expanded_arms():
        cast = []
        for model in arm.models:
            changes = arm.settings.get(model, {})
            try:
                cast.append(_seat(study, model, changes, where, located, handed, unreachable))
            except StudyError as error:
                own = any(f".{key}: " in str(error) for key in changes)
                raise (error if own else alone.get(model, error)) from error
        played.update(arm.models)
        # The last of the network plays before its first.
        following = [*cast[1:], cast[len(arm.opening)]]
        check_kinds(study, arm, cast, following, where)
        if study.overlong != "cut":
            cast = _reading_whole(study, cast, following, where)
        seats.update({seat.name: seat for seat in cast})
        networks[arm.name] = seat_network(study, arm, cast, where)
    for name in alone.keys() - played:
        raise alone[name]
    return Casting(study, seats, networks)


def _seat(
    study: Study,
    model: str,
    changes: dict[str, Any],
    where: str,
    located: dict[tuple[str, str], Located],
    handed: Mapping[str, Backend],
    unreachable: bool,
) -> SeatSpec:
    spec = study.models[model]
    key = f"{where}: models.{model}"
    try:
        backend = handed[model] if model in handed else get_backend(spec.backend)
    except ModelError as error:
        raise StudyError(f"{key}.backend: {error}") from error
    try:
        settings = backend.settings.model_validate({**spec.settings, **changes})
    except ValidationError as error:
        prefix = ("arms", "settings", model) if changes else ("models", model)
        raise StudyError(explain(error, where, backend.settings, prefix)) from error
    of = model if model in handed else spec.backend
    place = (of, settings.model_dump_json(exclude={"batch_size"}))
    if place not in located:
        try:
            located[place] = backend.locate(settings)
        except ModelError as error:
            if not (unreachable and isinstance(error, UnreachableError)):
                raise StudyError(f"{key}{'.path' * bool(settings.path)}: {error}") from error
            located[place] = Located(None, UNREACHABLE + settings.path, None)
    label = ", ".join(f"{name}={value}" for name, value in sorted(changes.items()))
    name = f"{model} [{label}]" if label else model
    try:
        role = backend.role(settings)
    except ModelError as error:
        raise StudyError(f"{key}: {error}") from error
    return SeatSpec(name, model, backend, settings, role, located[place])


def _handed(study: Study, players: Mapping[str, object], where: str) -> dict[str, Backend]:
    """Backends of players that are handed over."""
    found: dict[str, Backend] = {}
    for name, player in players.items():
        key = f"{where}: models.{name}"
        if name not in study.models:
            raise StudyError(
                f"{key}: a player is handed over for it, and the study has no such model."
                f"{nearest(name, study.models)}"
            )
        if (backend := study.models[name].backend) != OWN:
            raise StudyError(
                f"{key}.backend is '{backend}', and a player is handed over for it: write "
                f'backend = "{OWN}", so that the run does not say that another one played'
            )
        try:
            found[name] = Handed(player)
        except ModelError as error:
            raise StudyError(f"{key}: {error}") from error
    return found


def _reading_whole(
    study: Study, cast: list[SeatSpec], following: list[SeatSpec], where: str
) -> list[SeatSpec]:
    """Seat each captioner of an arm for the generator that it writes for."""
    for seat in cast:
        if seat.role is Role.GENERATOR and not seat.backend.tells_reading:
            raise StudyError(
                f'{where}: overlong: "{study.overlong}" needs generators that tell what they read '
                f"of a text, and those of models.{seat.model}.backend do not; leave overlong out "
                f"and set 'words' for the captioner instead"
            )
    if study.overlong == "error":
        return cast
    reading = []
    for place, seat in enumerate(cast):
        # A rule that rewrites the text does not read it as the generator after it does.
        after = following[place]
        for further in [*following[place + 1 :], *following]:
            if after.role.reads == after.role.writes:
                after = further
        if seat.role.writes == "text" and after.role is Role.GENERATOR:
            seat = replace(seat, name=f"{seat.name} → {after.name}", reader=after.name)
        reading.append(seat)
    return reading


def steps_done(casting: Casting, run: Run) -> int:
    """How many of the study's steps a run holds, which may have other arms, twins and rounds."""
    study = casting.study
    prompts = {prompt.id for prompt in study.prompts}
    lengths = {arm: network.steps(study.rounds) for arm, network in casting.networks.items()}
    return sum(
        min(count, lengths.get(name.arm, 0))
        for name, count in run.lengths().items()
        if name.prompt in prompts and name.twin < study.twins
    )


def study_schema() -> dict[str, Any]:
    """The JSON Schema of a study file, with the settings of every installed backend.

    An editor that is told of it completes keys and marks mistakes while a study is written.
    """
    schema = Study.model_json_schema()
    definitions = schema["$defs"]
    choices = []
    for name in backend_names():
        model = get_backend(name).settings.model_json_schema()
        definitions.update(model.pop("$defs", {}))
        model["properties"] = {"backend": {"const": name}, **model["properties"]}
        model["required"] = ["backend", *model.get("required", [])]
        definitions[f"{name} model"] = model
        choices.append({"$ref": f"#/$defs/{name} model"})
    definitions["ModelSpec"] = {"oneOf": choices}
    prompts = schema["properties"]["prompts"]
    text = {"type": "string", "minLength": 1}
    prompts["anyOf"] = [
        text,
        {"type": "array", "minItems": 1, "items": {"anyOf": [text, prompts.pop("items")]}},
    ]
    for key in ("type", "minItems"):
        prompts.pop(key, None)
    definitions["Prompt"]["required"] = []
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
