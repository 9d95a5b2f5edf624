"""The report: whole, honest and safe, whatever the run is like."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from worlds import draw, make_run

from driftloop.errors import StoreError
from driftloop.report import write_report
from driftloop.steps import Reading, Trajectory
from driftloop.store import create_run

HOSTILE = (
    '<script>alert(1)</script> & "quotes" </style><img src=x onerror=alert(2)> {{ 7*7 }} </dialog>'
)


class Page(HTMLParser):
    """Tags, attributes and visible text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(html)
        self.seen = re.sub(r"\s+", " ", " ".join(self.text))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if not self.open:
            self.text.append(data)

    def count(self, tag: str, kind: str = "") -> int:
        return sum(
            t == tag and (not kind or kind in (a.get("class") or "").split()) for t, a in self.tags
        )


@pytest.fixture
def page(tmp_path: Path) -> Callable[..., Page]:
    def write(**changes: Any) -> Page:
        with make_run(tmp_path / "run", **changes) as run:
            return Page(write_report(run).read_text("utf-8"))

    return write


def test_a_whole_run(page: Callable[..., Page], tmp_path: Path) -> None:
    found = page()
    assert "Three prompts were drawn and described in turn for six rounds" in found.seen
    assert found.count("div", "strip") == 6
    assert found.count("li", "frame") == 36
    assert "No trajectory failed." in found.seen
    assert "Nothing was cut" in found.seen
    assert "bit-exact" in found.seen
    for section in ("mosaic", "strips", "drift", "repeats", "losses", "made"):
        assert ("section", {"id": section}) in found.tags
    links = [a["href"] for t, a in found.tags if t == "a" and (a.get("href") or "").endswith("png")]
    assert links
    assert all((tmp_path / "run" / str(link)).is_file() for link in links)


def test_it_loads_nothing(page: Callable[..., Page]) -> None:
    found = page(arms=["one", "two"])
    for tag, attributes in found.tags:
        for name in ("src", "srcset", "poster", "data", "action", "xlink:href"):
            assert name not in attributes, (tag, attributes)
        if tag == "link":
            assert attributes["href"] == "data:,"
    assert not re.search(r"url\((?!data:image/)", found.html)
    assert "@import" not in found.html
    assert "default-src 'none'" in found.html


def test_each_picture_is_stored_once(page: Callable[..., Page]) -> None:
    found = page()
    stored = re.findall(r"^\.p\d+\{", found.html, flags=re.MULTILINE)
    assert len(stored) == len(set(stored)) == 36
    assert found.html.count("data:image/") == 36


def test_the_same_run_gives_the_same_page(tmp_path: Path) -> None:
    with make_run(tmp_path / "run") as run:
        first = write_report(run).read_bytes()
        assert write_report(run.folder).read_bytes() == first


HOSTILE_READINGS = (Reading(5, 3, HOSTILE, HOSTILE), Reading(5, 0, "", "<i>"))


def test_hostile_texts_stay_texts(page: Callable[..., Page]) -> None:
    found = page(
        prompts=[HOSTILE, "a ship"],
        arms=["arm <b>&amp;</b>"],
        write=lambda rng, previous, round: f"{HOSTILE} {round}",
        failing={Trajectory("arm <b>&amp;</b>", "prompt-0", 0): HOSTILE},
        lengths={Trajectory("arm <b>&amp;</b>", "prompt-0", 0): 4},
        flags=lambda trajectory, index: {
            "flags": (HOSTILE,),
            "cut_text": HOSTILE,
            "readings": HOSTILE_READINGS,
        },
        title=HOSTILE,
    )
    assert found.count("script") == 1
    assert found.count("dialog") == 1
    assert not [
        t for t, a in found.tags if t in ("img", "b") and (t == "img" or not a) and t == "img"
    ]
    assert not any(name.startswith("on") for _, a in found.tags for name in a)
    assert "<script>alert(1)</script>" in found.seen
    assert "{{ 7*7 }}" in found.seen


def test_an_empty_run_says_so(tmp_path: Path) -> None:
    with create_run(tmp_path / "run") as run:
        found = Page(write_report(run).read_text("utf-8"))
    assert "Nothing has been played in this run yet" in found.seen
    assert found.count("svg") == 0


def test_a_study_without_steps_says_what_it_asks_for(page: Callable[..., Page]) -> None:
    found = page(
        lengths={Trajectory("autonomous", f"prompt-{p}", t): 0 for p in range(3) for t in (0, 1)}
    )
    assert "its study asks for 72 steps" in found.seen


def test_failures_and_unequal_lengths_are_told(page: Callable[..., Page]) -> None:
    name, never = Trajectory("autonomous", "prompt-1", 1), Trajectory("autonomous", "prompt-2", 0)
    found = page(
        lengths={name: 5, never: 0}, failing={name: "RuntimeError: out of paint", never: "gone"}
    )
    assert "out of paint" in found.seen
    assert "The run is not complete: 53 of 72 steps are played" in found.seen
    assert "two trajectories stopped by a failure" in found.seen
    assert "Trajectories differ in length" in found.seen
    assert "not described" in found.seen


def test_a_round_that_few_have_reached_is_not_the_headline(page: Callable[..., Page]) -> None:
    lengths = {Trajectory("autonomous", f"prompt-{p}", t): 8 for p in range(3) for t in (0, 1)}
    found = page(lengths={**lengths, Trajectory("autonomous", "prompt-0", 0): 11})
    assert "After four rounds a caption is" in found.seen
    assert "for six rounds" in found.seen
    assert "rounds 1, 2 and 4" in found.seen


