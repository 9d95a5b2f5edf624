"""The scheduler, played without models."""

from __future__ import annotations

import random
import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftloop.network import Network, Turn
from driftloop.scheduler import Course, Played, Scheduler, Seat
from driftloop.seeds import digest, seed
from driftloop.steps import (
    Call,
    Content,
    Failure,
    Output,
    Role,
    Step,
    Trajectory,
)

ROLES = {
    "draw": Role.GENERATOR, "look": Role.CAPTIONER, "other": Role.CAPTIONER, "edit": Role.EDITOR,
}  # fmt: skip
SEATS = {
    "draw": Seat("draw", "d1", 3),
    "look": Seat("look", "l1", 5),
    "edit": Seat("edit", "e1", 4),
}


def places(*players: str) -> tuple[Turn, ...]:
    return tuple(Turn(player, ROLES[player]) for player in players)


USUAL = Network(places("draw", "look"))
ALONE = Network(places("edit"), opening=places("draw"))
GOLDEN = "72a60daca1a3f4a72312560125c47463"
"""Of two trajectories of 20 rounds of the usual network."""


def answer(call: Call) -> Output:
    """A world in which a model's answer is a text that only its call decides."""
    return Output(digest(call.key).hex()[:3])


def courses(arms: dict[str, Network], prompts: int, twins: int, rounds: int) -> list[Course]:
    return [
        Course(Trajectory(arm, f"p{p}", t), Content("text", f"prompt {p}"), network, rounds)
        for arm, network in arms.items()
        for p in range(prompts)
        for t in range(twins)
    ]


def history(steps: list[Step]) -> dict[tuple[Trajectory, int], str]:
    return {(step.trajectory, step.index): step.call.key for step in steps}


def reference(course: Course, seed: int) -> list[str]:
    """One trajectory played alone by the plainest loop there is."""
    alone = Scheduler(seed=seed, courses=[course], seats=SEATS)
    keys = []
    while batch := alone.ask():
        alone.tell(batch, [answer(call) for call in batch.calls])
        keys += [step.call.key for step in alone.collect()]
    return keys


@settings(max_examples=60, deadline=None)
@given(
    prompts=st.integers(1, 6),
    twins=st.integers(1, 3),
    rounds=st.integers(1, 5),
    dice=st.randoms(use_true_random=False),
    kept=st.floats(0, 1),
)
def test_any_order_any_interruption_gives_the_same_steps(
    prompts: int, twins: int, rounds: int, dice: random.Random, kept: float
) -> None:
    todo = courses({"a": USUAL, "b": USUAL, "c": ALONE}, prompts, twins, rounds)
    expected = {
        (course.trajectory, index): key
        for course in todo
        for index, key in enumerate(reference(course, 11))
    }
    # Play in a random order with several batches out at a time, drop it half-way, and go on.
    stored: list[Step] = []
    outputs: dict[str, Content] = {}
    shuffled = dice.sample(todo, len(todo))
    first = Scheduler(seed=11, courses=shuffled, seats=SEATS)
    stored += first.collect()
    out = []
    while not first.done and dice.random() < kept:
        if (batch := first.ask(*dice.choice([["draw"], ["look"], ["edit"], []]))) is not None:
            out.append(batch)
        if out and dice.random() < 0.5:
            batch = out.pop(dice.randrange(len(out)))
            answers = [answer(call) for call in batch.calls]
            outputs |= {c.key: o.reference for c, o in zip(batch.calls, answers, strict=True)}
            first.tell(batch, answers)
            stored += first.collect()
    second = Scheduler(
        seed=11,
        courses=todo,
        seats=SEATS,
        played=[Played(s.trajectory, s.index, s.call.key, outputs[s.call.key]) for s in stored],
    )
    stored += second.collect()
    while batch := second.ask():
        second.tell(batch, [answer(call) for call in batch.calls])
        stored += second.collect()
    assert second.done
    assert second.steps_done == second.steps_total == len(expected)
    assert len(stored) == len(expected)
    assert history(stored) == expected


def test_arms_that_agree_are_computed_once() -> None:
    seats = {**SEATS, "other": Seat("other", "o1", 5)}
    arms = {"a": USUAL, "b": USUAL, "c": Network(places("draw", "other"))}
    scheduler = Scheduler(seed=1, courses=courses(arms, 4, 2, 5), seats=seats)
    played: list[str] = []
    while batch := scheduler.ask():
        played += [call.key for call in batch.calls]
        scheduler.tell(batch, [answer(call) for call in batch.calls])
    steps = scheduler.collect()
    assert len(played) == len(set(played))
    keys = {arm: [s.call.key for s in steps if s.trajectory.arm == arm] for arm in arms}
    assert sorted(keys["a"]) == sorted(keys["b"])
    # Arm c shares the first picture of each trajectory, and nothing after another captioner.
    assert len(set(keys["a"]) & set(keys["c"])) == 8
    assert sum(step.outcome is not None for step in steps) == len(played)


def test_a_shared_step_is_of_its_own_trajectorys_model() -> None:
    """As in an A/A control: two names for the same weights and settings."""
    seats = {**SEATS, "other": Seat("other", "l1", 5)}
    arms = {"a": USUAL, "b": Network(places("draw", "other"))}
    scheduler = Scheduler(seed=1, courses=courses(arms, 2, 1, 2), seats=seats)
    steps = []
    while batch := scheduler.ask():
        scheduler.tell(batch, [answer(call) for call in batch.calls])
        steps += scheduler.collect()
    names = {"a": {"draw", "look"}, "b": {"draw", "other"}}
    for arm, expected in names.items():
        assert {step.call.model for step in steps if step.trajectory.arm == arm} == expected
    assert len({step.call.key for step in steps}) == len(steps) / 2


