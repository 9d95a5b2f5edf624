"""A run folder: what is in it as tables and pictures, and the one way to add to it."""

from __future__ import annotations

import contextlib
import itertools
import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from ..errors import StoreError
from ..seeds import digest as hash_of
from ..steps import (
    Batch,
    Content,
    Failure,
    Input,
    Output,
    Recorded,
    States,
    Step,
    Trajectory,
)
from ._calls import TEXTS, put_call
from ._images import ImageFiles
from ._schema import DATABASE, telling
from ._table import steps_of, steps_table

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


class Run:
    """A run folder, to read from and to add to.

    Attributes:
        folder: The folder.
        images: The pictures by digest, see :meth:`image`.
    """

    def __init__(self, folder: Path, db: sqlite3.Connection) -> None:
        self.folder = folder
        self.images = ImageFiles(folder / "images")
        self._db = db
        self._session: int | None = None
        self._new_trajectories: list[Trajectory] = []

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        count = len(self._trajectories)
        return f"Run({str(self.folder)!r}, {count} trajectories, {len(self)} steps)"

    def __len__(self) -> int:
        ((count,),) = self._read("SELECT count(*) FROM steps")
        return int(count)

    def close(self) -> None:
        """Close the file. Everything told is on disk already."""
        self._db.close()

    # --- reading -------------------------------------------------------------------------------

    def steps(self, trajectories: Iterable[Trajectory] | None = None) -> pa.Table:
        """Every step, in the order arm, prompt, twin, step.

        Args:
            trajectories: Only theirs.

        Returns:
            An Arrow table with the columns ``arm, prompt, twin, step, round, role, model,
            input_text, input_image, text, image`` (pictures by digest), ``seed, readings`` (of a
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
        rows = self._rows("SELECT id, kind, value, source, flags FROM prompts ORDER BY rowid")
        return [{**row, "flags": json.loads(row["flags"])} for row in rows]

    def players(self) -> list[dict[str, Any]]:
        """The players: ``fingerprint, model, role, batch_size, details``."""
        rows = self._rows("SELECT fingerprint, model, role, batch_size, details FROM players")
        return [{**row, "details": json.loads(row["details"])} for row in rows]

    def sessions(self) -> list[dict[str, Any]]:
        """The sittings: ``id, study, started, ended, outcome, environment``."""
        rows = self._rows(
            "SELECT id, study, started, ended, outcome, environment FROM sessions ORDER BY id"
        )
        return [{**row, "environment": json.loads(row["environment"])} for row in rows]

    def studies(self) -> list[dict[str, Any]]:
        """What was asked for, the last asked for last: dictionaries as a study file has them."""
        rows = self._rows(
            "SELECT s.json FROM studies s LEFT JOIN sessions n ON n.study = s.digest"
            " GROUP BY s.digest ORDER BY max(n.id), s.since"
        )
        return [json.loads(row["json"]) for row in rows]

    def failures(self, *, open_only: bool = True) -> list[dict[str, Any]]:
        """Steps that could not be played: arm to ``round``, and ``model, reason, trace, time``.

        Args:
            open_only: Leave out those that a later session played after all.
        """
        query = (
            "SELECT t.arm, t.prompt, t.twin, f.step, f.round, f.model, f.reason, f.trace, f.time"
            " FROM failures f JOIN trajectories t ON t.id = f.trajectory"
        )
        if open_only:
            query += (
                " WHERE NOT EXISTS (SELECT 1 FROM steps s WHERE s.trajectory = f.trajectory"
                " AND s.step = f.step) AND f.id IN"
                " (SELECT max(id) FROM failures GROUP BY trajectory, step)"
            )
        return self._rows(query + " ORDER BY f.id")

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
        rows = self._read(
            "SELECT s.trajectory, s.step, s.call, c.output_kind,"
            " CASE c.output_kind WHEN 'text' THEN o.value ELSE c.output END"
            f" FROM steps s JOIN calls c ON c.key = s.call{TEXTS}"
        )
        for id, step, key, kind, value in rows:
            yield names[id], step, key, Content(kind, value)

    def batch_size(self, model: str) -> int | None:
        """The micro-batch that a model was last played with here."""
        sizes = self._read(
            "SELECT batch_size FROM players WHERE model = ? ORDER BY rowid DESC", model
        )
        return next((size for (size,) in sizes), None)

    # --- writing -------------------------------------------------------------------------------

    def begin(
        self, *, study: str, digest: str, prompts: Iterable[tuple[str, Content, str]],
        environment: dict[str, Any], flags: Mapping[str, Sequence[str]] | None = None,
    ) -> int:  # fmt: skip
        """Open a session: note the study, its prompts and what it is played on.

        Args:
            study: The study as JSON.
            digest: Its hash.
            prompts: Id, content and source of each prompt.
            environment: Versions and hardware.
            flags: What was done to pictures of prompts when they were read, by the prompt's id.

        Returns:
            The session's number.
        """
        now, told = time.time(), flags or {}
        with self._transaction() as db:
            db.execute("INSERT OR IGNORE INTO studies VALUES (?, ?, ?)", (digest, study, now))
            db.executemany(
                "INSERT OR IGNORE INTO prompts (id, kind, value, source, flags)"
                " VALUES (?, ?, ?, ?, ?)",
                [(id, *what, source, json.dumps(told.get(id, ()))) for id, what, source in prompts],
            )
            cursor = db.execute(
                "INSERT INTO sessions (study, started, environment) VALUES (?, ?, ?)",
                (digest, now, json.dumps(environment)),
            )
        self._session = cursor.lastrowid
        assert self._session is not None
        return self._session

    def add_player(
        self,
        fingerprint: str,
        model: str,
        role: str,
        batch_size: int | None,
        details: dict[str, Any],
    ) -> None:
        """Note a player, or new details (such as its self-test) of one that is known.

        A player that played elsewhere has no ``batch_size``.
        """
        with self._transaction() as db:
            db.execute(
                "INSERT INTO players VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (fingerprint, model) DO UPDATE SET details = excluded.details",
                (fingerprint, model, role, batch_size, json.dumps(details)),
            )

    def commit(self, steps: Sequence[Step], *, started: float = 0.0, seconds: float = 0.0) -> None:
        """Put steps on disk: pictures first, then all rows in one transaction.

        Args:
            steps: What the scheduler collected.
            started: When the micro-batch began, in seconds since 1970.
            seconds: What the model took for it; shared evenly by its calls.

        Raises:
            StoreError: The disk is full, or the folder has become unwritable; nothing of these
                steps is kept then, and all that was there before is.
        """
        if not steps:
            return
        if self._session is None:
            raise RuntimeError("begin() a session before committing steps to it")
        fresh = [step.outcome for step in steps if isinstance(step.outcome, Output)]
        self.put_images(
            {
                outcome.reference.value: outcome.content
                for outcome in fresh
                if isinstance(outcome.content, Image.Image)
            }
        )
        share = seconds / max(len(fresh), 1)
        with self._transaction() as db:
            for step in steps:
                self._insert(db, step, started, share)

    def end(self, outcome: str) -> None:
        """Close the session: ``finished``, ``stopped`` ..."""
        with self._transaction() as db:
            db.execute(
                "UPDATE sessions SET ended = ?, outcome = ? WHERE id = ?",
                (time.time(), outcome, self._session),
            )

    def record(self, trajectory: Trajectory, steps: Sequence[Recorded]) -> None:
        """Put a trajectory that was played elsewhere on disk, whole or not at all.

        Args:
            trajectory: One that the run does not have.
            steps: Its steps in order; their pictures are kept already, see :meth:`put_images`.
        """
        if self._session is None:
            raise RuntimeError("begin() a session before recording into it")
        with self._transaction() as db:
            id = self._add_trajectory(db, trajectory)
            # A failure is no step: those that are stored have no hole between them.
            places = itertools.count()
            after = itertools.count(sum(not isinstance(step.outcome, Failure) for step in steps))
            for step in steps:
                if isinstance(step.outcome, Failure):
                    place = next(after), step.round
                    self._add_failure(db, id, place, step.model, step.outcome, None)
                    continue
                index = next(places)
                # Without a seed a call is named by its place: what came out of it is its own.
                key = hash_of("recorded", step.fingerprint, *trajectory, index).hex()
                given = () if step.input is None else (step.input,)
                put_call(db, key, step.fingerprint, given, step.seed, step.outcome,
                         session=self._session, flags=step.flags)  # fmt: skip
                db.execute(
                    "INSERT INTO steps VALUES (?, ?, ?, ?, ?, ?, ?, 0)",
                    (id, index, step.round, step.role, step.role, step.model, key),
                )

    def put_image(self, image: Image.Image, digest: str) -> None:
        """Keep a picture that a prompt brings."""
        self.put_images({digest: image})

    def put_images(self, images: Mapping[str, Image.Image]) -> None:
        """Keep pictures by digest."""
        try:
            self.images.put(images)
        except OSError as error:
            raise StoreError(f"{self.images.folder}: cannot be written: {error}") from error

    def embeddings(self, encoder: str, contents: Sequence[str]) -> dict[str, np.ndarray[Any, Any]]:
        """Vectors that are kept already, by content."""
        import numpy as np

        found = {}
        for first in range(0, len(contents), 500):
            chunk = contents[first : first + 500]
            marks = ", ".join("?" * len(chunk))
            rows = self._read(
                "SELECT content, vector FROM embeddings"
                f" WHERE encoder = ? AND content IN ({marks})",
                encoder, *chunk,
            )  # fmt: skip
            for content, vector in rows:
                found[content] = np.frombuffer(vector, dtype=np.float32)
        return found

    def put_embeddings(
        self, encoder: str, vectors: Iterable[tuple[str, np.ndarray[Any, Any]]]
    ) -> None:
        """Keep vectors by content."""
        with self._transaction() as db:
            db.executemany(
                "INSERT OR REPLACE INTO embeddings VALUES (?, ?, ?)",
                [(encoder, content, vector.tobytes()) for content, vector in vectors],
            )

    def _insert(self, db: sqlite3.Connection, step: Step, started: float, seconds: float) -> None:
        trajectory = self._trajectories.get(step.trajectory)
        if trajectory is None:
            trajectory = self._add_trajectory(db, step.trajectory)
        call, outcome = step.call, step.outcome
        if isinstance(outcome, Failure):
            place = step.index, step.round
            self._add_failure(db, trajectory, place, call.model, outcome, started)
            return
        if outcome is not None:
            put_call(
                db, call.key, call.fingerprint, call.inputs, call.seed, outcome.reference,
                session=self._session, readings=outcome.readings,
                tokens_written=outcome.tokens_written, cut_text=outcome.cut_text,
                flags=outcome.flags, started=started, seconds=seconds, again=True,
            )  # fmt: skip
        db.execute(
            "INSERT INTO steps VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                trajectory,
                step.index,
                step.round,
                step.role,
                step.slot,
                call.model,
                call.key,
                outcome is None,
            ),
        )

    def _add_trajectory(self, db: sqlite3.Connection, trajectory: Trajectory) -> int:
        cursor = db.execute(
            "INSERT INTO trajectories (arm, prompt, twin) VALUES (?, ?, ?)", trajectory
        )
        id = self._trajectories[trajectory] = int(cursor.lastrowid or 0)
        self._new_trajectories.append(trajectory)
        return id

    def _add_failure(
        self, db: sqlite3.Connection, trajectory: int, place: tuple[int, int], model: str,
        failure: Failure, started: float | None,
    ) -> None:  # fmt: skip
        db.execute(
            "INSERT INTO failures (trajectory, step, round, model, reason, trace, session, time)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (trajectory, *place, model, failure.reason, failure.trace, self._session,
             started or time.time()),
        )  # fmt: skip

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._new_trajectories.clear()
        with self._telling():
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                for trajectory in self._new_trajectories:
                    del self._trajectories[trajectory]
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @cached_property
    def _trajectories(self) -> dict[Trajectory, int]:
        rows = self._read("SELECT arm, prompt, twin, id FROM trajectories")
        return {Trajectory(*name): id for *name, id in rows}

    def _rows(self, query: str) -> list[dict[str, Any]]:
        with self._telling():
            cursor = self._db.execute(query)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    def _read(self, query: str, *values: str) -> Iterator[tuple[Any, ...]]:
        with self._telling():
            yield from self._db.execute(query, values)

    def _telling(self) -> contextlib.AbstractContextManager[None]:
        return telling(self.folder / DATABASE)
