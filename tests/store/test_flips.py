"""Bits and values of a run's file, changed at random: all told, and no traceback.

A small part of `benchmarks/flips.py`, which tries hundreds.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from flips import make, try_flips, try_values

Runs = list[tuple[Path, Path | None]]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return make(tmp_path_factory.mktemp("flips"))


def test_a_flipped_bit_is_told(runs: Runs) -> None:
    ended = try_flips(runs, 40, 5)
    assert set(ended) <= {"told", "changed nothing"}
    assert ended["told"] > 10


def test_a_value_that_should_not_be_there_is_told_and_never_a_traceback(runs: Runs) -> None:
    ended = try_values(runs, 16, 5, whole=0)
    assert ended["doctor: told"] > 8
    assert not [what for what in ended if what.endswith((": TRACEBACK", ": NOT TOLD"))]
    assert not [what for what in ended if what.endswith((": LEFT SOMETHING", ": OTHERWISE"))]
