"""Rounds: which steps of a network belong together."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftloop.network import EVERY_ROUND, Network, Rounds, Taken, Turn
from driftloop.steps import Role

ROLES = {"g": Role.GENERATOR, "c": Role.CAPTIONER, "e": Role.EDITOR, "w": Role.WRITER}

ROUNDS = {
    # opening > network: the rounds of its first steps
    "> gc": [1, 1, 2, 2, 3, 3],
    "> cg": [1, 1, 2, 2, 3, 3],
    "> gcgc": [1, 1, 2, 2, 3, 3],
    "> e": [1, 2, 3, 4],
    "> ee": [1, 2, 3, 4],
    "> w": [1, 2, 3],
    "> gec": [1, 1, 1, 2, 2, 2, 3],
    "> gecgc": [1, 1, 1, 2, 2, 3, 3, 3, 4, 4],
    "> ecgcg": [1, 1, 1, 2, 2, 3, 3, 3],
    "g > e": [1, 2, 3, 4],
    "gcg > e": [1, 1, 2, 3, 4],
    "e > cg": [1, 2, 2, 3, 3],
    "gc > gec": [1, 1, 2, 2, 2, 3, 3, 3],
}


def network(told: str) -> Network:
    opening, cycle = (
        tuple(Turn(letter, ROLES[letter]) for letter in part.strip()) for part in told.split(">")
    )
    return Network(cycle, opening=opening)


@pytest.mark.parametrize("told", ROUNDS)
def test_rounds(told: str) -> None:
    found = network(told)
    expected = ROUNDS[told]
    assert [found.round(step) for step in range(len(expected))] == expected


@pytest.mark.parametrize("told", ROUNDS)
def test_so_many_rounds_are_all_of_their_steps(told: str) -> None:
    found = network(told)
    assert found.steps(0) == 0
    for rounds in range(1, 12):
        last = found.steps(rounds) - 1
        assert (found.round(last), found.round(last + 1)) == (rounds, rounds + 1)


@pytest.mark.parametrize("told", ROUNDS)
def test_a_slot_plays_once_a_round(told: str) -> None:
    found = network(told)
    named = [(found.round(step), found.at(step).turn.slot) for step in range(60)]
    assert len(set(named)) == len(named)


def test_an_opening_plays_once() -> None:
    players = [network("gc > e").at(step).player for step in range(5)]
    assert players == ["g", "c", "e", "e", "e"]


rounds = st.builds(
    Rounds,
    every=st.integers(1, 7),
    start=st.none() | st.integers(1, 12),
    until=st.none() | st.integers(1, 30),
)


@given(rounds, st.integers(0, 60), st.integers(1, 9), st.integers(1, 6))
def test_rounds_are_counted_as_they_are_listed(of: Rounds, last: int, at: int, apart: int) -> None:
    assert of.count(last, at, apart) == sum(r in of for r in range(at, last + 1, apart))


def plainly(found: Network, rounds: int) -> list[Taken]:
    """Every step of so many rounds, by walking through the opening and the cycle."""
    taken, number, played = [], 0, set[str]()
    for part in (found.opening, *[found.cycle] * (rounds + 1)):
        begins = True
        for turn in part:
            if begins or turn.slot in played:
                number, played, begins = number + 1, set(), False
            played.add(turn.slot)
            if number in turn.rounds and number <= rounds:
                taken.append(Taken(turn, number))
    return taken


@settings(deadline=None)
@given(
    opening=st.lists(st.sampled_from("gce"), max_size=3),
    cycle=st.lists(st.tuples(st.sampled_from("gcex"), rounds), min_size=1, max_size=5),
    last=st.integers(1, 40),
)
def test_turns_of_some_rounds_are_taken_in_these(
    opening: list[str], cycle: list[tuple[str, Rounds]], last: int
) -> None:
    turns, always = [], set[str]()
    for letter, of in cycle:
        # Rules have slots of their own, and each round of a cycle has a turn that is always taken.
        rule = letter == "x"
        turns.append(
            Turn("x", Role.WRITER, slot=f"x{len(turns)}", rounds=of)
            if rule
            else Turn(letter, ROLES[letter])
        )
        always |= set() if rule else {letter}
    if not always:
        turns.append(Turn("g", Role.GENERATOR))
    found = Network((*turns,), tuple(Turn(letter, ROLES[letter]) for letter in opening))
    expected = plainly(found, last)
    assert found.steps(last) == len(expected)
    assert [found.at(step) for step in range(len(expected))] == expected
    # In any order, as trajectories ask.
    assert [found._find(step) for step in reversed(range(len(expected)))] == expected[::-1]


def test_a_round_without_a_turn_is_refused() -> None:
    often = Turn("g", Role.GENERATOR, rounds=Rounds(every=2))
    with pytest.raises(ValueError, match="a turn is taken every time"):
        Network((often,))
    assert Network((often, Turn("c", Role.CAPTIONER))).steps(4) == 6
    assert often.rounds != EVERY_ROUND
