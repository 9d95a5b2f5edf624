"""A run folder to play into: the one way to add to it."""

from __future__ import annotations

import contextlib
import itertools
import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from ..errors import StoreError
from ..files import identity
from ..seeds import digest as hash_of
from ..steps import Content, Failure, Output, Recorded, Step, Trajectory
from ._calls import put_call
from ._reading import RunReader
from ._schema import DATABASE, LOG
from ._sums import change_row, next_id, put_row

if TYPE_CHECKING:
    import numpy as np

STEPS_ASKED = "steps_asked"
"""In the environment of a session: how many steps its study asks for in all."""


class Run(RunReader):
    """A run folder, to read from and to add to.

    Attributes:
        folder: The folder.
        images: The pictures by digest, see :meth:`image`.
    """

    def __init__(self, folder: Path, db: sqlite3.Connection) -> None:
        super().__init__(folder, db)
        self._session: int | None = None
        self._begun = 0.0, 0.0
        self._new_trajectories: list[Trajectory] = []
        # A connection to a copy of the run has no file, and nothing that could be taken from it.
        ((files,),) = db.execute("SELECT count(*) FROM pragma_database_list WHERE file <> ''")
        self._files = {DATABASE: identity(folder / DATABASE)} if files else {}

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

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
            once = "INSERT OR IGNORE"
            put_row(db, "studies", digest, study, now, how=once)
            for id, what, source in prompts:
                flags_told = json.dumps(told.get(id, ()))
                put_row(db, "prompts", id, *what, source, flags_told, how=once)
            session = next_id(db, "sessions")
            put_row(db, "sessions", session, digest, now, None, None, json.dumps(environment))
        self._session, self._begun = session, (now, time.monotonic())
        return session

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
            told = json.dumps(details)
            if not change_row(db, "players", (fingerprint, model), details=told):
                put_row(db, "players", fingerprint, model, str(role), batch_size, told)

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
        # The time of day may be set back or forth meanwhile; how long it took may not.
        began, clock = self._begun
        ended = began + (time.monotonic() - clock)
        with self._transaction() as db:
            change_row(db, "sessions", (self._session,), ended=ended, outcome=outcome)

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
                put_row(db, "steps", id, index, step.round, str(step.role), str(step.role),
                        step.model, key, 0)  # fmt: skip

    def put_image(self, image: Image.Image, digest: str) -> None:
        """Keep a picture that a prompt brings."""
        self.put_images({digest: image})

    def put_images(self, images: Mapping[str, Image.Image]) -> None:
        """Keep pictures by digest."""
        try:
            self.images.put(images)
        except OSError as error:
            raise StoreError(f"{self.images.folder}: cannot be written: {error}") from error

    def put_embeddings(
        self, encoder: str, vectors: Iterable[tuple[str, np.ndarray[Any, Any]]]
    ) -> None:
        """Keep vectors by content."""
        with self._transaction() as db:
            for content, vector in vectors:
                data = vector.tobytes()
                put_row(db, "embeddings", encoder, content, data, how="INSERT OR REPLACE")

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
        put_row(
            db, "steps", trajectory, step.index, step.round, str(step.role), step.slot, call.model,
            call.key, int(outcome is None),
        )  # fmt: skip

    def _add_trajectory(self, db: sqlite3.Connection, trajectory: Trajectory) -> int:
        id = next_id(db, "trajectories")
        put_row(db, "trajectories", id, *trajectory)
        self._trajectories[trajectory] = id
        self._new_trajectories.append(trajectory)
        return id

    def _add_failure(
        self, db: sqlite3.Connection, trajectory: int, place: tuple[int, int], model: str,
        failure: Failure, started: float | None,
    ) -> None:  # fmt: skip
        put_row(
            db, "failures", next_id(db, "failures"), trajectory, *place, model, failure.reason,
            failure.trace, self._session, float(started or time.time()),
        )  # fmt: skip

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._new_trajectories.clear()
        self._check_files()
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

    def _check_files(self) -> None:
        """Compare the files under the run's names with those that are open.

        A file that is deleted can be written as before, and is gone when the process ends.

        Raises:
            StoreError: One is another file, or none.
        """
        if self._files and LOG not in self._files:
            # SQLite makes it when it first writes, and has it until the last reader leaves.
            log = identity(self.folder / LOG)
            self._files.update({LOG: log} if log else {})
        for name, file in self._files.items():
            if identity(self.folder / name) != file:
                raise StoreError(
                    f"{self.folder / name}: the file was deleted or replaced while the run was "
                    f"played, so nothing more is written to it; put back a copy of it, or play the "
                    f"study into another folder with --out"
                )
