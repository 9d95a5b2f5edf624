"""Rounds: which steps of a network belong together."""

from __future__ import annotations

import pytest

from driftloop.steps import Failure, Network, Output, Place, Role

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
        tuple(Place(letter, ROLES[letter]) for letter in part.strip()) for part in told.split(">")
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
def test_a_role_plays_once_a_round(told: str) -> None:
    found = network(told)
    named = [(found.round(step), found.at(step).role) for step in range(60)]
    assert len(set(named)) == len(named)


def test_whoever_opens_plays_once() -> None:
    players = [network("gc > e").at(step).player for step in range(5)]
    assert players == ["g", "c", "e", "e", "e"]


def test_half_characters_are_replaced_and_told() -> None:
    half = Output("a ship \ud83d", cut_text="and \ude00 more", flags=("over budget",))
    assert (half.content, half.cut_text) == ("a ship ?", "and ? more")
    assert half.flags == ("over budget", "half character")
    assert Output("a ship 😀").flags == ()
    assert Failure("no \ud83d", "line \ud83d") == Failure("no ?", "line ?")
