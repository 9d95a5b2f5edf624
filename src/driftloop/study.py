"""A study: what to run, as one TOML file that is checked before anything is loaded.

>>> study = Study.model_validate({
...     "rounds": 3,
...     "prompts": ["a ship at sea"],
...     "models": {"draw": {"backend": "diffusers", "path": "bundled:postcard-sdxl"},
...                "look": {"backend": "transformers", "path": "bundled:postcard-llava"}},
...     "arms": [{"name": "autonomous", "network": ["draw", "look"]}],
... })
>>> study.trajectories
1
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from .errors import DriftloopError, StudyError, nearest
from .given import expand, no_truths, read_text, read_toml
from .network import Network, Turn
from .prompts import Prompt, load_prompts, resolve_images, shipped

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+ -]*$", max_length=80)]
Setting = str | int | float | bool | None
Overlong = Literal["cut", "budget", "error"]

MAX_ROUNDS = 500_000_000
"""Of all trajectories together."""
MAX_ARMS = 100_000
"""That lists and sweeps may come to."""


def _nothing(value: object) -> bool:
    return not value


class ModelSpec(BaseModel):
    """One player: the backend that runs it, and that backend's own settings."""

    model_config = ConfigDict(extra="allow", frozen=True)

    backend: str
    """Name of an installed backend, e.g. ``diffusers`` or ``transformers``."""

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that the backend checks."""
        return dict(self.model_extra or {})


class Arm(BaseModel):
    """A network of models, with the settings that set it apart from other arms."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    network: Annotated[list[str | list[str]], Field(min_length=1)]
    """Names of models in the order of play, then again from the first. A list in a place stands for
    an arm with each of its models there: ``[["sdxl", "flux"], ["llava", "blip"]]`` is four arms."""
    opening: Annotated[list[str | list[str]], Field(exclude_if=_nothing)] = []
    """Names of models that play once, before the network goes round; places as in ``network``.
    ``opening = ["sdxl"]`` before ``network = ["repaint"]`` draws the prompt, and from then on
    pictures are made of pictures."""
    settings: dict[str, dict[str, Setting]] = {}
    """Settings of single models in this arm, e.g. ``{ llava = { temperature = 1.2 } }``."""
    sweep: dict[str, Annotated[list[Setting], Field(min_length=1)]] = {}
    """Lists of settings to try, e.g. ``{ "llava.temperature" = [0.2, 0.7] }``: an arm for each
    combination."""

    @property
    def count(self) -> int:
        """How many arms its lists and sweeps come to at most, without writing them out."""
        sweeps = math.prod(len(values) for values in self.sweep.values())
        return sweeps * math.prod(len(models) for models in self.places)

    @property
    def places(self) -> list[list[str]]:
        """The models that may play at each place of the opening, then of the network."""
        places = self.opening + self.network
        return [[place] if isinstance(place, str) else place for place in places]

    @property
    def models(self) -> list[str]:
        """All models that play in some of its openings and networks."""
        return list(dict.fromkeys(itertools.chain(*self.places)))


class PlayedArm(NamedTuple):
    """One of the arms that an :class:`Arm` stands for, with its choices made."""

    name: str
    opening: list[str]
    network: list[str]
    settings: dict[str, dict[str, Setting]]

    @property
    def models(self) -> list[str]:
        """The models of its opening, then of its network."""
        return self.opening + self.network

    def seated(self, turns: Sequence[Turn]) -> Network:
        """Its network once it is known who plays there: a turn for each of its `models`."""
        before = len(self.opening)
        return Network(tuple(turns[before:]), opening=tuple(turns[:before]))


