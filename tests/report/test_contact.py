"""The contact strip: one picture of a few trajectories."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from PIL import Image
from worlds import draw, make_run

from driftloop.errors import StoreError
from driftloop.report import contact_strip

NAME = ("autonomous", "prompt-0", 0)


def test_it_has_a_row_a_trajectory_and_a_column_a_round(tmp_path: Path) -> None:
    with make_run(tmp_path / "run", rounds=6, twins=2) as run:
        one = Image.open(contact_strip(run, [NAME], tmp_path / "one.png"))
        two = Image.open(
            contact_strip(run, [NAME, ("autonomous", "prompt-1", 1)], tmp_path / "two.png")
        )
        few = Image.open(contact_strip(run, [NAME], tmp_path / "few.png", rounds=[0, 1]))
    assert two.width == one.width > few.width
    assert one.height < two.height < 2 * one.height
    # Rounds 10 and 20 were not played: start, 1, 2 and 5 are what is left.
    assert one.width == 2 * 28 + 4 * 168 + 3 * 18


def test_it_shows_the_pictures(tmp_path: Path) -> None:
    with make_run(tmp_path / "run", rounds=2, side=16) as run:
        sheet = Image.open(contact_strip(run, [NAME], tmp_path / "x.png", rounds=[1]))
        digest = run.steps()["image"][0].as_py()
        picture = run.image(digest)
    assert sheet.getpixel((28 + 84, 28 + 30 + 5)) == picture.getpixel((8, 0))


def test_it_starts_from_pictures_too(tmp_path: Path) -> None:
    start = draw("a ship at night", random.Random(0))
    with make_run(tmp_path / "run", prompts=[start], rounds=2) as run:
        sheet = Image.open(contact_strip(run, [NAME], tmp_path / "x.png"))
    assert sheet.getpixel((28 + 84, 28 + 30 + 5)) == start.getpixel((16, 0))


def test_mistakes_are_named(tmp_path: Path) -> None:
    with make_run(tmp_path / "run", rounds=1) as run:
        with pytest.raises(ValueError, match="no trajectory"):
            contact_strip(run, [("autonomous", "prompt-9", 0)], tmp_path / "x.png")
        with pytest.raises(ValueError, match="do not fit"):
            contact_strip(run, [], tmp_path / "x.png")
        (tmp_path / "file").write_text("")
        with pytest.raises(StoreError, match="cannot be written there"):
            contact_strip(run, [NAME], tmp_path / "file" / "x.png")
