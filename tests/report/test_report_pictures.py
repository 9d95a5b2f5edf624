"""Pictures for the page: the most faithful way that fits; rounds and trajectories that fit."""

from __future__ import annotations

import io
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from worlds import draw, make_run

from driftloop.report._choice import choose, thin
from driftloop.report._gather import Track
from driftloop.report._pictures import LADDER, Rung, encode, make_album
from driftloop.steps import Trajectory, image_digest
from driftloop.store import create_run


def test_lossless_is_lossless() -> None:
    image = draw("a ship at night", random.Random(0), 64)
    data, side = encode(image, Rung(None, None))
    assert side == 64
    np.testing.assert_array_equal(
        np.asarray(Image.open(io.BytesIO(data)).convert("RGB")), np.asarray(image)
    )


def test_a_picture_that_is_too_wide_for_webp_is_shown_all_the_same() -> None:
    image = Image.new("RGB", (20_000, 2), "red")
    for rung in LADDER:
        data, side = encode(image, rung)
        with Image.open(io.BytesIO(data)) as file:
            assert max(file.size) == side


def test_the_ladder_gets_smaller() -> None:
    image = Image.effect_noise((640, 480), 60).convert("RGB").resize((800, 600))
    sizes = [len(encode(image, rung)[0]) for rung in LADDER]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize(("budget", "exact"), [(10**7, True), (30_000, False)])
def test_an_album_keeps_its_budget(tmp_path: Path, budget: int, exact: bool) -> None:
    with create_run(tmp_path / "run") as run:
        images = [Image.effect_noise((300, 200), 20 + n).convert("RGB") for n in range(12)]
        digests = [image_digest(image) for image in images]
        for image, digest in zip(images, digests, strict=True):
            run.put_image(image, digest)
        done: list[int] = []
        album = make_album(
            run, [*digests, digests[0], "0" * 64], advance=done.append, budget=budget
        )
    assert album.exact is exact
    assert len(album.classes) == 12
    assert album.missing == ("0" * 64,)
    assert sum(done) == 13
    assert len(album.css) < budget * 4 / 3 * 1.2 + 2000


@given(st.integers(0, 3000), st.integers(8, 50))
def test_thinning_keeps_the_ends_and_the_limit(last: int, most: int) -> None:
    keep = [r for r in (1, 2, 5, 10, last) if 0 < r <= last]
    rounds = thin(last, most, keep=keep)
    assert list(rounds) == sorted(set(rounds))
    assert len(rounds) == min(last, most)
    assert {*keep} <= {*rounds}
    assert all(1 <= r <= last for r in rounds)


def track(arm: str, prompt: int, twin: int, rounds: int) -> Track:
    blank = (None,) * rounds
    return Track(Trajectory(arm, f"p{prompt}", twin), range(0), blank, blank)


def test_what_is_left_out_is_counted_and_spread() -> None:
    tracks = [track(a, p, t, 100) for a in "ab" for p in range(50) for t in range(3)]
    choice = choose(tracks, most_rounds=20, most_pictures=2000)
    assert len(choice.tracks) + choice.left_out == 300
    assert len(choice.tracks) == 100
    assert {t.name.twin for t in choice.tracks} == {0}
    few = choose(tracks, most_rounds=20, most_pictures=400)
    assert len(few.tracks) == 20
    assert {t.name.arm for t in few.tracks} == {"a", "b"}
    assert len({t.name.prompt for t in few.tracks}) >= 10
    assert list(few.tracks) == sorted(few.tracks, key=tracks.index)


def test_a_small_run_is_shown_whole() -> None:
    tracks = [track("a", p, t, 7) for p in range(3) for t in range(2)]
    choice = choose(tracks)
    assert choice.tracks == tuple(tracks)
    assert choice.rounds == (1, 2, 3, 4, 5, 6, 7)
    assert choice.mosaic_rounds == (1, 2, 5, 7)


def test_a_run_with_few_rounds_on_disk_is_told_where_pictures_are(tmp_path: Path) -> None:
    with make_run(tmp_path / "run", rounds=1) as run:
        assert all(run.images.path(digest).exists() for digest in run.images.digests())