def test_what_was_cut_is_counted(page: Callable[..., Page]) -> None:
    def flags(trajectory: Trajectory, index: int) -> dict[str, Any]:
        if index == 0:
            return {"readings": (Reading(75, 4, "under a red moon"),)}
        return {"flags": ("unfinished",)} if index == 3 else {}

    found = page(flags=flags)
    assert "text it had no room to read 6 36 24 tokens in all" in found.seen
    assert "under a red moon" in found.seen
    assert "unfinished 6 36" in found.seen
    assert "4 tokens unread" in found.seen


def test_each_text_encoder_that_cut_is_told(page: Callable[..., Page]) -> None:
    clips = [
        Reading(75, 4, "under a red moon", "text_encoder"),
        Reading(75, 4, "under a red moon", "text_encoder_2"),
    ]

    def flags(trajectory: Trajectory, index: int) -> dict[str, Any]:
        if index == 0:
            return {"readings": (*clips, Reading(91, 0, "", "text_encoder_3"))}
        return {"readings": tuple(clips)} if index == 2 else {}

    found = page(flags=flags)
    both = "text_encoder and text_encoder_2"
    assert f"text its {both} had no room to read 6 36 24 tokens in all" in found.seen
    # Where all read the same, they need no names.
    assert "text it had no room to read 6 36 24 tokens in all" in found.seen
    assert f"4 tokens unread by {both}" in found.seen
    assert "unread by text_encoder_3" not in found.seen


def test_empty_captions_have_no_vector(page: Callable[..., Page]) -> None:
    found = page(write=lambda rng, previous, round: "" if round == 3 else f"a ship {round}")
    assert "captions without a vector" in found.seen
    assert "empty caption" in found.seen


def test_trajectories_that_start_from_pictures(page: Callable[..., Page]) -> None:
    rng = random.Random(0)
    found = page(prompts=[draw("a ship", rng), draw("a cat at night", rng)])
    assert "described and drawn in turn" in found.seen
    assert found.count("li", "caption-first") == 24
    assert "/somewhere" not in found.html
    assert "prompt-1.png" in found.seen


def test_several_arms(page: Callable[..., Page]) -> None:
    found = page(arms=["one", "two", "three"])
    assert found.count("div", "mosaic-arm") == 3
    assert "ended in a repeating caption" in found.seen
    assert "Each arm with the spread of its trajectories" in found.seen


@pytest.mark.parametrize(
    ("prompts", "twins", "rounds"), [(1, 1, 1), (1, 1, 2), (2, 1, 1), (1, 3, 3)]
)
def test_the_smallest_runs(
    page: Callable[..., Page], prompts: int, twins: int, rounds: int
) -> None:
    found = page(prompts=["a ship", "a cat"][:prompts], twins=twins, rounds=rounds)
    assert found.count("li", "frame") == prompts * twins * rounds
    assert "nan" not in found.seen.lower().split()


def test_a_fixed_point_and_a_cycle_are_found(page: Callable[..., Page]) -> None:
    def write(rng: random.Random, previous: str, round: int) -> str:
        if "ship" in previous:
            return "a ship"
        return "a cat on the left" if "right" in previous else "a cat on the right"

    found = page(prompts=["a ship", "a cat"], twins=1, write=write)
    assert "2 of 2 trajectories ended" in found.seen.lower()
    assert "1 of period 2" in found.seen


def test_a_picture_that_is_gone_does_not_stop_the_report(tmp_path: Path) -> None:
    with make_run(tmp_path / "run") as run:
        next(run.images.folder.rglob("*.png")).unlink()
    with create_run(tmp_path / "run") as run:
        found = Page(write_report(run).read_text("utf-8"))
    assert "One picture could not be read from the run." in found.seen
    assert "pictures without a vector" in found.seen


def test_large_pictures_are_previews_within_the_budget(tmp_path: Path) -> None:
    noise = Image.effect_noise((700, 500), 90).convert("RGB")
    with make_run(tmp_path / "run", prompts=[noise], side=256, rounds=3) as run:
        elsewhere = write_report(run, tmp_path / "elsewhere" / "page.html")
    found = Page(elsewhere.read_text("utf-8"))
    assert ">full picture<" not in found.html
    assert elsewhere.stat().st_size < 2_000_000


def test_an_unwritable_place_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        make_run(tmp_path / "run", rounds=1) as run,
        pytest.raises(StoreError, match="cannot be written there"),
    ):
        write_report(run, tmp_path / "file" / "report.html")


def test_progress_is_shown_when_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with make_run(tmp_path / "run", rounds=2) as run:
        write_report(run)
        assert capsys.readouterr().err == ""
        write_report(run, progress=True)
        assert "pictures" in capsys.readouterr().err


def test_it_answers_the_four_questions(page: Callable[..., Page]) -> None:
    found = page(
        prompts=[f"a {w} number {w}" for w in "ship cat moon tree house".split()], rounds=8
    )
    for section in ("collapse", "forgotten", "motifs", "repeats"):
        assert ("section", {"id": section}) in found.tags
    order = [a["id"] for t, a in found.tags if t == "section"]
    assert order[:4] == ["collapse", "forgotten", "motifs", "repeats"]
    assert "Seen over eight rounds" in found.seen
    assert "shuffled (control)" in found.seen


def test_captions_that_never_change_are_told_from_captions_that_are_all_the_same(
    page: Callable[..., Page],
) -> None:
    prompts = [f"{w} {n}" for n, w in enumerate("ship cat moon tree house".split())]
    same = page(prompts=prompts, rounds=6, write=lambda rng, previous, round: "a cat")
    assert "collapses 0 %" not in same.seen
    assert "words in common collapses" in same.seen


def test_memory_needs_twins(page: Callable[..., Page]) -> None:
    found = page(twins=1)
    assert "That needs twins" in found.seen