def test_a_failure_stops_its_trajectory_only() -> None:
    scheduler = Scheduler(seed=1, courses=courses({"a": USUAL}, 5, 1, 3), seats=SEATS)
    bad = "prompt 2"
    while batch := scheduler.ask():
        scheduler.tell(
            batch,
            [Failure("no") if call.input.value == bad else answer(call) for call in batch.calls],
        )
    assert set(scheduler.failed) == {Trajectory("a", "p2", 0)}
    assert scheduler.steps_done == 4 * 6
    failures = [step for step in scheduler.collect() if isinstance(step.outcome, Failure)]
    assert [(step.trajectory.prompt, step.index) for step in failures] == [("p2", 0)]


def test_misuse_is_told() -> None:
    scheduler = Scheduler(seed=1, courses=courses({"a": USUAL}, 2, 1, 1), seats=SEATS)
    batch = scheduler.ask()
    assert batch is not None
    with pytest.raises(ValueError, match="1 outcomes for a batch of 2"):
        scheduler.tell(batch, [answer(batch.calls[0])])
    scheduler.tell(batch, [answer(call) for call in batch.calls])
    with pytest.raises(ValueError, match="told before"):
        scheduler.tell(batch, [answer(call) for call in batch.calls])


def test_steps_beyond_a_gap_are_played_again() -> None:
    (course,) = courses({"a": USUAL}, 1, 1, 3)
    scheduler = Scheduler(seed=11, courses=[course], seats=SEATS)
    steps, outputs = [], {}
    while batch := scheduler.ask():
        outputs |= {call.key: answer(call).reference for call in batch.calls}
        scheduler.tell(batch, [answer(call) for call in batch.calls])
        steps += scheduler.collect()
    kept = [
        Played(s.trajectory, s.index, s.call.key, outputs[s.call.key])
        for s in steps
        if s.index != 2
    ]
    again = Scheduler(seed=11, courses=[course], seats=SEATS, played=kept)
    assert again.steps_done == 2
    assert again.waiting() == {"draw": 1, "look": 0, "edit": 0}


def test_a_hundred_thousand_trajectories_are_quick() -> None:
    started = time.perf_counter()
    seats = {name: Seat(name, name, 64) for name in SEATS}
    scheduler = Scheduler(seed=1, courses=courses({"a": USUAL}, 50_000, 2, 1), seats=seats)
    while batch := scheduler.ask():
        scheduler.tell(batch, [answer(call) for call in batch.calls])
        scheduler.collect()
    assert scheduler.steps_done == 200_000
    # Generous: it guards against quadratic growth, it measures nothing.
    assert time.perf_counter() - started < 120


def test_a_trajectory_takes_few_bytes() -> None:
    todo = courses({"a": USUAL}, 10_000, 2, 100)
    seats = {name: Seat(name, name, 64) for name in SEATS}
    tracemalloc.start()
    try:
        scheduler = Scheduler(seed=1, courses=todo, seats=seats)
        for number in range(100):
            batch = scheduler.ask()
            assert batch is not None
            scheduler.tell(batch, [Output(f"answer {number}")] * len(batch.calls))
            scheduler.collect()
        assert tracemalloc.get_traced_memory()[0] < 200 * len(todo)
    finally:
        tracemalloc.stop()


def played_alone(*todo: Course, seats: dict[str, Seat] = SEATS) -> list[Step]:
    scheduler, steps = Scheduler(seed=11, courses=todo, seats=seats), []
    while batch := scheduler.ask():
        scheduler.tell(batch, [answer(call) for call in batch.calls])
        steps += scheduler.collect()
    return steps


def test_rounds_seeds_and_keys_are_what_they_always_were() -> None:
    # Else runs that exist could not go on.
    todo = [
        Course(Trajectory("a", "p", twin), Content("text", "a ship at sea"), USUAL, 20)
        for twin in (0, 1)
    ]
    facts = sorted(
        (s.trajectory.twin, s.index, s.round, s.role.value, s.call.seed, s.call.key)
        for s in played_alone(*todo)
    )
    assert digest(*(fact for row in facts for fact in row)).hex() == GOLDEN


def test_an_opening_shares_its_round_with_arms_that_begin_alike() -> None:
    todo = courses({"usual": USUAL, "alone": ALONE}, 3, 2, 4)
    steps = played_alone(*todo)
    first = {
        arm: {step.call.key for step in steps if step.trajectory.arm == arm and step.index == 0}
        for arm in ("usual", "alone")
    }
    assert first["usual"] == first["alone"]
    assert len(first["alone"]) == 6
    drawn = [step for step in steps if step.role is Role.GENERATOR and step.outcome is not None]
    assert len(drawn) == 6 * 4
    edited = [step for step in steps if step.role is Role.EDITOR]
    assert len(edited) == 6 * 3
    for step in edited:
        prompt, twin = f"prompt {step.trajectory.prompt[1:]}", step.trajectory.twin
        assert step.call.seed == seed(11, prompt, twin, step.index + 1, "editor")
        assert step.round == step.index + 1


def test_no_two_steps_of_a_trajectory_share_a_seed() -> None:
    network = Network(
        places("draw", "edit", "look"), opening=places("draw", "edit", "edit", "look")
    )
    (course,) = courses({"a": network}, 1, 1, 9)
    seeds = [step.call.seed for step in played_alone(course)]
    assert len(set(seeds)) == len(seeds) == network.steps(9)
