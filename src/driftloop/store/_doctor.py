"""Is a run folder sound? And what of it can be mended."""

from __future__ import annotations

import sqlite3
from os import PathLike
from typing import Literal, NamedTuple

from ..errors import StoreError
from ._opening import open_run
from ._run import Run
from ._schema import DATABASE


class Finding(NamedTuple):
    """Something that is not as it should be."""

    kind: Literal["database", "picture", "gap", "leftover", "orphan"]
    what: str
    """What was found, with its name."""
    mended: bool


def examine(folder: str | PathLike[str], *, repair: bool = False) -> list[Finding]:
    """Check a run: the SQLite file, every picture's pixels against its name, every trajectory.

    Args:
        folder: The run folder.
        repair: Take out steps whose picture is lost, and all that follow from them, so that the
            next run plays them again (to the same bits); delete half-written files. Pictures that
            no step names are told but kept.

    Returns:
        What was found, empty for a sound run.

    Raises:
        StoreError: There is no run, or its SQLite file cannot be opened at all.
    """
    with open_run(folder) as run:
        findings = _check_database(run)
        if findings:
            return findings
        lost = _lost_pictures(run)
        findings += [Finding("picture", line, repair) for line in lost.values()]
        if repair and lost:
            _take_out(run, set(lost))
            for digest in lost:
                run.images.path(digest).unlink(missing_ok=True)
        gaps = _gaps(run)
        findings += [Finding("gap", line, repair) for line in gaps.values()]
        if repair:
            for trajectory, step in gaps:
                run._db.execute(
                    "DELETE FROM steps WHERE trajectory = ? AND step > ?", (trajectory, step)
                )
        for leftover in run.images.leftovers():
            findings.append(Finding("leftover", f"half-written file {leftover.name}", repair))
            if repair:
                leftover.unlink(missing_ok=True)
        named = set(_named_pictures(run))
        for digest in run.images.digests():
            if digest not in named:
                findings.append(Finding("orphan", f"picture {digest[:12]} of no step", False))
    return findings


def _check_database(run: Run) -> list[Finding]:
    try:
        rows = run._db.execute("PRAGMA integrity_check").fetchall()
    except sqlite3.Error as error:
        raise StoreError(
            f"{run.folder / DATABASE}: {error}; its pages are damaged: put back a copy, or play "
            f"the study into a new folder"
        ) from error
    return [Finding("database", str(row[0]), False) for row in rows if row[0] != "ok"]


def _named_pictures(run: Run) -> list[str]:
    rows = run._db.execute(
        "SELECT output FROM calls WHERE output_kind = 'image'"
        " UNION SELECT value FROM prompts WHERE kind = 'image'"
    )
    return [row[0] for row in rows]


def _lost_pictures(run: Run) -> dict[str, str]:
    lost = {}
    for digest in _named_pictures(run):
        if not run.images.path(digest).is_file():
            lost[digest] = f"picture {digest[:12]} is missing"
        elif not run.images.intact(digest):
            lost[digest] = f"picture {digest[:12]} is damaged"
    return lost


def _take_out(run: Run, digests: set[str]) -> None:
    """Delete the calls that gave these pictures, and every step from theirs on."""
    with run._transaction() as db:
        for digest in digests:
            calls = db.execute(
                "SELECT key FROM calls WHERE output_kind = 'image' AND output = ?", (digest,)
            ).fetchall()
            for (key,) in calls:
                steps = db.execute(
                    "SELECT trajectory, step FROM steps WHERE call = ?", (key,)
                ).fetchall()
                for trajectory, step in steps:
                    db.execute(
                        "DELETE FROM steps WHERE trajectory = ? AND step >= ?", (trajectory, step)
                    )
                db.execute("DELETE FROM calls WHERE key = ?", (key,))


def _gaps(run: Run) -> dict[tuple[int, int], str]:
    """Trajectories with a step missing in their middle, or one without its call."""
    gaps = {}
    rows = run._db.execute(
        "SELECT s.trajectory, s.step, c.key IS NULL FROM steps s LEFT JOIN calls c"
        " ON c.key = s.call ORDER BY s.trajectory, s.step"
    )
    expected: dict[int, int] = {}
    for trajectory, step, bare in rows:
        want = expected.get(trajectory, 0)
        if (step != want or bare) and (trajectory, want - 1) not in gaps:
            gaps[(trajectory, want - 1)] = f"trajectory {trajectory} has no whole step {want}"
        expected[trajectory] = step + 1 if step == want and not bare else want
    return gaps
