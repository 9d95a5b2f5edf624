"""Players that take more than the output of the turn before: start, past and peers."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftloop.network import Network, Rounds, Turn
from driftloop.scheduler import Course, Played, Scheduler, Seat
from driftloop.seeds import digest, seed
from driftloop.steps import (
    Call,
    Content,
    Failure,
    Input,
    Needs,
    Output,
    Role,
    States,
    Step,
    Trajectory,
)

SEED = 11
SEATS = {
    "draw": Seat("draw", "d", 3),
    "look": Seat("look", "l", 4),
    "anchor": Seat("anchor", "a", 2, Needs(start=True)),
    "aside": Seat("aside", "p", 5, Needs(past=True, peers=True)),
    "pick": Seat("pick", "c", 3, Needs(candidates=3, past=True)),
}


def writer(player: str, every: int = 1, **more: int) -> Turn:
    return Turn(player, Role.WRITER, slot=player, rounds=Rounds(every, **more))


DRAW, LOOK = Turn("draw", Role.GENERATOR), Turn("look", Role.CAPTIONER)
NETWORKS = {
    "plain": Network((DRAW, LOOK)),
    "anchored": Network((DRAW, LOOK, writer("anchor", 2))),
    "aside": Network((DRAW, LOOK, writer("aside"))),
    "rarely": Network((DRAW, LOOK, writer("aside", 3, start=2), writer("anchor", 2))),
    "chosen": Network(
        (
            DRAW,
            LOOK,
            *(Turn("look", Role.CAPTIONER, slot=f"look {n}", back=n) for n in (2, 3)),
            writer("pick"),
        )
    ),
}


def answer(call: Call) -> Output:
    return Output(digest(call.key).hex()[:3])


def courses(arms: list[str], prompts: int, twins: int, rounds: int) -> list[Course]:
    return [
        Course(Trajectory(arm, f"p{p}", t), Content("text", f"prompt {p}"), NETWORKS[arm], rounds)
        for arm in arms
        for p in range(prompts)
        for t in range(twins)
    ]


def plainly(todo: list[Course]) -> dict[tuple[Trajectory, int], str]:
    """The keys of all steps, round by round, each arm's trajectories together."""
    keys: dict[tuple[Trajectory, int], str] = {}
    given: dict[Trajectory, list[Content]] = {c.trajectory: [c.start] for c in todo}
    ends: dict[Trajectory, list[Content]] = {c.trajectory: [] for c in todo}
    for round in range(1, max(c.rounds for c in todo) + 1):
        for course in todo:
            name, network = course.trajectory, course.network
            arm = sorted(c.trajectory for c in todo if c.trajectory.arm == name.arm)
            for index in range(network.steps(round - 1), network.steps(round)):
                turn = network.at(index).turn
                seat = SEATS[turn.player]
                outputs = given[name][: len(given[name]) - turn.back + 1]
                inputs: list[Input] = [*outputs[-seat.needs.candidates :]]
                if seat.needs.start:
                    inputs.append(course.start)
                if seat.needs.past:
                    inputs.append(States.of(ends[name][: round - 1]))
                if seat.needs.peers:
                    seen = [ends[other][round - 2] for other in arm] if round > 1 else []
                    own = ends[name][round - 2] if round > 1 else course.start
                    inputs += [States.of(seen), own]
                value = seed(SEED, course.start.value, name.twin, round, turn.slot)
                call = Call(turn.player, seat.fingerprint, (*inputs,), value)
                keys[name, index] = call.key
                given[name].append(answer(call).reference)
            ends[name].append(given[name][-1])
    return keys