class Study(BaseModel):
    """What to run. Arms share prompts and seeds, so that they can be compared."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = ""
    """A line for the report."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """The root of every seed."""
    rounds: Annotated[int, Field(ge=1, le=1_000_000)]
    """Rounds a trajectory: in the usual network one image and the caption of it each. No role plays
    twice in a round, and a turn of the network begins one."""
    twins: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """Trajectories that share an arm and a prompt and differ in their seeds only."""
    overlong: Overlong = "cut"
    """What becomes of a caption that is longer than the generator after it reads: what is not read
    is ``cut`` off and recorded; a ``budget`` is told to the captioner, and its caption shortened at
    a sentence end to what is read whole; or an ``error`` stops the trajectory."""
    prompts: Annotated[list[Prompt], Field(min_length=1)]
    """A set that ships, the path of a file, or a list of texts."""
    models: Annotated[dict[Name, ModelSpec], Field(min_length=1)]
    arms: Annotated[list[Arm], Field(min_length=1)]

    @model_validator(mode="before")
    @classmethod
    def _numbers_are_numbers(cls, data: Any) -> Any:
        return no_truths(cls, data)

    @field_validator("prompts", mode="before")
    @classmethod
    def _named_set(cls, value: Any) -> Any:
        return load_prompts(value, Path()) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _hangs_together(self) -> Study:
        arms = sum(arm.count for arm in self.arms)
        if arms > MAX_ARMS:
            raise ValueError(
                f"arms: lists and sweeps come to {_large(arms)} arms, and {MAX_ARMS:,} are the "
                f"most: sweep fewer settings at a time, or fewer values"
            )
        _no_duplicates([arm.name for arm in self.arms], "arms: two arms are named")
        _no_duplicates(
            [prompt.text or prompt.image for prompt in self.prompts],
            "prompts: twice the same prompt:",
        )
        _no_duplicates([prompt.id for prompt in self.prompts], "prompts: two prompts have the id")
        for arm in self.arms:
            if not all(arm.places):
                raise ValueError(f"arms: '{arm.name}': network: an empty list names no model")
            for key in arm.sweep:
                if not all(_split(key)):
                    raise ValueError(
                        f"arms: '{arm.name}': sweep '{key}': write it as \"model.setting\""
                    )
            swept = [_split(key)[0] for key in arm.sweep]
            for path in [*arm.models, *arm.settings, *swept]:
                if path not in self.models:
                    raise ValueError(
                        f"arms: '{arm.name}' names the model '{path}', which is not under "
                        f"[models].{nearest(path, self.models)}"
                    )
            unused = {*arm.settings, *swept} - {*arm.models}
            if unused:
                raise ValueError(
                    f"arms: '{arm.name}' sets '{min(unused)}', which is not in its network"
                )
        _no_duplicates(
            [arm.name for arm in self.expanded_arms()],
            "arms: lists and sweeps come twice to the arm",
        )
        if self.trajectories * self.rounds > MAX_ROUNDS:
            raise ValueError(
                f"the study asks for {self.trajectories:,} trajectories of {self.rounds:,} rounds: "
                f"more than any machine plays"
            )
        return self

    def expanded_arms(self) -> list[PlayedArm]:
        """The arms with their choices written out: one opening and network each, and no sweep.

        An arm is named by what was chosen: ``swap [sdxl + llava]``, ``warm [llava.temperature=1]``.
        """
        return [
            _chosen(arm, list(models), dict(zip(sweep, values, strict=True)))
            for arm in self.arms
            for models in itertools.product(*arm.places)
            for sweep in [[key for key in arm.sweep if _split(key)[0] in models]]
            for values in itertools.product(*(arm.sweep[key] for key in sweep))
        ]

    @property
    def trajectories(self) -> int:
        """How many trajectories the study asks for."""
        return len(self.expanded_arms()) * len(self.prompts) * self.twins

    def steps(self, networks: Iterable[Network]) -> int:
        """How many steps it asks for, given the networks of its arms."""
        each = len(self.prompts) * self.twins
        return each * sum(network.steps(self.rounds) for network in networks)

    def digest(self) -> str:
        """Hash of everything the study says."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def deciding(self, undeciding: Mapping[str, Collection[str]]) -> Study:
        """The same study without settings that decide nothing of what comes out.

        Args:
            undeciding: Their names, by model.
        """

        def left(model: str, settings: Mapping[str, Any]) -> dict[str, Any]:
            return {k: v for k, v in settings.items() if k not in undeciding.get(model, ())}

        models = {
            name: ModelSpec(backend=spec.backend, **left(name, spec.settings))
            for name, spec in self.models.items()
        }
        arms = []
        for arm in self.arms:
            kept = {name: left(name, of) for name, of in arm.settings.items()}
            kept = {name: of for name, of in kept.items() if of}
            arms.append(arm.model_copy(update={"settings": kept}))
        return self.model_copy(update={"models": models, "arms": arms})

    def conflicts(self, *earlier: Study) -> list[str]:
        """What keeps this study from going on in a run of others, one line each.

        More rounds, twins, prompts or arms extend a run; another seed, or another meaning of the
        same name, would mix two experiments. (What a prompt's name means is known to the run.)
        """
        found, mine = set(), self.expanded_arms()
        theirs: dict[str, PlayedArm] = {}
        for other in earlier:
            if self.seed != other.seed:
                found.add(f"seed is {self.seed}, was {other.seed}")
            if self.overlong != other.overlong:
                found.add(f'overlong is "{self.overlong}", was "{other.overlong}"')
            for name in self.models.keys() & other.models.keys():
                if self.models[name] != other.models[name]:
                    found.add(f"models.{name} has other settings")
            theirs |= {arm.name: arm for arm in other.expanded_arms()}
        for arm in mine:
            if arm != theirs.get(arm.name, arm):
                found.add(f"arm '{arm.name}' has another opening, network or other settings")
        if theirs and not found and theirs.keys().isdisjoint(arm.name for arm in mine):
            found.add(f"no arm in common (it has {', '.join(sorted(theirs))})")
        return sorted(found)


