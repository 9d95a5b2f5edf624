"""What trajectories end in is said first, where several prompts end in the same."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_report import Page
from worlds import make_run

from driftloop.measures import find_motifs
from driftloop.report import write_report
from driftloop.report._atlas import say_where
from driftloop.report._endings import measure_ending
from driftloop.report._finals import Finals, measure_finals, say_finals
from driftloop.report._gather import Track, gather
from driftloop.steps import Trajectory

WORDS = ("ship", "cat", "moon", "tree", "house", "sea", "snow", "night")
PROMPTS = [f"a {word} number {n}" for n, word in enumerate(WORDS)]
END = "a stormy lighthouse at sea"
Write = Callable[[random.Random, str, int], str]


def late(rng: random.Random, previous: str, round: int) -> str:
    return END if round > 2 else f"a {rng.choice(WORDS)} {round}"


def finals(folder: Path, write: Write, **changes: Any) -> list[Finals]:
    with make_run(folder, write=write, **{"prompts": PROMPTS, "rounds": 5, **changes}) as run:
        return measure_finals(gather(run))


def test_a_perfect_collapse_is_told_first(tmp_path: Path) -> None:
    with make_run(tmp_path / "run", prompts=PROMPTS, rounds=8, write=late) as run:
        page = Page(write_report(run).read_text("utf-8"))
    told = f"All 16 trajectories end in the same caption: “{END}”. They began with eight prompts."
    assert told in page.seen
    assert page.seen.index(told) < page.seen.index("Does it collapse?")
    assert "words in common collapses all the way" in page.seen
    assert "all the way: they are the same nothing nothing" in page.seen
    assert "That cannot be told here" not in page.seen
    assert "One motif:" in page.seen
    assert "16 of 16 trajectories, of eight prompts" in page.seen
    # The picture that goes with it is there, in the lead and in the section.
    assert page.count("div", "ending") == 1
    assert f"“{END}”" in [a.get("aria-label") for t, a in page.tags if t == "span"]


@pytest.mark.parametrize(
    ("write", "told"),
    [
        (lambda rng, p, r: "a cat", "All 16 trajectories end in the same caption: “a cat”."),
        (
            lambda rng, p, r: " \n" * rng.randint(0, 2),
            "All 16 trajectories end in an empty caption.",
        ),
        (
            lambda rng, p, r: f"{p}!" if "number 3" in p else "a cat",
            "14 of 16 trajectories end in the same caption: “a cat”.",
        ),
        (lambda rng, p, r: f"{p}!", ""),
        (lambda rng, p, r: f"{p} {rng.random()}", ""),
    ],
)
def test_endings_in_a_sentence(tmp_path: Path, write: Write, told: str) -> None:
    captions, pictures = finals(tmp_path / "run", write)
    assert say_finals(captions).startswith(told)
    assert bool(say_finals(captions)) == bool(told)
    assert say_finals(pictures) == ""


def test_two_endings_are_both_told(tmp_path: Path) -> None:
    ends = {word: ("a ship", "a cat")[n % 2] for n, word in enumerate(WORDS)}

    def write(rng: random.Random, previous: str, round: int) -> str:
        return next((ends[word] for word in WORDS if f"{word} number" in previous), previous)

    captions, _ = finals(tmp_path / "run", write)
    assert say_finals(captions).startswith(
        "16 trajectories end in two captions: 8 in “a ship”; 8 in “a cat”."
    )
    assert (captions.shared.value, captions.at_first.value) == (1.0, 0.0)


def test_prompts_that_are_the_same_text_end_together_without_a_loop(tmp_path: Path) -> None:
    captions, _ = finals(tmp_path / "run", lambda rng, p, r: p, prompts=["a cat"] * 4)
    assert captions.shared.value == 0.0
    assert say_finals(captions) == ""


def test_a_trajectory_that_stopped_has_no_ending(tmp_path: Path) -> None:
    stopped = Trajectory("autonomous", "prompt-1", 0)
    captions, _ = finals(
        tmp_path / "run", late, lengths={stopped: 4}, failing={stopped: "RuntimeError: no paint"}
    )
    assert (captions.round, captions.trajectories) == (5, 15)
    assert say_finals(captions).startswith("All 15 trajectories end in")


def test_captions_that_end_empty_are_not_measured_silently(tmp_path: Path) -> None:
    def write(rng: random.Random, previous: str, round: int) -> str:
        return "" if round > 3 else f"a {rng.choice(WORDS)} {round}"

    with make_run(tmp_path / "run", prompts=PROMPTS, rounds=8, write=write) as run:
        page = Page(write_report(run).read_text("utf-8"))
    assert "All 16 trajectories end in an empty caption." in page.seen
    assert "From round 4 on most captions are empty" in page.seen


def test_places_that_prompts_began_in_are_said_to_be_theirs() -> None:
    x = np.eye(24, dtype=np.float32)[np.arange(48) // 2 % 4][:, None].repeat(8, axis=1)
    found = find_motifs(x, np.arange(48) // 2)
    assert "The places are of the prompts, not of the loop." in say_where(found)
    start = np.eye(24, dtype=np.float32)[np.arange(48) // 2]
    moved = find_motifs(x, np.arange(48) // 2, start=start)
    assert say_where(moved).startswith("4 [4, 4] motifs. Regions that were found")


def test_approximate_repeats_say_nothing_where_one_look_scatters_as_far_as_strangers() -> None:
    rng = np.random.default_rng(0)
    tracks = [
        Track(Trajectory("one", f"p{n // 2}", n % 2), range(0), (), ("a",) * 20) for n in range(12)
    ]
    noise = rng.normal(size=(12, 20, 16))
    wide = measure_ending(tracks, noise / np.linalg.norm(noise, axis=-1, keepdims=True))
    assert wide is not None
    assert np.isnan(wide.returning.value)
    # The same trajectories with a home each: their looks are near each other and far from others.
    homes = np.repeat(np.eye(16)[:12], 20, axis=0).reshape(12, 20, 16) + 0.02 * noise
    near = measure_ending(tracks, homes / np.linalg.norm(homes, axis=-1, keepdims=True))
    assert near is not None
    assert near.returning.value > 0.7
