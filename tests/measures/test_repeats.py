"""Exact repetition: against a search through everything, and on planted cycles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftloop.measures import novelty, repetition

sequences = st.lists(st.sampled_from([*"abc", None]), max_size=14)


def slow_settled(states: list[str | None]) -> tuple[int, int] | None:
    """Smallest period and earliest entry of an end that goes round twice, by trying all."""
    n = len(states)
    for period in range(1, n + 1):
        for entered in range(n - 2 * period + 1):
            tail = states[entered:]
            if None not in tail and all(a == b for a, b in zip(tail, tail[period:], strict=False)):
                return period, entered
    return None


@given(sequences)
def test_it_agrees_with_a_search(states: list[str | None]) -> None:
    found = repetition(states)
    expected = slow_settled(states)
    assert (found.period, found.entered) == (expected or (None, None))
    repeats = [i for i, s in enumerate(states) if s is not None and s in states[:i]]
    assert found.first == (repeats[0] if repeats else None)
    assert found.distinct == len({*states} - {None})
    assert found.length == len(states)


@given(st.lists(st.integers(), max_size=8, unique=True), st.integers(1, 5), st.integers(2, 4))
def test_a_planted_cycle_is_found(lead: list[int], period: int, turns: int) -> None:
    cycle = [f"c{number}" for number in range(period)]
    found = repetition([*lead, *(cycle * turns)])
    assert (found.period, found.entered) == (period, len(lead))
    assert (found.first, found.gap) == (len(lead) + period, period)


@given(sequences, st.randoms())
def test_names_of_states_do_not_matter(states: list[str | None], random: object) -> None:
    renamed = {None: None, "a": 3, "b": (1, 2), "c": "x"}
    assert repetition(states) == repetition([renamed[state] for state in states])


@pytest.mark.parametrize(
    ("states", "period", "entered"),
    [
        ("", None, None),
        ("a", None, None),
        ("aa", 1, 0),
        ("aba", None, None),
        ("abab", 2, 0),
        ("xabcabc", 3, 1),
        ("xabcabca", 3, 1),
        ("aabb", 1, 2),
        ("abba", None, None),
    ],
)
def test_what_counts_as_settled(states: str, period: int | None, entered: int | None) -> None:
    found = repetition(states)
    assert (found.period, found.entered) == (period, entered)


@given(sequences)
def test_novelty_agrees_with_repetition(states: list[str | None]) -> None:
    kinds, found = novelty(states), repetition(states)
    assert len(kinds) == len(states)
    first_not_new = next((i for i, kind in enumerate(kinds) if kind != "new"), None)
    entered = found.entered if found.entered is not None else len(states)
    assert kinds[entered:] == ["settled"] * (len(states) - entered)
    if found.first is None:
        assert first_not_new is None
    elif found.first < entered:
        assert first_not_new == found.first
