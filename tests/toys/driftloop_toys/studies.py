"""Studies of toys."""

from __future__ import annotations

from typing import Any

from driftloop.study import Study, load_study


def toy_data(**changes: Any) -> dict[str, Any]:
    """A small study of toys, as a TOML file would have it."""
    data: dict[str, Any] = {
        "seed": 3,
        "rounds": 4,
        "twins": 2,
        "prompts": ["a ship at sea", "a red house", "nothing at all", "über die Brücke"],
        "models": {
            "draw": {"backend": "toy", "role": "generator", "batch_size": 3},
            "look": {"backend": "toy", "role": "captioner", "batch_size": 5},
        },
        "arms": [{"name": "autonomous", "network": ["draw", "look"]}],
    }
    return {**data, **changes}


def without_captioner(**changes: Any) -> dict[str, Any]:
    """The same with two arms that draw the prompt and then go on from picture to picture."""
    data = toy_data()
    data["models"]["edit"] = {"backend": "toy", "role": "editor", "batch_size": 4}
    alone = {"name": "alone", "opening": ["draw"], "network": ["edit"]}
    data["arms"].append({**alone, "sweep": {"edit.variety": [256, 3]}})
    return {**data, **changes}


def toy_study(**changes: Any) -> Study:
    """A small study of toys."""
    return load_study(toy_data(**changes))
