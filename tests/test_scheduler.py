"""The scheduler, played without models."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftloop.scheduler import Course, Played, Scheduler, Seat
from driftloop.seeds import digest
from driftloop.steps import Call, Content, Failure, Output, Role, Step, Trajectory

SEATS = {
    "draw": Seat("draw", Role.GENERATOR, "d1", 3),
    "look": Seat("look", Role.CAPTIONER, "l1", 5),
}


def answer(call: Call) -> Output:
    """A world in which a model's answer is a text that only its call decides."""
    return Output(digest(call.key).hex()[:3])


def courses(arms: dict[str, tuple[str, ...]], prompts: int, twins: int, steps: int) -> list[Course]:
    return [
        Course(Trajectory(arm, f"p{p}", t), Content("text", f"prompt {p}"), network, steps)
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
    steps=st.integers(1, 9),
    dice=st.randoms(use_true_random=False),
    kept=st.floats(0, 1),
)
def test_any_order_any_interruption_gives_the_same_steps(
    prompts: int, twins: int, steps: int, dice: random.Random, kept: float
) -> None:
    todo = courses({"a": ("draw", "look"), "b": ("draw", "look")}, prompts, twins, steps)
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
        if (batch := first.ask(*dice.choice([["draw"], ["look"], []]))) is not None:
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
    seats = {**SEATS, "other": Seat("other", Role.CAPTIONER, "o1", 5)}
    arms = {"a": ("draw", "look"), "b": ("draw", "look"), "c": ("draw", "other")}
    scheduler = Scheduler(seed=1, courses=courses(arms, 4, 2, 10), seats=seats)
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


def test_a_failure_stops_its_trajectory_only() -> None:
    scheduler = Scheduler(seed=1, courses=courses({"a": ("draw", "look")}, 5, 1, 6), seats=SEATS)
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
    scheduler = Scheduler(seed=1, courses=courses({"a": ("draw", "look")}, 2, 1, 2), seats=SEATS)
    batch = scheduler.ask()
    assert batch is not None
    with pytest.raises(ValueError, match="1 outcomes for a batch of 2"):
        scheduler.tell(batch, [answer(batch.calls[0])])
    scheduler.tell(batch, [answer(call) for call in batch.calls])
    with pytest.raises(ValueError, match="told before"):
        scheduler.tell(batch, [answer(call) for call in batch.calls])


def test_steps_beyond_a_gap_are_played_again() -> None:
    (course,) = courses({"a": ("draw", "look")}, 1, 1, 6)
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
    assert again.waiting() == {"draw": 1, "look": 0}


def test_a_hundred_thousand_trajectories_are_quick() -> None:
    started = time.perf_counter()
    seats = {name: Seat(name, seat.role, name, 64) for name, seat in SEATS.items()}
    scheduler = Scheduler(
        seed=1, courses=courses({"a": ("draw", "look")}, 50_000, 2, 2), seats=seats
    )
    while batch := scheduler.ask():
        scheduler.tell(batch, [answer(call) for call in batch.calls])
        scheduler.collect()
    assert scheduler.steps_done == 200_000
    # Generous: it guards against quadratic growth, it measures nothing.
    assert time.perf_counter() - started < 120
