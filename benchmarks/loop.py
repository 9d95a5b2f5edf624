"""The engine against the loop that scripts in this field have: one trajectory at a time.

All play the same rounds of a study on the same models in one process, paired, so that whatever
else the machine does hits all of them; the ratio of their times is what counts. The plain loop
loads the models the same way and calls each with a single input, as such scripts do.

    python benchmarks/loop.py --trajectories 16 --rounds 3 --pairs 3
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, get_args

from driftloop.models import Player
from driftloop.runners import Overlap, Session, cast_study, drive, open_session
from driftloop.seeds import seed
from driftloop.steps import Failure
from driftloop.study import Study, load_study


def shortened(study: Study, trajectories: int, rounds: int) -> Study:
    prompts = study.prompts[: max(1, trajectories // study.twins)]
    return study.model_copy(update={"prompts": prompts, "rounds": rounds})


def plain_loop(study: Study, players: dict[str, Player], folder: Path) -> float:
    """Play one trajectory after the other, one picture and one caption at a time."""
    singles = {name: player.resized(1) for name, player in players.items()}
    network = next(iter(cast_study(study).networks.values()))
    started = time.perf_counter()
    for prompt in study.prompts:
        for twin in range(study.twins):
            value = prompt.text
            for step in range(network.steps(study.rounds)):
                player, round = singles[network.at(step).player], network.round(step)
                number = seed(study.seed, str(prompt.text), twin, round, player.role)
                (outcome,) = player.play([value], [number])
                if isinstance(outcome, Failure):
                    raise RuntimeError(outcome.reason)
                value = outcome.content
                if not isinstance(value, str):
                    value.save(folder / f"{prompt.id}-{twin}-{step}.png")
    return time.perf_counter() - started


class Timed:
    """A player with a clock."""

    def __init__(self, player: Player) -> None:
        self._player = player
        self.seconds = 0.0

    def play(self, *batch: Any) -> Any:
        started = time.perf_counter()
        try:
            return self._player.play(*batch)
        finally:
            self.seconds += time.perf_counter() - started

    def __getattr__(self, name: str) -> Any:
        return getattr(self._player, name)


def engine(session: Session, overlap: Overlap) -> tuple[float, dict[str, float]]:
    """Play the session to its end; seconds in all, and inside each model."""
    timed = {name: [Timed(player) for player in all] for name, all in session.replicas.items()}
    session.replicas.update(timed)
    started = time.perf_counter()
    drive(session, overlap=overlap)
    seconds = time.perf_counter() - started
    return seconds, {name: sum(one.seconds for one in all) for name, all in timed.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", default="quickstart")
    parser.add_argument("--trajectories", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args()
    study = shortened(load_study(options.study), options.trajectories, options.rounds)
    rounds = study.trajectories * study.rounds
    ways: tuple[Overlap, ...] = get_args(Overlap)
    ratios: dict[str, list[float]] = {way: [] for way in ways}
    shares = []
    print(f"{study.trajectories} trajectories × {study.rounds} rounds, {options.pairs} pairs")
    with tempfile.TemporaryDirectory() as name:
        for pair in range(options.pairs):
            folder = Path(name) / str(pair)
            folder.mkdir()
            took = {}
            # Each way is first in one of the pairs, as what comes first may be slower.
            for way in ways[pair % len(ways) :] + ways[: pair % len(ways)]:
                with open_session(study, folder / way) as session:
                    took[way], inside = engine(session, way)
                    players = dict(session.players)
                if way == "devices":
                    shares.append(1 - sum(inside.values()) / took[way])
            plain = plain_loop(study, players, folder)
            print(f"pair {pair + 1}: plain {plain:.1f} s ({rounds / plain:.2f} rounds/s)")
            for way in ways:
                ratios[way].append(plain / took[way])
                print(
                    f"  engine, overlap {way}: {took[way]:.1f} s "
                    f"({rounds / took[way]:.2f} rounds/s), ratio {ratios[way][-1]:.2f}"
                )
    for way in ways:
        print(f"median, overlap {way}: {statistics.median(ratios[way]):.2f} times the plain loop")
    print(
        f"median, overlap devices: {statistics.median(shares):.2%} of the time outside the models"
    )


if __name__ == "__main__":
    main()
