"""Studies: what they mean, and what a mistake in one answers."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from driftloop_toys.studies import toy_data, toy_study
from numpy import zeros
from safetensors.numpy import save_file

import driftloop
from driftloop.errors import StudyError
from driftloop.network import Network, Turn
from driftloop.postcards import bundled_names
from driftloop.prompts import load_prompts, shipped
from driftloop.runners import cast_study
from driftloop.steps import Role
from driftloop.study import Study, load_study, shipped_studies

BASE = """
rounds = 3
prompts = ["a ship at sea"]
[models.draw]
backend = "toy"
role = "generator"
[models.look]
backend = "toy"
role = "captioner"
[models.edit]
backend = "toy"
role = "editor"
[[arms]]
name = "autonomous"
network = ["draw", "look"]
"""

MALFORMED: dict[str, tuple[str, str, list[str]]] = {
    # name: (what is replaced, with what, what the error says)
    "unknown key": ("rounds = 3", "rounds = 3\nround = 4", ["round: unknown key", "'rounds'"]),
    "unknown key in an arm": (
        'name = "autonomous"', 'name = "a"\nnetwrk = 1', ["arms[0].netwrk", "'network'"],
    ),
    "unknown setting": (
        'role = "generator"', 'role = "generator"\nvarietty = 3',
        ["models.draw.varietty", "'variety'"],
    ),
    "wrong type": ("rounds = 3", 'rounds = "many"', ["rounds: ", "integer", '"many"']),
    "wrong type of a setting": (
        'role = "generator"', 'role = "generator"\ndelay = "x"', ["models.draw.delay", "number"],
    ),
    "negative rounds": ("rounds = 3", "rounds = -3", ["rounds: ", "greater than or equal to 1"]),
    "absurdly many rounds": ("rounds = 3", "rounds = 10000000", ["rounds: ", "1000000"]),
    "missing key": ("rounds = 3", "", ["rounds: is missing"]),
    "no such model": ('["draw", "look"]', '["drow", "look"]', ["'drow'", "'draw'"]),
    "no such backend": ('backend = "toy"', 'backend = "toys"', ["models.draw.backend", "'toy'"]),
    "model that does not exist": (
        'role = "generator"', 'role = "generator"\npath = "nowhere"',
        ["models.draw.path", "nowhere"],
    ),
    "a picture for whom takes a text": (
        '["draw", "look"]', '["draw", "draw"]',
        ["network", "draw takes a text", "draw (generator) → draw"],
    ),
    "a text for whom takes a picture": (
        '["draw", "look"]', '["edit"]\nopening = ["draw", "look"]',
        ["edit takes a picture", "opening: draw (generator) → look (captioner)"],
    ),
    "an editor at the start, text prompt": (
        '["draw", "look"]', '["edit"]',
        ["the editor edit", "takes a picture", "let a generator open it"],
    ),
    "a text into a cycle of pictures": (
        '["draw", "look"]', '["edit", "look"]', ["look gives a text and edit takes a picture"],
    ),
    "no such model in an opening": (
        '["draw", "look"]', '["edit"]\nopening = ["drow"]', ["'drow'", "'draw'"],
    ),
        "odd network": ('["draw", "look"]', '["draw", "look", "draw"]', ["network", "last one"]),
    "captioner first, text prompt": (
        '["draw", "look"]', '["look", "draw"]', ["takes a picture", "'a-ship-at-sea", "opening = "],
    ),
    "empty network": ('["draw", "look"]', "[]", ["arms[0].network", "at least 1"]),
    "empty prompt": ("a ship at sea", "  ", ["prompts[0]", "empty"]),
    "prompt of 100,000 characters": ("a ship at sea", "x" * 100_000, ["prompts[0].text", "10000"]),
    "no prompts": ('["a ship at sea"]', "[]", ["prompts: ", "at least 1"]),
    "the same prompt twice": ('sea"]', 'sea", "a ship at sea"]', ["prompts", "must be its own"]),
    "prompt set that does not exist": (
        '["a ship at sea"]', '"postcards-42"', ["postcards-42", "'postcards-24'"],
    ),
    "prompt file that does not exist": ('["a ship at sea"]', '"my.txt"', ["my.txt", ".txt"]),
    "duplicate arm name": (
        "[[arms]]", '[[arms]]\nname = "autonomous"\nnetwork = ["draw", "look"]\n[[arms]]',
        ["arms: two arms are named", "autonomous"],
    ),
    "arm name that is no name": ('"autonomous"', '"../x"', ["arms[0].name", "pattern"]),
    "setting of a model that does not play": (
        '["draw", "look"]', '["draw", "look"]\nsettings = { lok = { variety = 2 } }',
        ["'lok'", "'look'"],
    ),
    "sweep that names no setting": (
        '["draw", "look"]', '["draw", "look"]\nsweep = { draw = [1, 2] }', ["model.setting"],
    ),
    "sweep of an unknown setting": (
        '["draw", "look"]', '["draw", "look"]\nsweep = { "draw.varity" = [1, 2] }',
        ["arms.settings.draw.varity", "'variety'"],
    ),
    "sweep that comes to the same name twice": (
        '["draw", "look"]', '["draw", "look"]\nsweep = { "look.says" = ["1", 1] }',
        ["twice to the arm", "autonomous [look.says=1]"],
    ),
    "not TOML": ("rounds = 3", "rounds = = 3", ["not valid TOML", "line 2"]),
}  # fmt: skip


LACKING = {
    "words": (
        "transformers",
        "bundled:postcard-llava",
        'instruction = "In {words} words."',
        [5, 9],
    ),
    "path": ("transformers", None, "words = 5", ["bundled:postcard-llava", "bundled:postcard-git"]),
    "lora": ("diffusers", "bundled:postcard-sdxl", "lora_scale = 0.5", None),
    "task": ("diffusers", "bundled:postcard-sdxl", "strength = 0.5", ["image-to-image"]),
}
"""Settings that a model lacks by itself: its backend, path, what needs them, and their values."""


@pytest.mark.parametrize("how", ["sweep", "settings"])
@pytest.mark.parametrize("setting", LACKING)
def test_what_an_arm_sets_is_not_asked_of_the_model_alone(
    setting: str, how: str, tmp_path: Path
) -> None:
    backend, path, needs, values = LACKING[setting]
    if values is None:
        save_file({"a": zeros(2)}, tmp_path / "one.safetensors")
        values = [str(tmp_path / "one.safetensors")]
    network = '["mine"]' if setting == "task" else '["draw", "look"]'
    if setting in {"words", "path"}:
        network = '["draw", "mine"]'
    elif setting == "lora":
        network = '["mine", "look"]'
    model = f'backend = "{backend}"\n{needs}\n' + (f'path = "{path}"\n' if path else "")
    text = BASE.replace("[[arms]]", f"[models.mine]\n{model}[[arms]]").replace(
        '["draw", "look"]', network + ("\nopening = ['draw']" if setting == "task" else "")
    )
    sets = (
        f'sweep = {{ "mine.{setting}" = {json.dumps(values)} }}'
        if how == "sweep"
        else f"settings = {{ mine = {{ {setting} = {json.dumps(values[0])} }} }}"
    )
    casting = cast_study(load_study(write(tmp_path, f"{text}\n{sets}\n")))
    assert len(casting.networks) == (len(values) if how == "sweep" else 1)
    # Where no arm sets it, or one of them wrongly, it is told as whose mistake it is.
    with pytest.raises(StudyError, match=r"models\.mine"):
        cast_study(load_study(write(tmp_path, text)))
    wrong = sets.replace(json.dumps(values[0]), "-1")
    with pytest.raises(StudyError, match=rf"arms\.settings\.mine\.{setting}: "):
        cast_study(load_study(write(tmp_path, f"{text}\n{wrong}\n")))


def write(folder: Path, text: str) -> Path:
    (folder / "mine.toml").write_text(text, "utf-8")
    return folder / "mine.toml"


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed(name: str, tmp_path: Path) -> None:
    old, new, expected = MALFORMED[name]
    assert old in BASE
    file = tmp_path / "mine.toml"
    file.write_text(BASE.replace(old, new, 1), "utf-8")
    with pytest.raises(StudyError) as caught:
        cast_study(load_study(file), str(file))
    message = str(caught.value)
    assert str(file) in message
    for part in expected:
        assert part in message
    assert "\n" not in message, "one mistake, one line"


def test_the_base_is_well_formed(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(BASE, "utf-8")
    casting = cast_study(load_study(file), str(file))
    assert casting.networks == {
        "autonomous": Network((Turn("draw", Role.GENERATOR), Turn("look", Role.CAPTIONER)))
    }


def test_no_such_file() -> None:
    with pytest.raises(StudyError, match="Did you mean 'quickstart'"):
        load_study("quikstart")


def test_a_sweep_is_an_arm_for_each_combination() -> None:
    study = toy_study(
        arms=[
            {
                "name": "warm",
                "network": ["draw", "look"],
                "sweep": {"draw.variety": [2, 3], "look.variety": [4, 5, 6]},
            }
        ]
    )
    arms = study.expanded_arms()
    assert len({arm.name for arm in arms}) == 6
    assert arms[0].name == "warm [draw.variety=2, look.variety=4]"
    casting = cast_study(study)
    assert len(casting.seats) == 5
    assert casting.seats["look [variety=6]"].settings.model_dump()["variety"] == 6
    assert study.trajectories == 6 * 4 * 2


def test_a_model_with_dots_in_its_name_can_be_swept() -> None:
    data = toy_data()
    data["models"]["look-1.5"] = data["models"].pop("look")
    data["arms"] = [
        {"name": "a", "network": ["draw", "look-1.5"], "sweep": {"look-1.5.variety": [2, 3]}}
    ]
    casting = cast_study(load_study(data))
    varieties = [seat.settings.model_dump()["variety"] for seat in casting.seats.values()]
    assert {2, 3} <= {*varieties}
    assert [arm.name for arm in casting.study.expanded_arms()] == [
        "a [look-1.5.variety=2]",
        "a [look-1.5.variety=3]",
    ]


def test_a_list_in_a_network_is_an_arm_with_each_of_its_models() -> None:
    data = toy_data()
    data["models"] |= {
        "paint": {**data["models"]["draw"], "variety": 9},
        "tell": {**data["models"]["look"], "variety": 9},
    }
    data["arms"] = [
        {
            "name": "swap",
            "network": [["draw", "paint"], ["look", "tell"]],
            "settings": {"paint": {"window": 5}},
            "sweep": {"tell.variety": [2, 3]},
        }
    ]
    study = load_study(data)
    casting = cast_study(study)
    # What is set or swept of a model makes arms of those networks only that it plays in.
    networks = {
        name: [place.player for place in network.cycle]
        for name, network in casting.networks.items()
    }
    assert networks == {
        "swap [draw + look]": ["draw", "look"],
        "swap [draw + tell, tell.variety=2]": ["draw", "tell [variety=2]"],
        "swap [draw + tell, tell.variety=3]": ["draw", "tell [variety=3]"],
        "swap [paint + look]": ["paint [window=5]", "look"],
        "swap [paint + tell, tell.variety=2]": ["paint [window=5]", "tell [variety=2]"],
        "swap [paint + tell, tell.variety=3]": ["paint [window=5]", "tell [variety=3]"],
    }
    assert study.trajectories == 6 * 4 * 2
    data["arms"][0]["network"][1] = []
    with pytest.raises(StudyError, match="'swap': network: an empty list names no model"):
        load_study(data)


def test_an_opening_is_a_part_of_what_an_arm_is() -> None:
    data = toy_data()
    data["models"]["edit"] = {"backend": "toy", "role": "editor"}
    data["models"]["paint"] = {**data["models"]["draw"], "variety": 9}
    data["arms"].append(
        {
            "name": "alone",
            "opening": [["draw", "paint"]],
            "network": ["edit"],
            "sweep": {"edit.variety": [3]},
        }
    )
    study = load_study(data)
    casting = cast_study(study)
    edit = Turn("edit [variety=3]", Role.EDITOR)
    assert casting.networks["alone [paint + edit, edit.variety=3]"] == Network(
        (edit,), opening=(Turn("paint", Role.GENERATOR),)
    )
    # Two steps a round of the usual network, one of the others.
    assert casting.steps == 4 * 2 * study.rounds * (2 + 1 + 1)
    assert Study.model_validate(json.loads(study.model_dump_json(exclude_unset=True))) == study
    fixed = {"name": "alone", "opening": ["draw"], "network": ["edit"]}
    data["arms"][1] = fixed
    before = load_study(data)
    data["arms"][1] = {**fixed, "opening": ["paint"]}
    assert load_study(data).conflicts(before) == [
        "arm 'alone' has another opening, network or other settings"
    ]
    assert "opening" not in toy_study().model_dump_json(), "old studies keep their digest"


@pytest.mark.parametrize("prompt", ["a \ud83d", {"id": "a", "text": "a \ud83d"}, {"id": "\ud83d"}])
def test_half_a_character_in_a_prompt_is_told(prompt: Any) -> None:
    with pytest.raises(StudyError, match=r"prompts\[1\]: .*holds half a character"):
        toy_study(prompts=["a ship", prompt])


def test_relative_prompt_files(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("# a comment\na cat\n\na dog\n", "utf-8")
    (tmp_path / "study.toml").write_text(BASE.replace('["a ship at sea"]', '"mine.txt"'), "utf-8")
    assert [prompt.text for prompt in load_study(tmp_path / "study.toml").prompts] == [
        "a cat", "a dog",
    ]  # fmt: skip


def test_conflicts_and_extensions() -> None:
    study = toy_study()
    longer = toy_study(rounds=9, twins=5, prompts=["a new one", *toy_data()["prompts"]])
    assert longer.conflicts(study) == []
    assert toy_study(seed=4).conflicts(study) == ["seed is 4, was 3"]
    other = toy_data()
    other["models"]["draw"] = {**other["models"]["draw"], "variety": 2}
    assert load_study(other).conflicts(study) == ["models.draw has other settings"]
    renamed = toy_study(arms=[{"name": "other", "network": ["draw", "look"]}])
    assert renamed.conflicts(study) == ["no arm in common (it has autonomous)"]
    both = toy_study(arms=[*toy_data()["arms"], *renamed.model_dump()["arms"]])
    assert renamed.conflicts(study, both) == []
    third = toy_study(arms=[{"name": "third", "network": ["draw", "look"]}])
    assert third.conflicts(study, both) == ["no arm in common (it has autonomous, other)"]
    wider = toy_study(arms=[{"name": "other", "network": ["draw", "look", "draw", "look"]}])
    assert wider.conflicts(study, both) == [
        "arm 'other' has another opening, network or other settings"
    ]


def test_a_study_survives_json() -> None:
    study = toy_study(
        arms=[{"name": "a", "network": ["draw", "look"], "sweep": {"draw.variety": [2]}}]
    )
    again = Study.model_validate(json.loads(study.model_dump_json(exclude_unset=True)))
    assert again == study
    assert again.digest() == study.digest()


@pytest.mark.parametrize("name", shipped_studies())
def test_shipped_studies_are_well_formed(name: str) -> None:
    study = load_study(name)
    played = [model for model in study.models.values() if model.backend != "controls"]
    here = {f"bundled:{bundled}" for bundled in bundled_names()}
    if all(model.settings["path"] in here for model in played):
        cast_study(study, name)


@pytest.mark.parametrize("name", shipped())
def test_shipped_prompts_are_well_formed(name: str) -> None:
    prompts = load_prompts(name, Path())
    assert len({prompt.id for prompt in prompts}) == len(prompts)
    assert len({prompt.text for prompt in prompts}) == len(prompts)


def _plain(name: str) -> Any:
    folder = Path(driftloop.__file__).parent / "studies"
    return tomllib.loads((folder / f"{name}.toml").read_text("utf-8"))


@pytest.mark.parametrize("name", shipped_studies())
def test_the_schema_takes_the_shipped_studies(name: str) -> None:
    jsonschema.validate(_plain(name), driftloop.schema())


def test_the_schema_finds_mistakes() -> None:
    schema = driftloop.schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    for change in ({"rounds": 0}, {"roundz": 1}, {"models": {"a": {"backend": "toy", "x": 1}}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**toy_data(), **change}, schema)
    jsonschema.validate(toy_data(), schema)
