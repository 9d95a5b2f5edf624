"""Factors, conditions, parts, map: of a planted factorial, what was planted."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from worlds import PLACES, SKIES, THINGS, draw, make_run

import driftloop
from driftloop.encoders import Encoder, embed_in_place, get_encoder
from driftloop.measures import EnergyTest, Estimate, energy_distance, separation, verdict
from driftloop.postcards import caption, home_world, parse, sample_scene
from driftloop.report import write_report
from driftloop.report._answers import _why_undecided
from driftloop.report._assess import _begins, _states
from driftloop.report._choice import choose
from driftloop.report._conditions import Cell, make_factorial, measure_conditions, styles
from driftloop.report._endings import measure_ending
from driftloop.report._factors import find_factors, ordered
from driftloop.report._fidelity import measure_objects
from driftloop.report._gather import Material, Start, Track, gather
from driftloop.report._map import place_states
from driftloop.report._meaning import _moves
from driftloop.report._parts import measure_parts
from driftloop.report._priors import scene_captions
from driftloop.steps import Trajectory
from driftloop.store import Run, open_run
from driftloop.study import load_study

WORDS = ("ship", "moon", "tree", "house", "cat", "river")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two generators by two pulls, and a control: a pull and escapes collapse, neither does not."""
    prompts = [
        {"id": f"{kind}-{word}", "text": f"{start} {word}.", "source": kind}
        for kind, start in (("terse", "A"), ("long", "Once upon a time there was an old"))
        for word in WORDS
    ]
    draw = {"backend": "planted", "role": "generator", "noise": 0.0, "attractors": 3}
    study = load_study({
        "title": "A planted factorial", "seed": 3, "rounds": 12, "twins": 2, "prompts": prompts,
        "models": {
            "calm": {**draw, "escape": 0.0},
            "wild": {**draw, "escape": 0.5},
            "tell": {"backend": "planted", "role": "captioner", "attractors": 3},
            "write": {"backend": "controls", "kind": "write"},
            "same": {"backend": "controls", "kind": "identity"},
        },
        "arms": [
            {"name": "calm", "network": ["calm", "tell"], "sweep": {"tell.pull": [0.0, 0.4]}},
            {"name": "wild", "network": ["wild", "tell"], "sweep": {"tell.pull": [0.0, 0.4]}},
            {"name": "identity", "network": ["write", "same"]},
        ],
    })  # fmt: skip
    path = tmp_path_factory.mktemp("factorial") / "run"
    with driftloop.run(study, path):
        return path


@pytest.fixture(scope="module")
def run(folder: Path) -> Iterator[Run]:
    with open_run(folder) as opened:
        yield opened


@pytest.fixture(scope="module")
def material(run: Run) -> Material:
    return gather(run)


def test_factors_are_what_arms_differ_in_and_controls_have_none(material: Material) -> None:
    found = find_factors(material)
    assert found.names == ["generator", "pull"]
    assert found.crossed()
    assert found.levels["wild [tell.pull=0.4]"] == {"generator": "wild", "pull": "0.4"}
    assert "identity" not in found.levels
    assert ordered(["free", "40", "5", "40"]) == ["5", "40", "free"]
    assert {kind: len(ids) for kind, ids in styles(material).items()} == {"terse": 6, "long": 6}


def test_the_shipped_factorial_is_crossed_and_its_budgets_are_one_factor() -> None:
    study = load_study("why-they-disagree")
    generators = ("postcard-sdxl", "postcard-turbo", "write")
    players = [
        {"model": name, "role": "generator" if name in generators else "captioner"}
        for name in study.models
    ]
    arms = [arm.name for arm in study.expanded_arms()]
    found = find_factors(Material("", [], {}, arms, [], None, players, [], [], study))  # type: ignore[arg-type]
    assert (found.names, len(found.levels)) == (["generator", "captioner", "words"], 20)
    assert found.crossed()
    budgets = ordered([row["words"] for row in found.levels.values()])
    assert budgets == ["5", "10", "20", "40", "free"]
    for prompt in study.prompts:
        least, most = {"terse scene": (7, 10), "30-word narrative": (28, 35)}[prompt.source]
        assert least <= len(str(prompt.text).split()) <= most


