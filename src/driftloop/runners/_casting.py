"""From a study to its players: every setting checked and every model found, nothing loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from ..errors import ModelError, StudyError, UnreachableError
from ..models import Backend, Located, Settings, backend_names, get_backend
from ..steps import Role
from ..study import Arm, Study, explain

UNREACHABLE = "unreachable:"
"""What the identity of a model begins with that was taken on trust."""


@dataclass(frozen=True)
class SeatSpec:
    """A player to be: a model with the settings that it has in some arms."""

    name: str
    model: str
    backend: Backend
    settings: Settings
    role: Role
    located: Located

    @property
    def choices(self) -> dict[str, Any]:
        """The settings that decide its outputs and its speed, but for the micro-batch."""
        return self.settings.model_dump(mode="json", exclude={"batch_size"})


@dataclass(frozen=True)
class Casting:
    """A study with its seats: who plays in which arm."""

    study: Study
    seats: dict[str, SeatSpec]
    networks: dict[str, tuple[str, ...]]
    """Arm to the names of its seats, in the order of play."""


def cast_study(study: Study, where: str = "study", *, unreachable: bool = False) -> Casting:
    """Check a study's models, settings and networks against the installed backends.

    Args:
        study: The study.
        where: What to call it in errors, usually its file.
        unreachable: Take models on trust that are not on this machine while the hub cannot be
            asked for them; nothing is known of their size.

    Raises:
        StudyError: With the key and the fix, for everything that can be known without loading.
    """
    seats: dict[str, SeatSpec] = {}
    networks: dict[str, tuple[str, ...]] = {}
    located: dict[tuple[str, str], Located] = {}
    # Models that no arm uses are checked too: a mistake there is still a mistake.
    for name in study.models:
        _seat(study, name, {}, where, located, unreachable)
    for arm in study.expanded_arms():
        names = []
        for model in arm.network:
            seat = _seat(study, model, arm.settings.get(model, {}), where, located, unreachable)
            seats[seat.name] = seat
            names.append(seat.name)
        networks[arm.name] = tuple(names)
        _check_network(study, arm, [seats[name].role for name in names], where)
    return Casting(study, seats, networks)


def _seat(
    study: Study,
    model: str,
    changes: dict[str, Any],
    where: str,
    located: dict[tuple[str, str], Located],
    unreachable: bool,
) -> SeatSpec:
    spec = study.models[model]
    key = f"{where}: models.{model}"
    try:
        backend = get_backend(spec.backend)
    except ModelError as error:
        raise StudyError(f"{key}.backend: {error}") from error
    try:
        settings = backend.settings.model_validate({**spec.settings, **changes})
    except ValidationError as error:
        prefix = ("arms", "settings", model) if changes else ("models", model)
        raise StudyError(explain(error, where, backend.settings, prefix)) from error
    place = (spec.backend, settings.model_dump_json(exclude={"batch_size"}))
    if place not in located:
        try:
            located[place] = backend.locate(settings)
        except ModelError as error:
            if not (unreachable and isinstance(error, UnreachableError)):
                raise StudyError(f"{key}.path: {error}") from error
            located[place] = Located(None, UNREACHABLE + settings.path, None)
    label = ", ".join(f"{name}={value}" for name, value in sorted(changes.items()))
    name = f"{model} [{label}]" if label else model
    return SeatSpec(name, model, backend, settings, backend.role(settings), located[place])


def _check_network(study: Study, arm: Arm, roles: list[Role], where: str) -> None:
    key = f"{where}: arms: '{arm.name}': network"
    told = " → ".join(f"{name} ({role})" for name, role in zip(arm.network, roles, strict=True))
    for before, after in zip(roles, roles[1:] + roles[:1], strict=True):
        if before.writes != after.reads:
            raise StudyError(
                f"{key}: roles must alternate, generator and captioner, also from the last back "
                f"to the first; it is {told}"
            )
    kind = "image" if roles[0] is Role.CAPTIONER else "text"
    for prompt in study.prompts:
        if getattr(prompt, kind) is None:
            raise StudyError(
                f"{key}: it opens with the {roles[0]} {arm.network[0]}, which takes {kind}, but "
                f"the prompt '{prompt.id}' is {'text' if kind == 'image' else 'an image'}"
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
