"""Is a run folder sound? And what of it can be mended."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import ExitStack
from os import PathLike
from typing import Literal, NamedTuple

from ._calls import drop_unused
from ._images import is_name
from ._opening import open_run, sole_player
from ._run import Run


class Finding(NamedTuple):
    """Something that is not as it should be."""

    kind: Literal["database", "picture", "gap", "leftover", "orphan"]
    what: str
    """What was found, with its name."""
    mended: bool
    mendable: bool = True
    """Whether a repair mends it."""


def examine(folder: str | PathLike[str], *, repair: bool = False) -> list[Finding]:
    """Check a run: the SQLite file, every picture's pixels against its name, every trajectory.

    Args:
        folder: The run folder.
        repair: Take out steps whose picture is lost, and all that follow from them, so that the
            next run plays them again (to the same bits); delete half-written files. Pictures that
            no step names are told but kept, and so is every step of chains that were imported,
            since nothing plays them again.

    Returns:
        What was found, empty for a sound run.

    Raises:
        StoreError: There is no run, its SQLite file cannot be opened at all, or another process
            plays in the folder that is to be repaired.
    """
    with ExitStack() as stack:
        run = stack.enter_context(open_run(folder))
        if repair:
            # A scheduler counts on what is there, and on the file that it is writing.
            stack.enter_context(sole_player(folder))
        findings = _check_database(run)
        if findings:
            return findings
        imported = any("imported" in study for study in run.studies())
        mended = repair and not imported
        lost, gaps = _lost_pictures(run), _gaps(run)
        fix = "; import the chains again, into another folder" if imported else ""
        findings += [Finding("picture", line + fix, mended, not imported) for line in lost.values()]
        findings += [Finding("gap", line + fix, mended, not imported) for line in gaps.values()]
        if mended:
            _take_out(run, lost, gaps)
            for digest in lost:
                run.images.remove(digest)
        for leftover in run.images.leftovers():
            findings.append(Finding("leftover", f"half-written file {leftover.name}", repair))
            if repair:
                leftover.unlink(missing_ok=True)
        named = set(_named_pictures(run))
        for digest in run.images.digests():
            if digest not in named:
                what = f"picture {digest[:12]} of no step"
                findings.append(Finding("orphan", what, mended=False, mendable=False))
    return findings


def _check_database(run: Run) -> list[Finding]:
    try:
        found = [str(row[0]) for row in run._db.execute("PRAGMA integrity_check")]
    except sqlite3.DatabaseError as error:
        found = [str(error)]
    return [
        Finding(
            "database",
            f"{what}; put back a copy, or play the study into a new folder",
            mended=False,
            mendable=False,
        )
        for what in found
        if what != "ok"
    ]


def _named_pictures(run: Run) -> list[str]:
    rows = run._db.execute(
        "SELECT output FROM calls WHERE output_kind = 'image'"
        " UNION SELECT value FROM prompts WHERE kind = 'image'"
    )
    return [row[0] for row in rows]


def _lost_pictures(run: Run) -> dict[str, str]:
    lost = {}
    for digest in _named_pictures(run):
        if not is_name(digest):
            lost[digest] = f"{str(digest)[:80]!r} is no name of a picture"
        elif not run.images.has(digest):
            lost[digest] = f"picture {digest[:12]} is missing"
        elif not run.images.intact(digest):
            lost[digest] = f"picture {digest[:12]} is damaged, or another picture under its name"
    return lost


def _take_out(run: Run, digests: Iterable[str], gaps: Iterable[tuple[int, int]]) -> None:
    """Delete every step from those on that gave these pictures, or that come after a gap.

    With them go the calls that no step is left of: what is played again may be answered otherwise.
    """
    with run._transaction() as db:
        first = list(gaps)
        for digest in digests:
            first += db.execute(
                "SELECT trajectory, step FROM steps JOIN calls ON key = call"
                " WHERE output_kind = 'image' AND output = ?",
                (digest,),
            )
        db.executemany("DELETE FROM steps WHERE trajectory = ? AND step >= ?", first)
        drop_unused(db)


def _gaps(run: Run) -> dict[tuple[int, int], str]:
    """Trajectories with a step missing in their middle, or without its call or text: the first."""
    gaps: dict[tuple[int, int], str] = {}
    rows = run._db.execute(
        "SELECT s.trajectory, s.step, c.key IS NULL OR c.output_kind = 'text' AND NOT EXISTS"
        " (SELECT 1 FROM texts t WHERE t.id = c.output) FROM steps s LEFT JOIN calls c"
        " ON c.key = s.call ORDER BY s.trajectory, s.step"
    )
    expected: dict[int, int] = {}
    for trajectory, step, bare in rows:
        want = expected.get(trajectory, 0)
        if (step != want or bare) and (trajectory, want) not in gaps:
            gaps[(trajectory, want)] = f"trajectory {trajectory} has no whole step {want}"
        expected[trajectory] = step + 1 if step == want and not bare else want
    return gaps