def states_of(run: Run, material: Material, tracks: Any, encoder: Encoder) -> tuple[Any, bool]:
    """Vectors as the report has them, and whether the first is what a trajectory starts from."""
    kind = encoder.kind
    contents = [state for track in tracks for state in _states(material, track, kind)]
    vectors = embed_in_place(run, encoder, contents).matrix
    from_start = any(_begins(material, track, kind) for track in tracks)
    return vectors.reshape(len(tracks), material.rounds + 1, -1), from_start


def test_the_table_of_conditions_says_what_was_planted(run: Run, material: Material) -> None:
    seen: list[tuple[str, str, dict[Any, Any]]] = []
    for name in ("lexical", "pixels"):
        encoder = get_encoder(name)
        cells: dict[Any, Any] = {}
        for arm in ("wild [tell.pull=0.4]", "identity"):
            tracks = material.of_arm(arm)
            x, from_start = states_of(run, material, tracks, encoder)
            since = material.since(arm, encoder.kind)
            cells |= measure_conditions(material, arm, x, since, from_start)
        seen.append((encoder.family, encoder.title, cells))
    found = make_factorial(material, find_factors(material), seen, {})
    assert found is not None
    assert found.names == ["generator", "pull", "prompts"]
    assert found.horizons == [6, 12]
    rows = {tuple(row.levels): row for row in found.rows}
    assert list(rows) == [
        ("wild", "0.4", "terse"), ("wild", "0.4", "long"),
        ("identity", "–", "terse"), ("identity", "–", "long"),
    ]  # fmt: skip
    for kind in ("terse", "long"):
        moved, still = rows["wild", "0.4", kind], rows["identity", "–", kind]
        assert still.verdicts[-1].says == "remembers"
        assert still.verdicts[-1].robust
        assert still.memory.value == pytest.approx(1.0, abs=1e-6)
        assert moved.contraction.low > 0.1
        assert moved.memory.value < 0.5
        assert moved.verdicts[-1].says in ("collapses", None)
        assert still.stands
    assert found.standing <= found.claimed <= len(found.rows)
    (level,) = [level for level in found.levels if level.level == "terse"]
    assert (level.factor, level.conditions) == ("prompts", 1)


def test_of_many_conditions_only_what_stands_for_all_is_marked(material: Material) -> None:
    late = separation(np.eye(4)[:, None].repeat(4, axis=1), ["a", "a", "b", "b"]).late
    nothing = Estimate(0.0, 0.0, 0.0, 2)

    def cells(p: list[float]) -> dict[Any, Any]:
        found = verdict(late)
        keys = [(arm, kind, 12) for arm in material.arms for kind in styles(material)]
        said = [found._replace(kind="collapses", p=one) for one in p]
        said += [found._replace(kind="undecided", p=np.nan)] * (len(keys) - len(p))
        return {
            key: Cell(one, late, nothing) for key, one in zip(keys, said, strict=True)
        }  # fmt: skip

    # Ten conditions: Holm's steps are 0.05 / 10, 0.05 / 9 ...; the third is one by one only.
    seen = [("a", "a", cells([0.004, 0.005, 0.03])), ("b", "b", cells([0.001, 0.04, 0.001]))]
    found = make_factorial(material, find_factors(material), seen, {})
    assert found is not None
    claims = {tuple(row.levels): row for row in found.rows if row.verdicts[-1].says}
    assert [row.verdicts[-1].robust for row in claims.values()] == [True] * 3
    assert [row.stands for row in claims.values()] == [True, False, False]
    assert (found.claimed, found.standing) == (3, 1)
    # Where the voice that contradicts is not heard any more, nothing new is claimed.
    other = cells([0.04])
    key = next(iter(other))
    other[key] = other[key]._replace(verdict=other[key].verdict._replace(kind="remembers"))
    mixed = make_factorial(material, find_factors(material), [*seen, ("c", "c", other)], {})
    assert mixed is not None
    assert (mixed.claimed, mixed.standing) == (2, 0)


