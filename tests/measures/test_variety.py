"""Vendi scores: against the definition, and intervals for other prompts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import unit
from scipy.stats import entropy

from driftloop.measures import variety, vendi
from driftloop.measures._interval import student


def slow(x: np.ndarray, order: float) -> float:
    """By the definition, on the whole kernel."""
    values = np.linalg.eigvals(x @ x.T / len(x)).real
    values = values[values > 1e-9]
    if order == 1:
        return float(np.exp(entropy(values)))
    if np.isinf(order):
        return float(1 / values.max())
    return float((values**order).sum() ** (1 / (1 - order)))


@given(st.integers(0, 10**6), st.integers(2, 9), st.integers(1, 9))
@settings(max_examples=40, deadline=None)
def test_it_is_the_definition_whichever_gram_is_smaller(seed: int, n: int, d: int) -> None:
    x = unit(np.random.default_rng(seed).normal(size=(n, d)))
    for order in (0.0, 0.5, 1.0, 2.0, np.inf):
        assert vendi(x, order=order) == pytest.approx(slow(x, order), rel=1e-6)
        assert 1 - 1e-9 <= vendi(x, order=order) <= min(n, d) + 1e-9


def test_order_two_is_the_inverse_mean_squared_similarity() -> None:
    x = unit(np.random.default_rng(0).normal(size=(20, 6)))
    assert vendi(x, order=2) == pytest.approx(1 / np.mean((x @ x.T) ** 2))


def test_groups_of_copies_count_by_their_shares() -> None:
    x = np.repeat(np.eye(3), [5, 3, 2], axis=0)
    assert vendi(x) == pytest.approx(np.exp(entropy([0.5, 0.3, 0.2])))
    assert vendi(x, order=0) == pytest.approx(3)


def test_batches_are_single_sets_and_missing_states_give_no_score() -> None:
    x = unit(np.random.default_rng(1).normal(size=(3, 4, 10, 5)))
    assert vendi(x)[2, 1] == pytest.approx(float(vendi(x[2, 1])))
    x[0, 0, 3] = np.nan
    assert np.isnan(vendi(x)[0, 0])
    assert np.isfinite(vendi(x)[0, 1])
    with pytest.raises(ValueError, match="order"):
        vendi(x, order=-1)


def test_only_complete_prompts_count_in_every_round() -> None:
    x = unit(np.random.default_rng(2).normal(size=(12, 4, 8)))
    prompts = np.repeat(np.arange(6), 2)
    x[3, 2] = np.nan
    found = variety(x, prompts)
    assert found.prompts.tolist() == [5, 5, 5, 5]
    kept = [i for i in range(12) if prompts[i] != 1]
    expected = (slow(x[kept[::2], 1], 1) + slow(x[kept[1::2], 1], 1)) / 2
    assert found.mean[1] == pytest.approx(expected)


@pytest.mark.parametrize("d", [6, 60])
def test_intervals_cover_what_other_prompts_would_have(d: int) -> None:
    rng = np.random.default_rng(3)
    places = unit(rng.normal(size=(5, d)))

    def draw(count: int) -> np.ndarray:
        states = places[rng.choice(5, size=count, p=[0.4, 0.3, 0.15, 0.1, 0.05])]
        return unit(states + 0.6 / np.sqrt(d) * rng.normal(size=(count, d)))

    truth = vendi(np.stack([draw(24) for _ in range(4000)])).mean()
    found = variety(draw(24 * 400).reshape(400, 24, d).swapaxes(0, 1), np.arange(24))
    assert np.mean((found.low <= truth) & (truth <= found.high)) > 0.91


def test_the_error_is_that_of_other_prompts_where_the_jackknife_doubles_the_variance() -> None:
    # Equal motifs: no single prompt matters, only how evenly they fall, two by two.
    rng = np.random.default_rng(5)
    x = np.eye(6)[rng.integers(6, size=(24, 300))]
    found = variety(x, np.arange(24))
    reach = (found.high - found.low) / 2 / student(24)
    assert np.sqrt(np.mean(reach**2)) == pytest.approx(found.mean.std(), rel=0.2)
    alone = np.array([variety(np.delete(x[:, :60], i, axis=0), range(23)).mean for i in range(24)])
    jackknife = 23 / 24 * ((alone - alone.mean(axis=0)) ** 2).sum(axis=0)
    assert jackknife.mean() > 1.5 * found.mean.var()


def test_many_prompts_are_left_out_in_groups() -> None:
    x = unit(np.random.default_rng(4).normal(size=(900, 1, 4)))
    found = variety(x, np.arange(900))
    assert found.mean[0] == pytest.approx(slow(x[:, 0], 1))
    assert found.low[0] < found.mean[0] < found.high[0] < found.low[0] + 0.2
    # The error is that of leaving out a tenth at a time.
    tenths = [slow(np.delete(x[:, 0], np.s_[90 * i : 90 * i + 90], axis=0), 1) for i in range(10)]
    jackknife = np.sqrt(0.9 * ((np.array(tenths) - np.mean(tenths)) ** 2).sum())
    reach = (found.high[0] - found.low[0]) / 2 / student(10)
    assert 0.7 * jackknife <= reach <= jackknife * 1.0001