@settings(max_examples=80, deadline=None)
@given(
    arms=st.lists(st.sampled_from(sorted(NETWORKS)), min_size=1, max_size=4, unique=True),
    prompts=st.integers(1, 3),
    twins=st.integers(1, 3),
    rounds=st.integers(1, 7),
    dice=st.randoms(use_true_random=False),
    kept=st.floats(0, 1),
)
def test_in_any_order_and_with_interruptions_all_see_the_same(
    arms: list[str], prompts: int, twins: int, rounds: int, dice: random.Random, kept: float
) -> None:
    todo = courses(arms, prompts, twins, rounds)
    expected = plainly(todo)
    stored: list[Step] = []
    outputs: dict[str, Content] = {}
    first = Scheduler(seed=SEED, courses=dice.sample(todo, len(todo)), seats=SEATS)
    out = []
    while not first.done and dice.random() < kept:
        if (batch := first.ask(*dice.choice([[], [dice.choice(sorted(SEATS))]]))) is not None:
            out.append(batch)
        if out and dice.random() < 0.6:
            batch = out.pop(dice.randrange(len(out)))
            if dice.random() < 0.2:
                first.give_back(batch)
                continue
            answers = [answer(call) for call in batch.calls]
            outputs |= {c.key: o.reference for c, o in zip(batch.calls, answers, strict=True)}
            first.tell(batch, answers)
            stored += first.collect()
    played = [Played(s.trajectory, s.index, s.call.key, outputs[s.call.key]) for s in stored]
    dice.shuffle(played)
    second = Scheduler(seed=SEED, courses=todo, seats=SEATS, played=played)
    asked: list[str] = []
    stored += second.collect()
    while batch := second.ask():
        asked += [call.key for call in batch.calls]
        second.tell(batch, [answer(call) for call in batch.calls])
        stored += second.collect()
    assert second.done
    assert second.steps_done == second.steps_total == len(stored) == len(expected)
    assert {(step.trajectory, step.index): step.call.key for step in stored} == expected
    # No call is asked for twice, however many share it.
    assert len(asked) == len({*asked})
    assert {*asked}.isdisjoint(outputs)


def test_a_rule_changes_nothing_before_it_first_acts() -> None:
    todo = courses(["plain", "anchored"], 3, 2, 5)
    keys = plainly(todo)
    scheduler, asked = Scheduler(seed=SEED, courses=todo, seats=SEATS), 0
    while batch := scheduler.ask():
        asked += len(batch.calls)
        scheduler.tell(batch, [answer(call) for call in batch.calls])
    for (name, index), key in keys.items():
        if name.arm == "anchored" and index < 4:
            assert key == keys[name._replace(arm="plain"), index]
    # Both first rounds are computed once: six trajectories of four steps.
    assert asked == len(keys) - 6 * 4 == len(set(keys.values()))


def test_who_fails_keeps_nobody_waiting() -> None:
    todo = courses(["aside"], 4, 1, 4)
    lost = Trajectory("aside", "p1", 0)
    keys = plainly(todo)
    # One stops in its second round: the others see its first state only.
    again, seen = Scheduler(seed=SEED, courses=todo, seats=SEATS), []
    while batch := again.ask():
        answers: list[Output | Failure] = [
            Failure("no") if call.key == keys[lost, 4] else answer(call) for call in batch.calls
        ]
        again.tell(batch, answers)
        seen += again.collect()
    assert set(again.failed) == {lost}
    assert again.done
    assert again.steps_done == 3 * 12 + 4
    states = {
        step.round: len(step.call.inputs[2])
        for step in seen
        if step.slot == "aside" and isinstance(step.call.inputs[2], States)
    }
    assert states == {1: 0, 2: 4, 3: 3, 4: 3}


def test_only_what_is_out_can_be_given_back() -> None:
    scheduler = Scheduler(seed=SEED, courses=courses(["plain"], 2, 2, 1), seats=SEATS)
    batch = scheduler.ask()
    assert batch is not None
    scheduler.give_back(batch)
    with pytest.raises(ValueError, match="not asked for"):
        scheduler.give_back(batch)
    again = scheduler.ask()
    assert again is not None
    assert again.calls == batch.calls
    assert not scheduler.done


def test_states_are_kept_only_for_players_that_look_back_on_them() -> None:
    def kept(network: str, rounds: int) -> int:
        course = Course(Trajectory("a", "p", 0), Content("text", "p"), NETWORKS[network], rounds)
        scheduler = Scheduler(seed=SEED, courses=[course], seats=SEATS)
        while batch := scheduler.ask():
            scheduler.tell(batch, [answer(call) for call in batch.calls])
            scheduler.collect()
        (trail,) = scheduler._trails.values()
        return len(trail.past)

    assert kept("anchored", 30) == 0
    assert kept("chosen", 30) == 30
