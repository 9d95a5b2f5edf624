"""Attractors of scalars, fidelity, energy distance, attribution, approximate repeats."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import unit
from scipy import optimize, stats

from driftloop.measures import (
    alike,
    attractor,
    attribution,
    autoregression,
    energy_distance,
    mean_cumulative_drift,
    periods,
    repetition,
    semantic_drift_rate,
)
from driftloop.measures._fidelity import _fit


def test_the_line_is_scipys() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(30, 5, size=40), rng.normal(20, 3, size=40)
    y += 0.4 * x
    found = attractor(x, y, np.arange(40))
    line = stats.linregress(x, y)
    assert found.slope.value == pytest.approx(line.slope)
    assert found.position.value == pytest.approx(line.intercept / (1 - line.slope))
    assert found.spread == pytest.approx(np.std(y - line.slope * x))
    assert found.slope.low < line.slope < found.slope.high


def test_intervals_of_slope_and_position_cover_what_was_planted() -> None:
    hits = np.zeros(2)
    for seed in range(300):
        rng = np.random.default_rng(seed)
        start = np.repeat(rng.gamma(4, 5, size=24), 2)
        end = 12 + 0.3 * start + rng.normal(0, 3, size=48)
        found = attractor(start, end, np.repeat(np.arange(24), 2), resamples=300)
        hits += [
            found.slope.low <= 0.3 <= found.slope.high,
            found.position.low <= 12 / 0.7 <= found.position.high,
        ]
    assert (hits / 300 > 0.9).all()


def test_autoregression_finds_its_coefficient() -> None:
    rng = np.random.default_rng(1)
    y = np.zeros((60, 200))
    y[:, 0] = rng.normal(10, 5, size=60)
    for t in range(1, 200):
        y[:, t] = 4 + 0.6 * y[:, t - 1] + rng.normal(size=60)
    y[3, 50:] = np.nan
    found = autoregression(y, np.repeat(np.arange(30), 2))
    assert found.slope.low < 0.6 < found.slope.high
    assert found.position.value == pytest.approx(10, abs=0.1)


def test_no_pull_no_position() -> None:
    x = np.array([1.0, 2.0, 5.0, 7.0])
    found = attractor(x, 1.5 * x - 2, range(4))
    assert found.strength == 0
    assert np.isnan(found.position.value)
    assert np.isnan(attractor(np.ones(5), np.ones(5), range(5)).slope.value)
    assert np.isnan(attractor(x[:2], x[:2], range(2)).slope.value)


def test_drift_rates() -> None:
    g = np.arange(1, 21)
    rng = np.random.default_rng(2)
    rows = 0.5 * np.exp(-0.3 * g) + 0.25 + 0.01 * rng.normal(size=(24, 20))
    found = semantic_drift_rate(rows, range(24))
    assert found.rate.low < 0.3 < found.rate.high
    assert found.floor.low < 0.25 < found.floor.high
    assert found.drop.value == pytest.approx(0.5, abs=0.05)
    assert mean_cumulative_drift(rows, range(24)).value == pytest.approx(rows.mean())
    assert np.isnan(semantic_drift_rate(rows[:, :3], range(24)).rate.value)
    assert np.isnan(semantic_drift_rate(rows[:0], []).rate.value)


def reference(values: np.ndarray) -> tuple[float, np.ndarray]:
    """The least error of a constrained fit by scipy, from many starts."""
    g = np.arange(1, len(values) + 1)

    def error(q: np.ndarray) -> float:
        return float(((q[0] * np.exp(-q[1] * g) + q[2] - values) ** 2).sum())

    def slope(q: np.ndarray) -> np.ndarray:
        falls = np.exp(-q[1] * g)
        parts = np.stack([falls, -q[0] * g * falls, np.ones(len(g))])
        return 2 * parts @ (q[0] * falls + q[2] - values)

    edge = np.array([-1.0, 0.0, -1.0])
    share = {"type": "ineq", "fun": lambda q: 1 + edge @ q, "jac": lambda q: edge}
    found = [
        optimize.minimize(
            error, (a, b, c), jac=slope, method="SLSQP", bounds=[(0, 1), (1e-3, 10), (0, 1)],
            constraints=share,
            options={"ftol": 1e-14, "maxiter": 500},
        )
        for a in (0.2, 0.7) for b in (0.02, 0.2, 1.0, 4.0) for c in (0.1, 0.3)
    ]  # fmt: skip
    best = min(found, key=lambda one: one.fun)
    return best.fun, best.x


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_the_decay_is_that_of_a_constrained_fit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    g = np.arange(1, int(rng.integers(5, 30)))
    a, c = rng.dirichlet([1, 1, 1])[:2]
    values = a * np.exp(-rng.choice([0.01, 0.1, 0.5, 2.0, 6.0]) * g) + c
    values += rng.choice([0.0, 0.02, 0.1]) * rng.normal(size=len(g))
    drop, rate, floor = _fit(values[None])[0]
    assert drop >= 0
    assert floor >= 0
    assert drop + floor <= 1 + 1e-9
    assert 1e-3 <= rate <= 10
    mine = ((drop * np.exp(-rate * g) + floor - values) ** 2).sum()
    theirs, _ = reference(values)
    assert mine <= theirs * 1.001 + 1e-6


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.full(10, 0.6), "does not fall"),
        (np.linspace(0.3, 0.6, 10), "does not fall"),
        # All of the loss is in the first generation: any fast rate and drop would do.
        (np.array([0.9, *np.full(9, 0.3)])[1:], "does not fall"),
        (1 - 3e-4 * np.arange(1, 301), "straight line"),
        (np.array([0.9, 0.5, 0.3]), "needs 4 generations"),
    ],
)
def test_a_curve_without_a_rate_has_none_and_says_why(values: np.ndarray, reason: str) -> None:
    found = semantic_drift_rate(np.tile(values, (6, 1)), range(6))
    assert all(np.isnan(part.value) for part in found[:3])
    assert reason in found.reason


def slow_energy(x: np.ndarray, y: np.ndarray) -> float:
    def mean(a: np.ndarray, b: np.ndarray, same: bool) -> float:
        pairs = [
            np.linalg.norm(p - q)
            for i, p in enumerate(a)
            for j, q in enumerate(b)
            if not (same and i == j)
        ]
        return float(np.mean(pairs))

    return 2 * mean(x, y, False) - mean(x, x, True) - mean(y, y, True)


def test_energy_is_a_loop_over_pairs_and_near_scipys_in_one_dimension() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(12, 3)), rng.normal(size=(9, 3)) + 0.5
    assert energy_distance(x, y, permutations=9).distance == pytest.approx(slow_energy(x, y))
    a, b = rng.normal(size=(400, 1)), rng.normal(size=(400, 1)) + 1
    theirs = stats.energy_distance(a[:, 0], b[:, 0]) ** 2
    assert energy_distance(a, b, permutations=9).distance == pytest.approx(theirs, abs=0.02)


def test_energy_permutes_prompts_not_states() -> None:
    rng = np.random.default_rng(4)
    rejected = {"units": 0, "states": 0}
    for _ in range(60):
        # Ten states a prompt that are nearly copies, of one distribution in both sets.
        x, y = (
            np.repeat(rng.normal(size=(8, 4)), 10, axis=0) + 0.01 * rng.normal(size=(80, 4))
            for _ in range(2)
        )
        units = np.repeat(np.arange(8), 10)
        p = energy_distance(x, y, x_units=units, y_units=units, permutations=99).p
        rejected["units"] += p <= 0.05
        rejected["states"] += energy_distance(x, y, permutations=99).p <= 0.05
    assert rejected["units"] <= 9
    assert rejected["states"] > 30
    with pytest.raises(ValueError, match="two units"):
        energy_distance(x[:1], y)


def test_sets_are_called_alike_where_that_is_shown() -> None:
    rng = np.random.default_rng(5)
    found = {"same": 0, "at the margin": 0, "few there": 0}
    # The true distance of "at the margin" is a twentieth of that within the reference.
    for _ in range(60):
        y = rng.normal(size=(150, 32))
        sets = {"same": (24, 0.0), "at the margin": (24, 0.224), "few there": (4, 0.224)}
        for name, (count, shift) in sets.items():
            x = rng.normal(size=(count, 32))
            x[:, 0] += shift * 8.0
            test = energy_distance(x, y, permutations=99, resamples=200)
            found[name] += test.alike
            assert not (test.alike and test.differ)
    assert found["same"] >= 54
    assert found["at the margin"] <= 6
    assert found["few there"] <= 6


def test_of_many_states_energy_takes_as_many_of_every_prompt() -> None:
    rng = np.random.default_rng(4)
    # One prompt in twenty has most of the states, far away from all others.
    units = np.concatenate([np.repeat(np.arange(19), 60), np.full(20_000, 19)])
    x = rng.normal(size=(len(units), 3)) + 9.0 * (units == 19)[:, None]
    y = rng.normal(size=(30, 3))
    found = energy_distance(x, y, x_units=units, permutations=19, resamples=50)
    few = np.concatenate([np.flatnonzero(units == unit)[:60] for unit in range(20)])
    same = energy_distance(x[few], y, x_units=units[few], permutations=19, resamples=50)
    assert found.distance == pytest.approx(same.distance, rel=0.1)
    # Of more prompts than that, some.
    many = energy_distance(rng.normal(size=(5000, 3)), y, permutations=99, resamples=50)
    assert many.p > 0.01
    assert abs(many.distance) < 0.3


def test_attribution_finds_planted_shares() -> None:
    rng = np.random.default_rng(5)
    d, prompts, twins = 40, 60, 3
    of_prompt = rng.normal(size=(prompts, 1, 1, 1, d)) * 1.0
    of_generator = rng.normal(size=(1, 2, 1, 1, d)) * 0.5
    of_captioner = rng.normal(size=(1, 1, 3, 1, d)) * 1.0
    x = of_prompt + of_generator + of_captioner + rng.normal(size=(prompts, 2, 3, twins, d))
    index = np.indices(x.shape[:-1]).reshape(4, -1)
    factors = dict(zip(("prompt", "generator", "captioner"), index, strict=False))
    found = attribution(x.reshape(-1, d), factors)
    parts = {
        "prompt": of_prompt.var(axis=0).sum(),
        "generator": of_generator.var(axis=1).sum(),
        "captioner": of_captioner.var(axis=2).sum(),
        "seed": float(d),
    }
    whole = sum(parts.values())
    for name, part in parts.items():
        assert found[name].value == pytest.approx(part / whole, abs=0.02)
        assert found[name].low - 0.02 <= found[name].value <= found[name].high + 0.02
    assert found["interactions"].value < 0.01
    plain = attribution(x.reshape(-1, d), factors, without="captioner")
    assert plain["captioner"].value == pytest.approx(0, abs=1e-9)
    assert plain["prompt"].value == pytest.approx(
        parts["prompt"] / (whole - parts["captioner"]), abs=0.03
    )


def test_luck_that_arms_share_is_not_the_prompts() -> None:
    rng = np.random.default_rng(8)
    dice = rng.normal(size=(40, 1, 2, 8))
    x = dice + rng.normal(size=(1, 4, 1, 8)) + 0.3 * rng.normal(size=(40, 4, 2, 8))
    index = np.indices(x.shape[:-1]).reshape(3, -1)
    factors = {"prompt": index[0], "captioner": index[1]}
    found = attribution(x.reshape(-1, 8), factors)
    assert found["prompt"].value < 0.03
    assert found["captioner"].value == pytest.approx(
        x.mean(axis=(0, 2)).var(axis=0).sum() / x.reshape(-1, 8).var(axis=0).sum(), abs=0.03
    )


def test_attribution_leaves_out_prompts_that_lack_a_cell() -> None:
    rng = np.random.default_rng(6)
    x = rng.normal(size=(5, 2, 2, 4))
    index = np.indices(x.shape[:-1]).reshape(3, -1)
    flat = x.reshape(-1, 4).copy()
    flat[3] = np.nan
    factors = {"prompt": index[0], "generator": index[1]}
    found = attribution(flat, factors)
    assert found["seed"].prompts == 4
    kept = index[0] != 0
    whole = attribution(flat[kept], {n: c[kept] for n, c in factors.items()})
    assert found["prompt"].value == pytest.approx(whole["prompt"].value)
    with pytest.raises(ValueError, match="twice"):
        attribution(flat[::2], {n: c[::2] for n, c in factors.items()})


@pytest.mark.parametrize(
    ("of_prompt", "of_arm", "of_both"), [(0, 0, 0), (0.3, 0, 0), (1, 0.5, 0), (0.5, 0, 1)]
)
def test_attribution_is_as_sure_as_it_says(of_prompt: float, of_arm: float, of_both: float) -> None:
    rng = np.random.default_rng(9)
    runs, shape = 200, (24, 2, 2, 16)
    sign = np.array([1.0, -1.0])[:, None, None]
    index = np.indices(shape[:-1]).reshape(3, -1)
    truth = np.array([of_prompt**2, of_arm**2, of_both**2, 1.0])
    held = np.zeros(4)
    for _ in range(runs):
        x = rng.normal(size=shape) + of_prompt * rng.normal(size=(24, 1, 1, 16)) + sign * of_arm
        x += of_both * sign * rng.normal(size=(24, 1, 1, 16))
        found = attribution(x.reshape(-1, 16), {"prompt": index[0], "arm": index[1]})
        value, low, high = np.array([part[:3] for part in found.values()]).T
        assert (low <= value).all()
        assert (value <= high).all()
        held += (low <= truth / truth.sum()) & (truth / truth.sum() <= high)
    assert (held / runs > 0.91).all()


def test_attribution_has_no_interval_where_a_prompt_less_leaves_nothing() -> None:
    x = np.repeat(np.array([[0.1, 0.2], [0.1, 0.2], [0.7, 0.3]]), 2, axis=0)
    found = attribution(x, {"prompt": [0, 0, 1, 1, 2, 2]})
    assert found["prompt"].value == pytest.approx(1)
    assert np.isnan(found["prompt"].low)
    found = attribution(x[2:], {"prompt": [1, 1, 2, 2]})
    assert found["prompt"].value == pytest.approx(1)
    assert np.isnan(found["seed"].high)
    assert np.isnan(attribution(x[:4], {"prompt": [0, 0, 1, 1]})["prompt"].value)


def test_approximate_repeats_find_noisy_cycles() -> None:
    rng = np.random.default_rng(7)
    places = unit(rng.normal(size=(3, 20)))
    turn = np.tile(np.arange(3), 10)
    x = unit(places[turn] + 0.02 * rng.normal(size=(30, 20)))
    noise = 0.02**2 * 20
    assert repetition([tuple(state) for state in x]).period is None
    assert repetition(alike(x, 2 * noise)).period == 3
    assert alike(x, 2 * noise) == turn.tolist()
    x[4] = np.nan
    assert alike(x, 2 * noise)[4] is None


def test_periods_of_cycles_and_of_nothing() -> None:
    rng = np.random.default_rng(8)
    places = unit(rng.normal(size=(5, 30)))
    kinds = {
        2: places[np.arange(60) % 2],
        5: places[np.arange(60) % 5],
        None: np.tile(places[0], (60, 1)),
    }
    walk = np.cumsum(rng.normal(size=(60, 30)), axis=0)
    x = np.stack([*kinds.values(), walk, rng.normal(size=(60, 30))])
    x = unit(unit(x) + 0.03 * rng.normal(size=x.shape))
    assert periods(x) == [2, 5, None, None, None]
