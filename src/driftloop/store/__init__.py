"""What was played, on disk: one SQLite file, and every picture once, lossless, under its hash.

* :class:`Run` is a run folder: steps as a table, pictures as PIL, everything else by name.
* :func:`create_run` makes one (or opens it again), :func:`open_run` opens one to read,
  :func:`is_run` says whether there is one.
* :func:`export_steps` (``driftloop export --steps``) writes one as a table, with its pictures;
  :func:`readings_type` is the type of its column of what text encoders read.
* :func:`sole_player` keeps two processes from writing into one; :func:`sole_run` does, and leaves
  nothing of a new one that is refused.
* :func:`examine` (``driftloop doctor``) checks one, and mends what can be mended.

A picture's file is complete on disk (temporary name, fsync, rename) before the row that names it,
and all rows of a micro-batch are one transaction: whatever happens, what a run folder shows did
happen, and what it does not show is played again to the same bits.
"""

from ._doctor import Finding, examine
from ._export import export_steps
from ._images import ImageFiles
from ._opening import create_run, is_run, open_run, sole_player, sole_run
from ._run import STEPS_ASKED, Run
from ._table import readings_type

__all__ = [
    "STEPS_ASKED",
    "Finding",
    "ImageFiles",
    "Run",
    "create_run",
    "examine",
    "export_steps",
    "is_run",
    "open_run",
    "readings_type",
    "sole_player",
    "sole_run",
]
