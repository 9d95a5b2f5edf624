"""What is in a run folder, as tables, records and pictures."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from ..errors import StoreError
from ..steps import Batch, Content, Input, States, Trajectory
from ._calls import TEXTS
from ._images import ImageFiles
from ._rows import CHUNK, UncheckedError, checked, checked_columns
from ._schema import DATABASE, telling
from ._table import steps_of, steps_table

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


class RunReader:
    """A run folder, to read from.

    Every row is checked as it is read: one that does not hold what it should is a
    :class:`~driftloop.errors.StoreError` that names file, table and row.

    Attributes:
        folder: The folder.
        images: The pictures by digest, see :meth:`image`.
    """

    def __init__(self, folder: Path, db: sqlite3.Connection) -> None:
        self.folder = folder
        self.images = ImageFiles(folder / "images")
        self._db = db

    def __repr__(self) -> str:
        count = len(self._trajectories)
        return f"Run({str(self.folder)!r}, {count} trajectories, {len(self)} steps)"

    def __len__(self) -> int:
        ((count,),) = self._read("SELECT count(*) FROM steps")
        return int(count)

    def close(self) -> None:
        """Close the file. Everything told is on disk already."""
        self._db.close()

    def steps(self, trajectories: Iterable[Trajectory] | None = None) -> pa.Table:
        """Every step, in the order arm, prompt, twin, step.

        Args:
            trajectories: Only theirs.

        Returns:
            An Arrow table with the columns ``arm, prompt, twin, step, round, role, slot`` (which
            turn of the round: the role, or a rule's name), ``model, input_text, input_image, text,
            image`` (pictures by digest), ``seed, readings`` (of a
            generator: a :class:`~driftloop.steps.Reading` of each text encoder),
            ``tokens_written, cut_text`` (of a captioner), ``flags`` (a list), ``started`` (Unix
            time), ``seconds`` (a sample's share of its micro-batch), ``shared`` (played by another
            trajectory before), ``fingerprint`` (of the player) and ``call``. What is not known of
            a step that was played elsewhere is null.
        """
        with self._telling():
            if trajectories is None:
                return steps_table(self._db)
            return steps_table(self._db, [self._trajectories[name] for name in trajectories])

    def trajectories(self) -> list[Trajectory]:
        """Every trajectory that has begun or failed, by arm, prompt and twin."""
        return sorted(self._trajectories)

    def lengths(self) -> dict[Trajectory, int]:
        """How many steps there are of every trajectory that has begun."""
        counts = dict(self._read("SELECT trajectory, COUNT(*) FROM steps GROUP BY trajectory"))
        return {name: counts[id] for name, id in self._trajectories.items() if id in counts}

    def steps_of(self, trajectory: Trajectory) -> list[dict[str, Any]]:
        """One trajectory's steps in order, with the columns of :meth:`steps`."""
        with self._telling():
            return steps_of(self._db, self._trajectories[trajectory])

    def image(self, digest: str) -> Image.Image:
        """A picture, exactly as the next player received it."""
        return self.images.get(digest)

    def prompts(self) -> list[dict[str, Any]]:
        """The prompts: ``id, kind, value`` (text or digest), ``source, flags`` (of a picture)."""
        return self._rows("prompts", "id", "kind", "value", "source", "flags", order="rowid")

    def players(self) -> list[dict[str, Any]]:
        """The players: ``fingerprint, model, role, batch_size, details``."""
        names = ("fingerprint", "model", "role", "batch_size", "details")
        return self._rows("players", *names, order="rowid")

    def sessions(self) -> list[dict[str, Any]]:
        """The sittings: ``id, study, started, ended, outcome, environment``."""
        names = ("id", "study", "started", "ended", "outcome", "environment")
        return self._rows("sessions", *names, order="id")

    def studies(self) -> list[dict[str, Any]]:
        """What was asked for, the last asked for last: dictionaries as a study file has them."""
        # Only what is played in, last, and then what is not (yet) played at all.
        order = (
            "coalesce((SELECT max(n.id) FROM sessions n WHERE n.study = studies.digest), -1), since"
        )
        return [row["json"] for row in self._rows("studies", "json", order=order)]

    def failures(self, *, open_only: bool = True) -> list[dict[str, Any]]:
        """Steps that could not be played: arm to ``round``, and ``model, reason, trace, time``.

        Args:
            open_only: Leave out those that a later session played after all.
        """
        query = (
            "SELECT t.arm, t.prompt, t.twin, f.step, f.round, f.model, f.reason, f.trace, f.time"
            " FROM failures f LEFT JOIN trajectories t ON t.id = f.trajectory"
        )
        if open_only:
            query += (
                " WHERE NOT EXISTS (SELECT 1 FROM steps s WHERE s.trajectory = f.trajectory"
                " AND s.step = f.step) AND f.id IN"
                " (SELECT max(id) FROM failures GROUP BY trajectory, step)"
            )
        columns = [f"trajectories.{name}" for name in ("arm", "prompt", "twin")] + [
            f"failures.{name}" for name in ("step", "round", "model", "reason", "trace", "time")
        ]
        with self._telling():
            rows = checked(self._db.execute(query + " ORDER BY f.id").fetchall(), *columns)
        return [_named(columns, row) for row in rows]

    def inputs(self, batch: Batch) -> list[Any]:
        """What a micro-batch's calls take: a text or a picture each.

        Of a player that needs more than the output of the turn before, a tuple each, in the order
        of :class:`~driftloop.steps.Needs`, with a list in the place of states.
        """
        return [
            self._resolved(call.inputs[0])
            if len(call.inputs) == 1
            else tuple(self._resolved(one) for one in call.inputs)
            for call in batch.calls
        ]

    def _resolved(self, given: Input) -> Any:
        if isinstance(given, States):
            return [self._resolved(one) for one in given]
        return self.image(given.value) if given.kind == "image" else given.value

    def played(self) -> Iterator[tuple[Trajectory, int, str, Content]]:
        """Every step as trajectory, index, key of its call, and outcome."""
        names = {id: trajectory for trajectory, id in self._trajectories.items()}
        query = (
            "SELECT s.trajectory, s.step, s.call, c.output_kind,"
            " CASE c.output_kind WHEN 'text' THEN o.value ELSE c.output END"
            f" FROM steps s LEFT JOIN calls c ON c.key = s.call{TEXTS}"
        )
        columns = "steps.trajectory", "steps.step", "steps.call", "calls.output_kind", "texts.value"
        with self._telling():
            cursor = self._db.execute(query)
            while rows := cursor.fetchmany(CHUNK):
                data = checked_columns([*zip(*rows, strict=True)], *columns)
                for id, step, key, kind, value in zip(*data, strict=True):
                    if id not in names:
                        raise UncheckedError(f"there is no trajectory {id}")
                    yield names[id], step, key, Content(kind, value)

    def batch_size(self, model: str) -> int | None:
        """The micro-batch that a model was last played with here."""
        sizes = [row["batch_size"] for row in self.players() if row["model"] == model]
        return sizes[-1] if sizes else None

    def embeddings(self, encoder: str, contents: Sequence[str]) -> dict[str, np.ndarray[Any, Any]]:
        """Vectors that are kept already, by content."""
        import numpy as np

        found = {}
        for first in range(0, len(contents), 500):
            chunk = contents[first : first + 500]
            marks = ", ".join("?" * len(chunk))
            query = (
                f"SELECT content, vector FROM embeddings WHERE encoder = ? AND content IN ({marks})"
            )
            with self._telling():
                rows = self._db.execute(query, (encoder, *chunk)).fetchall()
                rows = checked(rows, "embeddings.content", "embeddings.vector")
            for content, vector in rows:
                found[content] = np.frombuffer(vector, dtype=np.float32)
        if len({vector.size for vector in found.values()}) > 1:
            raise StoreError(
                f"{self.folder / DATABASE}: table embeddings: vectors of {encoder} have different "
                f"lengths; driftloop doctor {self.folder} --repair takes out those that are wrong"
            )
        return found

    @cached_property
    def _trajectories(self) -> dict[Trajectory, int]:
        columns = "arm", "prompt", "twin", "id"
        with self._telling():
            rows = self._db.execute(f"SELECT {', '.join(columns)} FROM trajectories").fetchall()
            rows = checked(rows, *(f"trajectories.{name}" for name in columns))
        return {Trajectory(*name): id for *name, id in rows}

    def _rows(self, table: str, *names: str, order: str) -> list[dict[str, Any]]:
        query = f"SELECT {', '.join(names)} FROM {table} ORDER BY {order}"
        columns = [f"{table}.{name}" for name in names]
        with self._telling():
            rows = checked(self._db.execute(query).fetchall(), *columns)
        return [_named(columns, row) for row in rows]

    def _read(self, query: str, *values: str) -> Iterator[tuple[Any, ...]]:
        with self._telling():
            yield from self._db.execute(query, values)

    def _telling(self) -> contextlib.AbstractContextManager[None]:
        return telling(self.folder / DATABASE, self._db)


def _named(columns: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
    return {name.partition(".")[2]: value for name, value in zip(columns, row, strict=True)}
