"""Two evaluations side by side: what differs beyond chance is found, and only that."""

import random

from training.compare import lines, pairs
from training.tally import Tally


def share(probability: float, seed: int, n: int = 2000) -> dict[str, float]:
    rng, tally = random.Random(seed), Tally()
    for _ in range(n):
        tally.add(rng.random() < probability, 1)
    return tally.summary()


def test_differences_beyond_chance_are_marked() -> None:
    before = {"eye": {"same": share(0.8, 1), "gained": share(0.8, 2), "lost": share(0.8, 3)}}
    after = {"eye": {"same": share(0.8, 4), "gained": share(0.9, 5), "lost": share(0.7, 6)}}
    found = {pair.name: pair for pair in pairs(before, after)}
    assert not found["eye, same"].differs
    assert found["eye, gained"].differs
    assert found["eye, lost"].differs
    marks = {
        row.split(" | ")[0].strip("| "): row for row in lines(list(found.values())).split("\n")
    }
    assert "better" in marks["eye, gained"]
    assert "worse" in marks["eye, lost"]
    assert "better" not in marks["eye, same"]
    assert "worse" not in marks["eye, same"]


def test_noise_alone_rarely_differs() -> None:
    before = {str(i): share(0.9, i, 500) for i in range(200)}
    after = {str(i): share(0.9, 1000 + i, 500) for i in range(200)}
    differing = sum(pair.differs for pair in pairs(before, after))
    assert differing <= 20


def test_only_shares_that_both_have_are_compared() -> None:
    empty = Tally().summary()
    nats = {"value": 1.7, "low": 1.6, "high": 1.8, "n": 500}
    before = {"a": share(0.5, 1), "b": empty, "c": nats, "d": share(0.5, 2), "seconds": 0.1}
    after = {"a": share(0.5, 3), "b": empty, "c": nats, "seconds": 0.2}
    assert [pair.name for pair in pairs(before, after)] == ["a"]
