"""The engine against the loop that scripts in this field have: one trajectory at a time.

Both play the same rounds of a study on the same models in one process, paired, so that whatever
else the machine does hits both; the ratio of their times is what counts. The plain loop loads the
models the same way and calls each with a single input, as such scripts do.

    python benchmarks/loop.py --trajectories 16 --rounds 3 --pairs 3
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from driftloop.models import Player
from driftloop.runners import Session, cast_study
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
            for step in range(study.rounds * 2):
                player = singles[network[step % len(network)]]
                number = seed(study.seed, str(prompt.text), twin, step // 2 + 1, player.role)
                (outcome,) = player.play([value], [number])
                if isinstance(outcome, Failure):
                    raise RuntimeError(outcome.reason)
                value = outcome.content
                if not isinstance(value, str):
                    value.save(folder / f"{prompt.id}-{twin}-{step}.png")
    return time.perf_counter() - started


def engine(session: Session) -> tuple[float, float]:
    """Play the session to its end; seconds in all, and seconds inside the models."""
    inside = 0.0
    started = time.perf_counter()
    while batch := session.ask():
        inputs = session.inputs(batch)
        before = time.perf_counter()
        outcomes = session.players[batch.model].play(inputs, batch.seeds)
        inside += time.perf_counter() - before
        session.tell(batch, outcomes)
    return time.perf_counter() - started, inside


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", default="quickstart")
    parser.add_argument("--trajectories", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args()
    study = shortened(load_study(options.study), options.trajectories, options.rounds)
    rounds = study.trajectories * study.rounds
    ratios, shares = [], []
    print(f"{study.trajectories} trajectories × {study.rounds} rounds, {options.pairs} pairs")
    with tempfile.TemporaryDirectory() as name:
        for pair in range(options.pairs):
            folder = Path(name) / str(pair)
            folder.mkdir()
            with Session(study, folder / "engine") as session:
                all_of_it, inside = engine(session)
                plain = plain_loop(study, session.players, folder)
            ratios.append(plain / all_of_it)
            shares.append(1 - inside / all_of_it)
            print(
                f"pair {pair + 1}: plain {plain:.1f} s ({rounds / plain:.2f} rounds/s), "
                f"engine {all_of_it:.1f} s ({rounds / all_of_it:.2f} rounds/s), "
                f"ratio {ratios[-1]:.2f}, outside the models {100 * shares[-1]:.2f} %"
            )
    print(
        f"median: {statistics.median(ratios):.2f} times the plain loop, "
        f"{100 * statistics.median(shares):.2f} % of the time outside the models"
    )


if __name__ == "__main__":
    main()
