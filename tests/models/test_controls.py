"""Null controls and the planted network, as models among models."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import driftloop
from driftloop.errors import ModelError, StudyError
from driftloop.models import check_invariance, get_backend
from driftloop.models._writing import read_text, write_text
from driftloop.models.planted import (
    SLOTS,
    WORDS,
    attractors,
    draw,
    read_tiles,
    read_words,
    tell,
)
from driftloop.runners import run
from driftloop.steps import Failure, Output
from driftloop.store import Run, export_steps
from driftloop.study import load_study

PROMPTS = ["a ship at sea", "a red house", "nothing at all", "über die Brücke", "two cats"]


def study(network: dict[str, dict[str, Any]], **changes: Any) -> driftloop.Study:
    return load_study(
        {
            "seed": 5, "rounds": 4, "twins": 2, "prompts": PROMPTS, "models": network,
            "arms": [{"name": "control", "network": list(network)}], **changes,
        }
    )  # fmt: skip


def control(kind: str, **settings: Any) -> dict[str, dict[str, Any]]:
    return {
        "write": {"backend": "controls", "kind": "write"},
        "tell": {"backend": "controls", "kind": kind, **settings},
    }


def planted(**settings: Any) -> dict[str, dict[str, Any]]:
    return {
        role[:4]: {"backend": "planted", "role": role, **settings}
        for role in ("generator", "captioner")
    }


def captions(played: Run) -> dict[tuple[str, int, int], str]:
    rows = played.steps().to_pylist()
    return {(r["prompt"], r["twin"], r["round"]): r["text"] for r in rows if r["text"] is not None}


@given(st.text(max_size=300))
def test_what_is_written_is_read(text: str) -> None:
    assert read_text(write_text(text)) == text


def test_long_texts_and_foreign_pictures() -> None:
    assert read_text(write_text("ü" * 20_000)) == "ü" * 20_000
    for image in (
        Image.new("RGB", (96, 96)),
        Image.new("RGB", (8, 8)),
        Image.effect_noise((96, 96), 90),
    ):
        with pytest.raises(ValueError, match="no text"):
            read_text(image)


def test_identity_never_drifts(tmp_path: Path) -> None:
    with run(study(control("identity")), tmp_path / "run") as played:
        assert played.failures() == []
        texts = {row["id"]: row["value"] for row in played.prompts()}
        assert all(text == texts[prompt] for (prompt, _, _), text in captions(played).items())


def test_fixed_always_says_the_same(tmp_path: Path) -> None:
    with run(study(control("fixed", caption="A cat.")), tmp_path / "run") as played:
        assert set(captions(played).values()) == {"A cat."}


def test_random_captions_come_from_the_corpus(tmp_path: Path) -> None:
    corpus = [f"caption number {n}" for n in range(50)]
    (tmp_path / "corpus.txt").write_text("\n".join(corpus))
    network = control("random", path=str(tmp_path / "corpus.txt"))
    with run(study(network), tmp_path / "run") as played:
        found = captions(played)
        first = {found[key] for key in found if key[1:] == (0, 1)}
    assert set(found.values()) <= set(corpus)
    assert len(first) > 1


def test_shuffled_captions_are_of_another_trajectory_at_the_same_round(tmp_path: Path) -> None:
    # Captions that say where they come from.
    with run(study(planted(noise=0.5)), tmp_path / "recorded") as recorded:
        said = captions(recorded)
        table = export_steps(recorded, tmp_path / "steps.parquet")
        as_csv = export_steps(recorded, tmp_path / "steps.csv")
    assert len(set(said.values())) == len(said)
    for path in (table, as_csv):
        folder = tmp_path / f"shuffled{path.suffix}"
        with run(study(control("shuffled", path=str(path))), folder) as played:
            assert played.failures() == []
            found = captions(played)
        assert found.keys() == said.keys()
        for key, text in found.items():
            (origin,) = (other for other, there in said.items() if there == text)
            assert origin[2] == key[2]
            assert origin[:2] != key[:2]


def test_a_shuffled_control_of_another_study_fails_with_the_reason(tmp_path: Path) -> None:
    with run(study(planted()), tmp_path / "recorded") as recorded:
        table = export_steps(recorded, tmp_path / "steps.parquet")
    longer = study(control("shuffled", path=str(table)), rounds=6)
    with run(longer, tmp_path / "longer") as played:
        reasons = {row["reason"] for row in played.failures()}
        assert len(captions(played)) == 4 * 2 * len(PROMPTS)
    (reason,) = reasons
    assert "no more rounds than it has" in reason


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"kind": "random"}, "needs a path"),
        ({"kind": "random", "path": "nowhere"}, "no captions at 'nowhere'"),
        ({"kind": "dance"}, "kind"),
    ],
)
def test_mistakes_are_told_before_anything_is_played(
    settings: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    network = control("identity")
    network["tell"] = {"backend": "controls", **settings}
    with pytest.raises(StudyError, match=reason):
        run(study(network), tmp_path / "run")


def test_a_table_that_is_none_is_one_clear_error(tmp_path: Path) -> None:
    backend = get_backend("controls")
    for name, content in (
        ("a.csv", "x,y\n1,2\n"),
        ("b.parquet", "no"),
        ("c.doc", ""),
        ("d.csv", "round,seed,text\n"),
    ):
        file = tmp_path / name
        file.write_text(content)
        settings = backend.settings.model_validate({"kind": "shuffled", "path": str(file)})
        with pytest.raises(ModelError, match=name):
            backend.load(settings, backend.locate(settings))


@pytest.mark.parametrize(
    "network", [control("identity"), control("random", path="postcards-24"), planted()]
)
def test_answers_do_not_depend_on_their_company(network: dict[str, dict[str, Any]]) -> None:
    for model in network.values():
        backend = get_backend(model["backend"])
        settings = backend.settings.model_validate(
            {k: v for k, v in model.items() if k != "backend"}
        )
        player = backend.load(settings, backend.locate(settings)).resized(5)
        assert check_invariance(player).verdict == "bit-exact"
        assert player.fingerprint != player.resized(6).fingerprint


def test_states_go_through_pictures_and_words_unchanged() -> None:
    dice = random.Random(0)
    for _ in range(200):
        state = tuple(dice.choices(range(len(WORDS)), k=SLOTS))
        assert read_tiles(draw(state)) == state
        assert read_words(tell(state)) == (state, [])
    assert read_words("a ship at sea") == read_words("a ship at sea")
    assert read_words("a ship at sea") != read_words("a ship at see")
    assert read_words(" ".join(WORDS[:12]))[1] == list(WORDS[9:12])
    with pytest.raises(ValueError, match="planted world"):
        read_tiles(Image.new("RGB", (24, 24)))
    assert len(set(attractors(1, 12, 4))) == 12


def play(count: int = 4000, **settings: Any) -> tuple[Any, Any]:
    backend = get_backend("planted")
    made = []
    for role in ("generator", "captioner"):
        found = backend.settings.model_validate({"role": role, "batch_size": 4096, **settings})
        made.append(backend.load(found, backend.locate(found)))
    return tuple(made)


def test_each_chance_is_what_it_is_set_to() -> None:
    seeds = list(range(3000))
    home, other = attractors(0, 2, 4)
    generator, captioner = play(attractors=2, noise=0.1, escape=0.0, pull=0.3)
    outputs = generator.play([tell(home)] * 3000, seeds)
    changed = [
        sum(a != b for a, b in zip(read_tiles(o.content), home, strict=True)) for o in outputs
    ]
    assert sum(changed) / (3000 * SLOTS) == pytest.approx(0.1 * (1 - 1 / len(WORDS)), abs=0.006)
    # One word of the other attractor's: pulled towards it, place by place.
    elsewhere = next(word for word in range(len(WORDS)) if word not in home + other)
    far = (*[elsewhere] * 8, other[8])
    told = captioner.play([draw(far)] * 3000, seeds)
    pulled = [
        sum(a == b for a, b in zip(read_words(o.content)[0][:8], other, strict=False)) for o in told
    ]
    assert sum(pulled) / (3000 * 8) == pytest.approx(0.3, abs=0.015)
    jumper, _ = play(attractors=2, noise=0.0, escape=0.2)
    gone = [read_tiles(o.content) == other for o in jumper.play([tell(home)] * 3000, seeds)]
    assert sum(gone) / 3000 == pytest.approx(0.2, abs=0.03)


def test_basins_by_prompt_keep_twins_together() -> None:
    _, chance = play(attractors=6, pull=1.0)
    _, prompt = play(attractors=6, pull=1.0, basins="prompt")
    state = draw(read_words("a red house")[0])
    assert len({o.content for o in chance.play([state] * 50, range(50))}) > 1
    assert len({o.content for o in prompt.play([state] * 50, range(50))}) == 1
    ends = {prompt.play([draw(read_words(f"{n}")[0])], [0])[0].content for n in range(40)}
    assert len(ends) > 3


def test_a_world_without_attractors_stands_still_or_wanders() -> None:
    generator, captioner = play(attractors=0, noise=0.0)
    assert generator.play(["a red house"], [1])[0].content == draw(read_words("a red house")[0])
    assert isinstance(captioner.play([Image.new("RGB", (3, 3))], [0])[0], Failure)
    picture = draw(read_words("x")[0])
    assert isinstance(captioner.play([picture], [0])[0], Output)
