"""A run as one wide table, a row a round; docs/export.md describes its columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..steps import Role, Trajectory
from ..store import Run

COLUMNS = {
    "arm": "string", "prompt_id": "string", "twin": "int64", "round": "int64",
    "prompt": "string", "prompt_image": "image", "prompt_source": "string",
    "image": "image", "caption": "string",
    "generator": "string", "captioner": "string",
    "generator_seed": "int64", "captioner_seed": "int64",
    "generator_readings": "readings",
    "captioner_tokens": "int64", "captioner_cut_text": "string",
    "image_flags": "list", "caption_flags": "list",
    "failure": "string",
    "generator_seconds": "float64", "captioner_seconds": "float64",
    "generator_fingerprint": "string", "captioner_fingerprint": "string",
    "editor": "string", "editor_seed": "int64", "editor_seconds": "float64",
    "editor_fingerprint": "string", "prompt_image_flags": "list",
    "rewritten": "string", "rewriter": "string", "rewriter_seed": "int64",
    "rewritten_flags": "list", "chooser": "string", "chooser_seed": "int64",
}  # fmt: skip
"""Names and kinds, in order."""

GENERATED = {
    "generator": "model", "generator_seed": "seed", "generator_readings": "readings",
    "image_flags": "flags", "generator_seconds": "seconds", "generator_fingerprint": "fingerprint",
    "image": "image",
}  # fmt: skip
CAPTIONED = {
    "captioner": "model", "captioner_seed": "seed", "captioner_tokens": "tokens_written",
    "captioner_cut_text": "cut_text", "caption_flags": "flags", "captioner_seconds": "seconds",
    "captioner_fingerprint": "fingerprint", "caption": "text",
}  # fmt: skip
EDITED = {
    "editor": "model", "editor_seed": "seed", "editor_seconds": "seconds",
    "editor_fingerprint": "fingerprint", "image_flags": "flags", "image": "image",
}  # fmt: skip
REWRITTEN = {
    "rewriter": "model", "rewriter_seed": "seed", "rewritten_flags": "flags", "rewritten": "text",
}  # fmt: skip
CHOSEN = {
    "chooser": "model", "chooser_seed": "seed", "caption_flags": "flags", "caption": "text",
}  # fmt: skip
PLAYED = {
    Role.GENERATOR: GENERATED, Role.CAPTIONER: CAPTIONED, Role.EDITOR: EDITED,
    Role.WRITER: CAPTIONED, Role.CHOOSER: CHOSEN,
}  # fmt: skip
"""Columns of the round by what is known of the step; of two pictures in a round the last is its."""


@dataclass(frozen=True)
class WideRows:
    """The rows of a run."""

    trajectories: list[Trajectory]
    run: Run

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Rows in the order of arm, prompt, twin and round, pictures by digest.

        One trajectory is read at a time: a run may be longer than memory is large.
        """
        prompts = {row["id"]: row for row in self.run.prompts()}
        stopped = {
            Trajectory(row["arm"], row["prompt"], row["twin"]): row for row in self.run.failures()
        }
        for name in self.trajectories:
            rounds = _rounds(self.run.steps_of(name))
            failure = stopped.get(name)
            if failure is not None:
                _add_failure(rounds, failure)
            start = prompts.get(name.prompt, {})
            for number, (round, cells) in enumerate(sorted(rounds.items())):
                yield {
                    **dict.fromkeys(COLUMNS),
                    "arm": name.arm,
                    "prompt_id": name.prompt,
                    "twin": name.twin,
                    "round": round,
                    "prompt": start["value"] if start.get("kind") == "text" else None,
                    # Once a trajectory: a picture in every row would double the table.
                    "prompt_image": start["value"]
                    if start.get("kind") == "image" and not number
                    else None,
                    "prompt_source": start.get("source"),
                    "prompt_image_flags": start.get("flags", []),
                    **cells,
                }


def _rounds(steps: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    rounds: dict[int, dict[str, Any]] = {}
    for step in steps:
        cells = rounds.setdefault(step["round"], {})
        names = PLAYED[Role(step["role"])]
        if names is CAPTIONED and step["role"] == Role.WRITER and "caption" in cells:
            # What a rule made of the caption.
            names = REWRITTEN
        cells.update({name: step[column] for name, column in names.items()})
    return rounds


def _add_failure(rounds: dict[int, dict[str, Any]], failure: dict[str, Any]) -> None:
    """Put a failure into the round that it stopped."""
    told = f"{failure['model']}: {failure['reason']}"
    rounds.setdefault(failure["round"], {})["failure"] = told