def _large(number: int) -> str:
    return f"{number:,}" if number < 10**15 else f"about 10^{len(str(number)) - 1}"


def _split(key: str) -> tuple[str, str]:
    """Model and setting of a key of a sweep; a model's name may have dots of its own."""
    model, _, setting = key.rpartition(".")
    return model, setting


def _chosen(arm: Arm, models: list[str], swept: dict[str, Setting]) -> PlayedArm:
    """An arm with one model in each place and one value of each setting that is swept."""
    settings = {model: dict(of) for model, of in arm.settings.items() if model in models}
    for key, value in swept.items():
        model, setting = _split(key)
        settings.setdefault(model, {})[setting] = value
    choices = [f"{key}={value}" for key, value in swept.items()]
    if any(len(place) > 1 for place in arm.places):
        choices.insert(0, " + ".join(models))
    name = f"{arm.name} [{', '.join(choices)}]" if choices else arm.name
    before = len(arm.opening)
    return PlayedArm(name, models[:before], models[before:], settings)


def shipped_studies() -> list[str]:
    """Names of the studies that ship."""
    files = resources.files("driftloop").joinpath("studies").iterdir()
    return sorted(file.name[:-5] for file in files if file.name.endswith(".toml"))


def load_study(source: str | Path | dict[str, Any]) -> Study:
    """Read and check a study.

    Args:
        source: The path of a TOML file, the name of a study that ships, or a dictionary.

    Raises:
        StudyError: With the file, the key, what was expected and the nearest valid spelling.
    """
    if isinstance(source, dict):
        return _validate(source, "study", Path())
    try:
        path = expand(source)
        if str(source) in shipped_studies() and not path.exists():
            path = Path(str(resources.files("driftloop").joinpath("studies", f"{source}.toml")))
        data = read_toml(read_text(path), str(path))
    except FileNotFoundError:
        hint = nearest(str(source), shipped_studies())
        raise StudyError(
            f"{source}: no such file.{hint} Studies that ship: {', '.join(shipped_studies())}."
        ) from None
    except DriftloopError as error:
        raise StudyError(str(error)) from error
    return _validate(data, str(path), path.parent)


def _validate(data: dict[str, Any], where: str, base: Path) -> Study:
    try:
        if isinstance(data.get("prompts"), str):
            data = {**data, "prompts": load_prompts(data["prompts"], base)}
        _no_names_as_texts(data.get("prompts"))
        study = Study.model_validate(data)
        prompts = resolve_images(study.prompts, base, where)
    except StudyError as error:
        prefix = "" if str(error).startswith(where) else f"{where}: "
        raise StudyError(f"{prefix}{error}") from error
    except ValidationError as error:
        raise StudyError(explain(error, where, Study)) from error
    return study.model_copy(update={"prompts": prompts})


def _no_names_as_texts(prompts: Any) -> None:
    """Refuse a list that holds the name of a set or a file, which would be drawn as a text."""
    for text in prompts if isinstance(prompts, list) else ():
        if isinstance(text, str) and (
            text in shipped() or re.fullmatch(r"\S+\.(toml|txt|csv|tsv|json|jsonl)", text)
        ):
            raise StudyError(
                f"prompts: '{text}' in a list is a text to draw; to read it as a set or a file: "
                f'prompts = "{text}", without the list'
            )


def explain(
    error: ValidationError, where: str, model: type[BaseModel], prefix: tuple[str | int, ...] = ()
) -> str:
    """Say a validation error as ``file: key: what is wrong and what was expected``, a line each."""
    lines = []
    for problem in error.errors():
        location = prefix + tuple(part for part in problem["loc"] if part != "[key]")
        key = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in location).lstrip(".")
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            known = _keys_at(model, problem["loc"][:-1])
            message = f"unknown key.{nearest(str(problem['loc'][-1]), known)}" + (
                f" Known keys: {', '.join(sorted(known))}." if known else ""
            )
        elif problem["type"] == "missing":
            message = "is missing"
        elif problem["type"] != "value_error":
            message += f" (it is {_shorten(problem['input'])})"
        lines.append(": ".join(part for part in (where, key, message) if part))
    return "\n".join(lines)


def _keys_at(model: type[BaseModel], location: tuple[str | int, ...]) -> list[str]:
    current: type[BaseModel] = model
    nested: dict[str, type[BaseModel]] = {"arms": Arm, "models": ModelSpec, "prompts": Prompt}
    if location and isinstance(location[0], str):
        current = nested.get(location[0], model)
    return list(current.model_fields)


def _shorten(value: object) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def _no_duplicates(values: list[Any], message: str) -> None:
    seen: set[Any] = set()
    for value in values:
        if value in seen:
            raise ValueError(f"{message} {_shorten(value)}; each must be its own")
        seen.add(value)