def test_parts_find_the_part_that_was_planted(material: Material) -> None:
    rng = np.random.default_rng(0)
    of_pull = {"0.0": rng.normal(size=16), "0.4": rng.normal(size=16)}
    factors = find_factors(material)
    states = {
        arm: of_pull[row["pull"]] + 0.2 * rng.normal(size=(24, 13, 16))
        for arm, row in factors.levels.items()
    }
    found = measure_parts(material, factors, states)
    assert found is not None
    shares = {share.part: share for share in found.shares}
    assert found.round == 12
    assert shares["pull"].share.value > 0.8
    assert shares["generator"].share.value < 0.02
    assert all(share.control < 0.1 for share in found.shares if share.control == share.control)
    assert measure_parts(material, factors, {"identity": states["wild [tell.pull=0.4]"]}) is None
    # Of an arm that loses a third of its trajectories at once, the rounds of the rest are compared,
    # and never the prompts, which all of them have.
    x = states["wild [tell.pull=0.4]"]
    x[::3, 1:] = np.nan
    found = measure_parts(material, factors, states)
    assert found is not None
    assert found.round == 12
    x[:, 1:] = np.nan
    assert measure_parts(material, factors, states) is None
    x[:] = np.nan
    assert measure_parts(material, factors, states) is None


def test_a_setting_called_prompt_is_not_the_prompt() -> None:
    edit = {"backend": "diffusers", "path": "x", "task": "image-to-image"}
    study = load_study({
        "seed": 3, "rounds": 2, "twins": 2, "prompts": ["a cat", "a dog", "a cow"],
        "models": {"draw": {"backend": "diffusers", "path": "x"}, "repaint": edit},
        "arms": [{
            "name": "again", "opening": ["draw"], "network": ["repaint"],
            "sweep": {"repaint.prompt": ["a photograph", "a painting"]},
        }],
    })  # fmt: skip
    arms = [arm.name for arm in study.expanded_arms()]
    players = [
        {"model": "draw", "role": "generator"}, {"model": "repaint", "role": "editor"},
    ]  # fmt: skip
    tracks = [
        Track(Trajectory(arm, f"p{prompt}", twin), range(0), (), ())
        for arm in arms for prompt in range(12) for twin in range(2)
    ]  # fmt: skip
    material = Material("", [], {}, arms, tracks, None, players, [], [], study)  # type: ignore[arg-type]
    factors = find_factors(material)
    assert factors.names == ["repaint.prompt"]
    rng = np.random.default_rng(0)
    of_prompt = np.repeat(rng.normal(size=(12, 1, 8)), 2, axis=0)
    states = {arm: of_prompt + 0.1 * rng.normal(size=(24, 3, 8)) for arm in arms}
    found = measure_parts(material, factors, states)
    assert found is not None
    shares = {share.part: share.share.value for share in found.shares}
    assert list(shares) == ["prompt", "repaint.prompt", "interactions", "seed"]
    assert shares["prompt"] > 0.95


def test_a_map_never_puts_states_further_apart_than_they_are(material: Material) -> None:
    rng = np.random.default_rng(1)
    states: dict[str, Any] = {arm: rng.normal(size=(24, 13, 5)) for arm in material.arms}
    states["identity"][3, 4] = np.nan
    choice = choose(material.tracks)
    found = place_states(material, choice, states)
    assert found is not None
    assert len(found.spots) == 5 * 24 * 12 - 1
    assert 0.4 < found.explained < 0.6
    spots = found.spots[:12]
    real = states[material.arms[0]][0, 1:13]
    assert (pdist([[s.x, s.y] for s in spots]) <= pdist(real) + 1e-9).all()


def test_objects_of_the_prompt_are_counted_and_strangers_are_the_control() -> None:
    rng = random.Random(2)
    scenes = [sample_scene(rng) for _ in range(12)]
    texts = [caption(scene, 40, rng) for scene in scenes]
    material = _told(texts, [[text, "A whale.", ""] for text in texts])
    found = {row.figure: row.each for row in measure_objects(material, "one")}
    (_, first, chance), (_, second, _), _ = found["objects found"]
    assert first.value == 1.0
    assert chance.value < 0.5
    whales = np.mean(["whale" in parse(text).names for text in texts])
    assert second.value <= whales + 1e-9


def test_the_scenes_of_a_world_are_its_own() -> None:
    lexical = get_encoder("lexical")
    plain, dark = (
        lexical.encode(scene_captions(name, 40)) for name in ("postcard-sdxl", "postcard-git")
    )
    assert energy_distance(plain, dark, permutations=99, resamples=50).p == 0.01
    half = energy_distance(plain[::2], plain[1::2], permutations=99, resamples=50)
    assert half.p > 0.05
    assert half.low <= 0 <= half.high


