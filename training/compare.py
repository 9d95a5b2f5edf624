"""Compare two evaluations: is what was trained again as good as what it should replace?

`training.evaluate` keeps its figures in `training/runs/evaluation.json`. Keep that file of one set
of weights, evaluate the other, and give both. The held-out scenes are the same, so that the
intervals of the differences, which treat the two as independent, are a little too wide.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from training.cards import share, table
from training.tally import Summary

HEADLINES = ("by pixels", "objects found", "objects right", "budget kept", "captions", "pictures")
"""Parts of the names of figures that are always shown."""


class Pair(NamedTuple):
    """One figure of two evaluations."""

    name: str
    before: Summary
    after: Summary

    @property
    def difference(self) -> tuple[float, float]:
        """What was gained, and half the width of its 95 % interval."""
        halves = [(f["high"] - f["low"]) / 2 for f in (self.before, self.after)]
        return self.after["value"] - self.before["value"], (halves[0] ** 2 + halves[1] ** 2) ** 0.5

    @property
    def differs(self) -> bool:
        """Beyond what 95 % intervals leave to chance."""
        gain, half = self.difference
        return abs(gain) > half


def pairs(before: Any, after: Any, path: tuple[str, ...] = ()) -> Iterator[Pair]:
    """The figures that both evaluations have."""
    if not isinstance(before, dict) or not isinstance(after, dict):
        return
    if "low" in before and "low" in after:
        if before["n"] and after["n"] and before["high"] <= 1:
            yield Pair(", ".join(path), before, after)
        return
    for key in before.keys() & after.keys():
        yield from pairs(before[key], after[key], (*path, key))


def lines(chosen: list[Pair]) -> str:
    """A table of figures side by side."""
    rows = []
    for pair in sorted(chosen, key=lambda pair: pair.name):
        gain, half = (100 * x for x in pair.difference)
        mark = ("**better**" if gain > 0 else "**worse**") if pair.differs else ""
        rows.append(
            [pair.name, share(pair.before), share(pair.after), f"{gain:+.1f} ± {half:.1f}", mark]
        )
    return table(["figure", "before", "after", "points", ""], rows)


def main() -> None:
    """Print the comparison in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path, help="evaluation.json of one set of weights")
    parser.add_argument("after", type=Path, help="and of the other")
    args = parser.parse_args()
    found = list(pairs(*(json.loads(path.read_text()) for path in (args.before, args.after))))
    beyond = [pair for pair in found if pair.differs]
    better = sum(pair.difference[0] > 0 for pair in beyond)
    print(
        f"Of {len(found)} shares, {len(found) - len(beyond)} are alike within their 95 % intervals "
        f"(one in twenty would differ by chance), {better} are better and "
        f"{len(beyond) - better} worse.\n"
    )
    heads = [p for p in found if any(head in p.name for head in HEADLINES)]
    print(lines(heads))
    if rest := [pair for pair in beyond if pair not in heads]:
        print("What else differs:\n")
        print(lines(rest))


if __name__ == "__main__":
    main()
