"""Verdicts on worlds whose truth is known, and true reasons where there is none."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from planted import (
    alternating,
    copied,
    corpus,
    cycle,
    missing,
    shuffled,
    still,
    unit,
    wander,
    world,
)

from driftloop.measures import separation, verdict


def kinds(draw, seeds: int = 4) -> set[str]:  # type: ignore[no-untyped-def]
    return {verdict(separation(*draw(seed), resamples=200).late).kind for seed in range(seeds)}


@pytest.mark.parametrize("period", [2, 3, 4, 7])
@pytest.mark.parametrize("noise", [0.0, 0.5])
@pytest.mark.parametrize("swing", [0.3, 1.5])
def test_a_loop_that_alternates_and_forgets_wanders(
    period: int, noise: float, swing: float
) -> None:
    assert kinds(partial(cycle, period=period, noise=noise, swing=swing)) == {"wanders"}


@pytest.mark.parametrize("period", [2, 3])
def test_alternation_hides_neither_memory_nor_collapse(period: int) -> None:
    remembering = partial(cycle, period=period, noise=0.5, swing=0.5, kept=0.75)
    assert kinds(remembering) == {"remembers"}
    assert kinds(partial(alternating, period=period)) == {"collapses"}


def test_a_change_of_register_in_every_other_round_is_not_contraction() -> None:
    draw = partial(cycle, shared=True, noise=0.5)
    late = separation(*draw(0), resamples=100).late
    # Every other round strangers are much closer, and then as far apart as ever.
    assert late.strangers.value < 0.85 * separation(*draw(0), resamples=0).strangers.mean[0]
    assert late.contraction.value == pytest.approx(0, abs=0.02)
    assert kinds(draw) == {"wanders"}


@pytest.mark.parametrize("gone", [[50], range(5, 60, 5), range(1, 6), [*range(2, 60, 2)]])
@pytest.mark.parametrize(
    ("kind", "draw"),
    [("remembers", still), ("wanders", wander), ("collapses", partial(world, pull=0.1))],
)
def test_rounds_that_nobody_recorded_are_skipped(kind: str, draw, gone) -> None:  # type: ignore[no-untyped-def]
    assert kinds(partial(missing, draw=draw, rounds=gone)) == {kind}


def test_what_is_skipped_is_told() -> None:
    x, prompts = missing(0, wander, [1, 2, 40, 41])
    late = separation(x, prompts, resamples=50).late
    assert late.baseline == 2
    assert late.counted == 28
    # A round that few prompts have is as good as none.
    x[8:, 2] = np.nan
    assert separation(x, prompts, resamples=50).late.baseline == 3


def test_memory_compares_strangers_and_twins_of_the_same_rounds() -> None:
    # Twins were recorded together in the first half of the late rounds, where all is nearer.
    x, prompts = still(0)
    shared = unit(np.ones(x.shape[2]))
    x[:, 30:45] = unit(x[:, 30:45] + 2 * shared).astype(np.float32)
    whole = separation(x[:, :45], prompts, late=1 / 3, resamples=50).late.memory
    x[1::2, 45:] = np.nan
    apart = separation(x, prompts, resamples=50).late
    assert apart.memory.value == pytest.approx(whole.value, abs=0.03)
    assert apart.memory.low > 0.8


@pytest.mark.parametrize("draw", [wander, world, still])
def test_copies_of_a_trajectory_are_no_twins(draw) -> None:  # type: ignore[no-untyped-def]
    late = separation(*copied(0, draw), resamples=100).late
    found = verdict(late)
    assert late.identical
    assert np.isnan(late.memory.value)
    assert found.forgets is None
    assert found.reasons == ("identical twins",)
    # Strangers alone tell whether prompts come together.
    assert found.falls is (draw is world)


def test_twins_that_stand_still_remember_though_they_are_identical() -> None:
    x, prompts = still(0, noise=0.0)
    found = verdict(separation(x, prompts, resamples=100).late)
    assert found.kind == "remembers"


def test_a_deterministic_loop_whose_prompts_all_end_the_same_collapses() -> None:
    x, prompts = copied(0, wander)
    x[:, 20:] = x[0, 20]
    assert verdict(separation(x, prompts, resamples=100).late).kind == "collapses"


def test_noise_that_is_as_large_as_all_there_is_remembers_nothing() -> None:
    assert kinds(corpus, 6) == {"wanders"}
    x, prompts = still(1)
    assert kinds(lambda seed: (shuffled(seed, x), prompts)) == {"wanders"}


def test_twins_nearer_than_the_floor_are_claimed_only_what_holds_without_one() -> None:
    # Ever new places, the same for twins but for a little: no lag tells the floor.
    rng = np.random.default_rng(0)
    path = np.repeat(rng.normal(size=(24, 60, 64)), 2, axis=0)
    prompts = np.repeat(np.arange(24), 2)
    near = separation(unit(path + 0.3 * rng.normal(size=path.shape)), prompts, resamples=200)
    assert near.late.memory.value <= 1
    assert verdict(near.late).forgets is not True
    far = separation(unit(path + 2.0 * rng.normal(size=path.shape)), prompts, resamples=200)
    assert far.late.separation.value == pytest.approx(0.2, abs=0.03)
    assert verdict(far.late).forgets is not False


@pytest.mark.parametrize(
    ("reason", "x", "prompts"),
    [
        ("one prompt", still(0, prompts=1)[0], [0, 0]),
        ("no baseline", still(0)[0][:, :1], still(0)[1]),
        ("no twins", still(0, twins=1)[0], range(24)),
        ("no neighbours", still(0)[0][:, :2], still(0)[1]),
        ("memory", *world(0, prompts=3, rounds=6)),
        ("contraction", *wander(0, prompts=3, rounds=6, d=3)),
    ],
)
def test_the_reason_is_the_true_one(reason: str, x: np.ndarray, prompts: list[int]) -> None:
    assert reason in verdict(separation(x, prompts, resamples=50).late).reasons


def test_twins_that_share_no_round_are_named() -> None:
    x, prompts = still(0)
    x[::2, ::2] = np.nan
    x[1::2, 1::2] = np.nan
    found = verdict(separation(x, prompts, resamples=50).late)
    assert found.reasons == ("twins apart",)


def test_a_verdict_has_no_reasons() -> None:
    assert verdict(separation(*still(0), resamples=50).late).reasons == ()