def test_a_loop_that_ends_in_its_generators_world_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Captions of the skewed world's own scenes from round 2 on, whatever came before.
    world = home_world("postcard-git")

    def write(rng: random.Random, previous: str, round: int) -> str:
        return "A cat." if round == 1 else caption(sample_scene(rng, world=world), 60, rng)

    monkeypatch.setattr("driftloop.report._assess.on_postcards", lambda material: True)
    monkeypatch.setattr("driftloop.report._report.on_postcards", lambda material: True)
    monkeypatch.setattr(
        "driftloop.report._priors._bundled",
        lambda material, arm: [("generator", "draw", "postcard-git", 60)],
    )
    things = ("whale", "fox", "church", "kite", "bus", "owl", "cat", "ship", "tree", "fish")
    prompts = [f"A {name} at night." for name in things]
    with make_run(tmp_path / "run", prompts=prompts, rounds=24, side=8, write=write) as run:
        page = write_report(run, encoders=["lexical"]).read_text("utf-8")
    assert "Captions come to be like those of the world that generator draw was trained on." in page
    assert "one family of encoders only (lexical)" in page
    assert "objects of the prompt still named" in page


def _energy(distance: float, half: float, p: float) -> EnergyTest:
    return EnergyTest(distance, distance - half, distance + half, p, 1.0)


FAR, LIKE, CLOSER = _energy(0.5, 0.1, 0.01), _energy(0.01, 0.02, 0.4), _energy(0.2, 0.1, 0.01)


@pytest.mark.parametrize(
    ("first", "late", "says"),
    [
        (FAR, LIKE, "arrives"),
        (LIKE, LIKE, "stays"),
        (FAR, CLOSER, "nearer"),
        (CLOSER, FAR, "away"),
        (FAR, FAR, "apart"),
        # No difference is found, and none is ruled out: few prompts show nothing.
        (_energy(0.1, 0.3, 0.6), _energy(0.05, 0.3, 0.6), None),
    ],
)
def test_likeness_is_shown_and_not_read_out_of_ignorance(
    first: EnergyTest, late: EnergyTest, says: str | None
) -> None:
    assert _moves(first, late) == says


@pytest.mark.parametrize("opens", ["text", "image"])
def test_what_prompts_look_like_is_no_contraction(tmp_path: Path, opens: str) -> None:
    # Prompts name everything or nothing; captions have nothing to do with what they are made from.
    full = "a ship, the moon, a tree, a house and a cat on the {} at {}"
    texts = [full.format(*pair) for pair in itertools.product(PLACES, SKIES)]
    rng = random.Random(0)
    prompts = texts if opens == "text" else [draw(text, rng) for text in texts]

    def write(rng: random.Random, previous: str, round: int) -> str:
        return f"A {rng.choice([*THINGS])} on the {rng.choice(['sea', 'meadow'])} at noon."

    with make_run(tmp_path / "run", prompts=prompts, rounds=8, write=write) as run:
        material = gather(run)
        encoder = get_encoder("pixels")
        x = states_of(run, material, material.tracks, encoder)[0][:, 1:]
    own = {kind: material.since("autonomous", kind) for kind in ("text", "image")}
    assert own == ({"text": 0, "image": 1} if opens == "text" else {"text": 1, "image": 0})
    found = measure_ending(material.tracks, x, own["image"])
    assert found is not None
    assert found.verdict.falls is False
    short = measure_ending(material.tracks, x[:, :3], 1)
    assert short is not None
    sure = found._replace(verdict=found.verdict._replace(kind="wanders"))
    assert "too few rounds" in _why_undecided([sure, short])
    assert _why_undecided([sure]) == ""
    if opens == "text":
        # Measured from the pictures of the prompts they would have come closer.
        blind = measure_ending(material.tracks, x)
        assert blind is not None
        assert blind.verdict.falls is True


def _told(prompts: list[str], captions: list[list[str]]) -> Material:
    starts = {f"p{n}": Start(f"p{n}", "text", text, "") for n, text in enumerate(prompts)}
    tracks = [
        Track(Trajectory("one", id, 0), range(0), (None,) * len(told), tuple(told))
        for id, told in zip(starts, captions, strict=True)
    ]
    return Material("", [], starts, ["one"], tracks, None, [], [], [], None)  # type: ignore[arg-type]
