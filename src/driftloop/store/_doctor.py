"""Is a run folder sound? And what of it can be mended."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from os import PathLike
from typing import NamedTuple

from ._checks import CHECKS, check_pages, named_pictures
from ._ground import Ground, Kind, Trouble
from ._opening import is_played, open_run, sole_player
from ._repair import AGAIN, CACHED, take_out
from ._rows import read_as
from ._run import Run
from ._schema import DATABASE, refuse_triggers

COPY = "put back a copy, or play the study into a new folder"
ANEW = "import the chains again, into another folder"


class Finding(NamedTuple):
    """Something that is not as it should be."""

    kind: Kind
    what: str
    """What was found, with its name."""
    mended: bool
    mendable: bool = True
    """Whether a repair mends it."""


def examine(folder: str | PathLike[str], *, repair: bool = False) -> list[Finding]:
    """Check a run: the SQLite file, every row, every picture's pixels, every trajectory.

    All rows are read as they are at one moment, so that a run may be played meanwhile. What is
    checked is the list :data:`~driftloop.store._checks.CHECKS`.

    Args:
        folder: The run folder.
        repair: Take out steps whose rows are damaged or whose picture is lost, and all that follow
            from them, so that the next run plays them again (to the same bits); delete half-written
            files and damaged vectors. Pictures that no step names are told but kept, and so is
            every step of chains that were imported, since nothing plays them again.

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
            refuse_triggers(run._db, run.folder / DATABASE)
        troubles, imported, readable = _look(run)
        mendable = [one.table in (CACHED if imported else CACHED | AGAIN) for one in troubles]
        findings = [
            _finding(one, mended=repair and can, mendable=can, imported=imported)
            for one, can in zip(troubles, mendable, strict=True)
        ]
        out = [one for one, can in zip(troubles, mendable, strict=True) if can]
        if repair and out:
            take_out(run, out)
        if readable:
            findings += _files(run, repair=repair)
    return findings


def _look(run: Run) -> tuple[list[Trouble], bool, bool]:
    """All that is wrong at this moment, and whether the run was imported, and can be read."""
    troubles: list[Trouble] = []
    db = run._db
    db.execute("BEGIN")
    try:
        with read_as(db, _shown):
            troubles += check_pages(ground := Ground(run, imported=False))
            if troubles:
                return troubles, False, False
            ground.imported = _is_imported(run)
            for check in CHECKS:
                found = [one for one in check(ground) if _is_new(one, ground)]
                ground.found.update((one.table, one.key) for one in found)
                troubles += found
            return troubles, ground.imported, True
    except sqlite3.DatabaseError as error:
        return [Trouble("database", str(error))], False, False
    finally:
        db.execute("ROLLBACK")


def _shown(data: bytes) -> str:
    """A text as it can be shown and hashed; that it is no UTF-8 is told of its row."""
    return data.decode("utf-8", "backslashreplace")


def _is_new(trouble: Trouble, ground: Ground) -> bool:
    return trouble.table is None or (trouble.table, trouble.key) not in ground.found


def _is_imported(run: Run) -> bool:
    """Whether a run was played elsewhere, which its study says, and its players too."""
    ((count,),) = run._db.execute(
        "SELECT (SELECT count(*) FROM studies WHERE json LIKE '%\"imported\": {%') +"
        ' (SELECT count(*) FROM players WHERE details LIKE \'%"backend": "imported"%\')'
    )
    return bool(count)


def _finding(trouble: Trouble, *, mended: bool, mendable: bool, imported: bool) -> Finding:
    fix = "" if mendable else f"; {ANEW}" if imported else f"; {COPY}"
    return Finding(trouble.kind, trouble.what + fix, mended, mendable)


def _files(run: Run, *, repair: bool) -> Iterator[Finding]:
    """Files that no row names. While somebody plays, their rows may be on their way."""
    leftovers, digests = [*run.images.leftovers()], [*run.images.digests()]
    if not repair and is_played(run.folder):
        return
    # A process that wrote one of them has told it by now, or has died.
    for leftover in leftovers:
        if repair or leftover.exists():
            yield Finding("leftover", f"half-written file {leftover.name}", repair)
        if repair:
            leftover.unlink(missing_ok=True)
    with read_as(run._db, _shown):
        named = set(named_pictures(run))
    for digest in digests:
        if digest not in named:
            what = f"picture {digest[:12]} of no step"
            yield Finding("orphan", what, mended=False, mendable=False)
