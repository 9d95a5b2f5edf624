"""Rules: what each does, what its step tells, and that nothing else decides it."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import driftloop
from driftloop.errors import StudyError
from driftloop.interventions import Given, Rule, RuleSettings
from driftloop.interventions.anchor import Anchor, AnchorSettings, lost_parts
from driftloop.interventions.novelty import Novelty, NoveltySettings
from driftloop.models import check_invariance, get_backend, load_texts
from driftloop.report._gather import gather
from driftloop.runners import open_session
from driftloop.steps import Failure, Output, States, Trajectory
from driftloop.store import examine
from driftloop.store._calls import further_inputs
from driftloop.store._sums import SEALED, seal_all
from driftloop.study import Study, load_study

PROMPTS = [
    "harbour lighthouse lantern anchor gull rope tower storm cliff",
    "mountain glacier eagle pine snow valley lake cabin city",
    "piano violin trumpet stage curtain dancer mask theatre library",
]
RULES: dict[str, dict[str, Any]] = {
    "whole": {"backend": "anchor", "how": "whole", "every": 2},
    "blend": {"backend": "anchor", "how": "blend", "every": 3},
    "lost": {"backend": "anchor", "how": "lost", "start": 2},
    "inject": {"backend": "inject", "path": "postcards-24", "every": 2},
    "replace": {"backend": "inject", "path": "postcards-24", "how": "replace", "until": 3},
    "novelty": {"backend": "novelty", "candidates": 3},
    "peers": {"backend": "novelty", "candidates": 2, "archive": "peers"},
}
DRAW, TELL = {"noise": 0.1, "escape": 0.2}, {"pull": 0.3}


def data(*arms: list[str], **changes: Any) -> dict[str, Any]:
    models = {
        "draw": {"backend": "planted", "role": "generator", "batch_size": 4, **DRAW},
        "tell": {"backend": "planted", "role": "captioner", "batch_size": 5, **TELL},
    }
    named = {rule for arm in arms for rule in arm if rule in RULES}
    return {
        "seed": 3, "rounds": 6, "twins": 2, "prompts": PROMPTS,
        "models": models | {rule: RULES[rule] for rule in sorted(named)},
        "arms": [{"name": " ".join(arm), "network": arm} for arm in arms],
        **changes,
    }  # fmt: skip


def study(*arms: list[str], **changes: Any) -> Study:
    return load_study(data(*arms, **changes))


ALL = [["draw", "tell"], *(["draw", "tell", rule] for rule in RULES)]
ALL.append(["draw", "tell", "peers", "lost"])


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> driftloop.Run:
    folder = tmp_path_factory.mktemp("rules") / "run"
    run = driftloop.run(study(*ALL), folder, progress=False)
    assert run.failures() == []
    return run


def steps(run: driftloop.Run, arm: str, prompt: int = 0, twin: int = 0) -> list[dict[str, Any]]:
    ids = [row["id"] for row in run.prompts()]
    return run.steps_of(Trajectory(arm, ids[prompt], twin))


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_acts_in_its_rounds_and_the_loop_goes_on_from_it(
    played: driftloop.Run, rule: str
) -> None:
    rows = steps(played, f"draw tell {rule}")
    settings = get_backend(RULES[rule]["backend"]).settings.model_validate(
        {k: v for k, v in RULES[rule].items() if k != "backend"}
    )
    acted = [row["round"] for row in rows if row["slot"] == rule]
    assert acted == [round for round in range(1, 7) if round in settings.rounds]
    # Its own seed, what went in, what came out and why.
    for before, row in pairwise(rows):
        if row["slot"] == rule:
            assert row["flags"]
            assert row["seed"] != before["seed"]
            assert row["text"]
        if before["slot"] == rule:
            assert row["input_text"] == before["text"]


def test_an_anchor_brings_the_prompt_back(played: driftloop.Run) -> None:
    whole = [row for row in steps(played, "draw tell whole") if row["slot"] == "whole"]
    assert {row["text"] for row in whole} == {PROMPTS[0]}
    for row in steps(played, "draw tell blend"):
        if row["slot"] == "blend":
            assert row["text"] == f"{PROMPTS[0]}. {row['input_text']}"
    for row in steps(played, "draw tell lost"):
        if row["slot"] == "lost":
            assert lost_parts(PROMPTS[0], row["text"]) == []


def test_what_comes_in_is_of_the_collection_and_other_each_time(played: driftloop.Run) -> None:
    rows = [
        row
        for prompt in range(3)
        for row in steps(played, "draw tell replace", prompt)
        if row["slot"] == "replace"
    ]
    assert {row["flags"][0] for row in rows} == {f"brought in: {row['text']}" for row in rows}
    assert len({row["text"] for row in rows}) > 3
    assert {row["text"] for row in rows} <= {*load_texts("postcards-24")}


def test_of_candidates_the_farthest_is_kept(played: driftloop.Run) -> None:
    rows = steps(played, "draw tell novelty")
    plain = {row["call"] for row in steps(played, "draw tell")}
    # Round 1: three captions of one picture, the first of which is what the plain arm says.
    first = [row for row in rows if row["round"] == 1]
    slots = ["generator", "captioner", "captioner 2", "captioner 3", "novelty"]
    assert [row["slot"] for row in first] == slots
    assert len({row["input_image"] for row in first[1:4]}) == 1
    assert first[1]["call"] in plain
    assert first[2]["call"] not in plain
    told = {row["text"] for row in rows if row["slot"].startswith("captioner")}
    kept = [row for row in rows if row["slot"] == "novelty"]
    assert {row["text"] for row in kept} <= told
    assert kept[0]["flags"] == ["nothing to compare with yet"]
    others = [
        row["flags"][0] for prompt in range(3) for row in steps(played, "draw tell novelty", prompt)
        if row["slot"] == "novelty" and not row["flags"][0].startswith("candidate 1")
    ]  # fmt: skip
    assert len(others) > 3


def test_who_looks_aside_sees_the_round_before_of_all(played: driftloop.Run) -> None:
    arm = "draw tell peers lost"
    ends = {
        (row["prompt"], row["twin"], row["round"]): row["text"]
        for row in played.steps().to_pylist()
        if row["arm"] == arm and row["text"] is not None
    }
    for row in steps(played, arm):
        if row["slot"] != "peers":
            continue
        _, seen, own = further_inputs(played._db, row["call"])
        assert isinstance(seen, States)
        before = sorted((*name, text) for (*name, r), text in ends.items() if r == row["round"] - 1)
        assert [state.value for state in seen] == [text for *_, text in before]
        if before:
            assert own in seen


@pytest.mark.parametrize("change", ["sizes", "off", "stopped", "order"])
def test_nothing_else_decides_what_a_rule_gives(
    played: driftloop.Run, tmp_path: Path, change: str
) -> None:
    drop = ["started", "seconds", "shared", "fingerprint", "call"]
    expected = played.steps().drop_columns(drop)
    told = data(*ALL)
    if change == "sizes":
        for rule in RULES:
            told["models"][rule] = {**told["models"][rule], "batch_size": 1}
    if change == "order":
        told["arms"].reverse()
        told["prompts"] = told["prompts"][::-1]
    if change == "stopped":
        with open_session(load_study(told), tmp_path / "run") as session:
            for _ in range(40):
                batch = session.ask()
                assert batch is not None
                session.tell(batch, session.play(batch))
    overlap: Any = "off" if change == "off" else "devices"
    again = driftloop.run(load_study(told), tmp_path / "run", overlap=overlap, progress=False)
    assert again.steps().drop_columns(drop).equals(expected)


def test_a_rule_costs_nothing_before_it_acts(played: driftloop.Run) -> None:
    plain = [row["call"] for row in steps(played, "draw tell")]
    for rule, first in (("whole", 2), ("blend", 3), ("inject", 2)):
        rows = steps(played, f"draw tell {rule}")
        assert [row["call"] for row in rows[: 2 * first]] == plain[: 2 * first]


MISTAKES = {
    "no such rule": (
        {"models": {"rule": {"backend": "ancor"}}}, r"models.rule.backend: .*'anchor'",
    ),
    "beyond the horizon": (
        {"models": {"rule": {"backend": "anchor", "every": 7}}},
        "models.rule: it first acts in round 7, and the study has 6 rounds",
    ),
    "never": (
        {"models": {"rule": {"backend": "anchor", "every": 5, "until": 4}}},
        "models.rule: it never acts: its first round is 5 and its last 4",
    ),
    "no captioner before it": (
        {"models": {"rule": {"backend": "novelty"}}, "network": ["rule", "draw", "tell"]},
        "rule chooses among texts of the model before it",
    ),
    "texts only": (
        {"models": {"rule": {"backend": "anchor"}}, "network": ["draw", "rule", "tell"]},
        "draw gives a picture and rule takes a text",
    ),
    "no texts": ({"models": {"rule": {"backend": "inject"}}}, "models.rule: .* needs a path"),
    "no such collection": (
        {"models": {"rule": {"backend": "inject", "path": "nowhere.txt"}}},
        "models.rule.path: no texts at 'nowhere.txt'",
    ),
    "no such encoder": (
        {"models": {"rule": {"backend": "novelty", "encoder": "lexicl"}}},
        r"models.rule: no encoder 'lexicl'. Did you mean 'lexical'",
    ),
    "pictures": (
        {"models": {"rule": {"backend": "novelty", "encoder": "pixels"}}}, "takes pictures only",
    ),
    "nobody in some rounds": (
        {"models": {"rule": {"backend": "anchor", "every": 2}}, "network": ["rule"]},
        "in some rounds nobody would play, since rule only acts in some",
    ),
    "twice in a row": (
        {"models": {"rule": {"backend": "anchor"}}, "network": ["draw", "tell", "rule", "rule"]},
        "a round in which only rule acts",
    ),
    "never where it stands": (
        {
            "models": {"rule": {"backend": "anchor", "every": 2}},
            "network": ["draw", "tell", "rule", "draw", "tell"],
        },
        "rule never acts",
    ),
    "the name of a role": (
        {
            "models": {"captioner": {"backend": "anchor"}},
            "network": ["captioner", "draw", "tell"],
        },
        "models.captioner: a rule has a place of its own in a round, by its name",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_rule_that_does_not_fit_is_refused_before_anything_loads(
    tmp_path: Path, mistake: str
) -> None:
    change, message = MISTAKES[mistake]
    told = data(["draw", "tell"])
    told["models"] |= change["models"]
    told["arms"] = [{"name": "a", "network": change.get("network", ["draw", "tell", "rule"])}]
    with pytest.raises(StudyError, match=message):
        open_session(load_study(told), tmp_path / "run")


def test_a_picture_cannot_come_back_as_a_text(tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (8, 8), (9, 9, 9)).save(tmp_path / "start.png")
    told = data(["tell", "whole", "draw"])
    told["prompts"] = [{"id": "p", "image": str(tmp_path / "start.png")}]
    with pytest.raises(StudyError, match=r"models.whole: .* the prompt 'p' is a picture"):
        open_session(load_study(told), tmp_path / "run")


def test_a_rule_that_acts_in_no_round_of_an_opening_is_refused(tmp_path: Path) -> None:
    told = data(["draw", "tell"])
    told["models"]["rule"] = {"backend": "anchor", "every": 3}
    told["arms"] = [{"name": "a", "opening": ["draw", "tell", "rule"], "network": ["draw", "tell"]}]
    with pytest.raises(StudyError, match="rule never acts"):
        open_session(load_study(told), tmp_path / "run")


@pytest.mark.parametrize("change", [{"twins": 3}, {"prompts": PROMPTS[:2]}])
def test_who_looks_at_peers_keeps_the_same_peers(tmp_path: Path, change: dict[str, Any]) -> None:
    first = {**data(["draw", "tell", "peers"], ["draw", "tell"]), "rounds": 2}
    driftloop.run(load_study(first), tmp_path / "run", progress=False).close()
    with pytest.raises(StudyError, match="arm 'draw tell peers' look at each other"):
        open_session(load_study({**first, **change}), tmp_path / "run")
    more = {**first, "rounds": 3}
    driftloop.run(load_study(more), tmp_path / "run", progress=False).close()
    alone = {**first, **change, "arms": first["arms"][1:]}
    driftloop.run(load_study(alone), tmp_path / "run", progress=False).close()


def test_rounds_that_end_with_a_picture_have_no_texts_to_look_back_on(tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (8, 8), (9, 9, 9)).save(tmp_path / "start.png")
    told = data(["tell", "novelty", "draw"])
    told["prompts"] = [{"id": "p", "image": str(tmp_path / "start.png")}]
    with pytest.raises(StudyError, match="a round of this network ends with a picture"):
        open_session(load_study(told), tmp_path / "run")


class Picky(Rule):
    """Takes no text with a lantern in it."""

    def answer(self, given: Given, random: Random) -> str | Failure:
        """The text in capitals."""
        if "lantern" in given.text:
            return Failure("no lanterns")
        if "piano" in given.text:
            raise ValueError("no pianos")
        return given.text.upper()


def test_a_rule_that_fails_stops_its_trajectory_only() -> None:
    rule = Picky(RuleSettings())
    outcomes = rule.play(["a lantern", "a boat"], [1, 2])
    assert outcomes == [Failure("no lanterns"), Output("A BOAT")]
    with pytest.raises(ValueError, match="no pianos"):
        rule.play(["a piano"], [3])


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_can_be_tested_like_any_player(rule: str) -> None:
    backend = get_backend(RULES[rule]["backend"])
    settings = backend.settings.model_validate(
        {k: v for k, v in RULES[rule].items() if k != "backend"}
    )
    player = backend.load(settings, backend.locate(settings))
    assert check_invariance(player).verdict == "bit-exact"
    assert player.resized(3).fingerprint == player.fingerprint
    later = settings.model_copy(update={"start": 4})
    assert backend.load(later, backend.locate(later)).fingerprint == player.fingerprint


words = st.lists(st.sampled_from("a red fox reads the news in snow at night".split()), max_size=12)


@given(words, words)
def test_with_what_is_lost_nothing_is_lost(prompt: list[str], caption: list[str]) -> None:
    lost = lost_parts(" ".join(prompt), " ".join(caption))
    assert {word for part in lost for word in part.split()} <= set(prompt)
    whole = f"{' '.join(caption)}. {', '.join(lost)}"
    assert lost_parts(" ".join(prompt), whole) == []


def test_an_anchor_of_what_is_lost_leaves_a_faithful_caption() -> None:
    anchor = Anchor(AnchorSettings(how="lost"))
    told = Given("A fox in the snow.", ("",), "a fox in snow", (), ())
    assert anchor.answer(told, Random(0)) == Output(
        "A fox in the snow.", flags=("nothing of the prompt is lost",)
    )
    told = told._replace(start="a red fox reads a newspaper in the snow")
    assert anchor.answer(told, Random(0)).content == "A fox in the snow. red, reads a newspaper"


def test_a_text_without_a_word_is_kept_only_among_its_like() -> None:
    novelty = Novelty(NoveltySettings(candidates=3))
    told = Given("...", ("...", "a fox", "a hen in the rain"), None, ("a fox",), ())
    assert novelty.answer(told, Random(0)).content == "a hen in the rain"
    empty = told._replace(candidates=("...", "--", "!"))
    assert novelty.answer(empty, Random(0)).content == "..."


def test_measures_and_tables_tell_captions_from_what_rules_made_of_them(
    played: driftloop.Run, tmp_path: Path
) -> None:
    material = gather(played)
    assert material.asked == len(played)
    for track in material.tracks:
        rows = played.steps_of(track.name)
        for round, caption in enumerate(track.captions, start=1):
            of = [row for row in rows if row["round"] == round and row["text"] is not None]
            said = [row["text"] for row in of if row["role"] in ("captioner", "chooser")]
            assert caption == said[-1]
    (file,) = driftloop.export_run(played, tmp_path / "run.parquet", progress=False)
    table = pq.read_table(file).drop_columns(["image"]).to_pylist()
    whole = [row for row in table if row["arm"] == "draw tell whole"]
    assert {row["rewritten"] for row in whole if row["round"] % 2} == {None}
    assert {(row["rewritten"] == row["prompt"], row["rewriter"]) for row in whole
            if not row["round"] % 2} == {(True, "whole")}  # fmt: skip
    assert not any(row["caption"] == row["prompt"] for row in whole)
    chosen = {row["chooser"] for row in table if row["arm"] == "draw tell novelty"}
    assert chosen == {"novelty"}
    assert {row["captioner"] for row in table} == {"tell"}


def test_the_doctor_finds_a_run_with_rules_sound(played: driftloop.Run, tmp_path: Path) -> None:
    assert examine(played.folder) == []
    shutil.copytree(played.folder, tmp_path / "run")
    with driftloop.open(tmp_path / "run") as run:
        before = run.steps().drop_columns(["started", "seconds", "shared"])
        # A state that others look back on, with a checksum that fits.
        run._db.execute("UPDATE states SET value = (SELECT max(id) FROM texts) WHERE id = 5")
        seal_all(run._db, "states", SEALED["states"])
    assert {finding.kind for finding in examine(tmp_path / "run", repair=True)} >= {"input"}
    assert {finding.kind for finding in examine(tmp_path / "run")} <= {"orphan"}
    again = driftloop.run(study(*ALL), tmp_path / "run", progress=False)
    assert again.steps().drop_columns(["started", "seconds", "shared"]).equals(before)
    assert examine(tmp_path / "run") == []


def test_a_run_with_rules_has_a_report(played: driftloop.Run, tmp_path: Path) -> None:
    page = driftloop.write_report(
        played, tmp_path / "report.html", encoders=["lexical"], progress=False
    ).read_text("utf-8")
    assert "Written by" in page
    assert "Chosen by" in page
