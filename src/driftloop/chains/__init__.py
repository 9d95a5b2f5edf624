"""Chains that others made, in; runs for others to read, out.

* :func:`import_chains` (``driftloop import``) reads a table, or a folder as others keep their
  chains, into a run folder, and keeps out what is damaged.
* :func:`export_run` (``driftloop export``) writes a run as Parquet that the ``datasets`` library
  opens with its pictures, or as a GIF or MP4.
"""

from ._export import export_run, select
from ._import import REJECTED, Imported, check_numbered, import_chains
from ._rows import Place, Reject

__all__ = [
    "REJECTED",
    "Imported",
    "Place",
    "Reject",
    "check_numbered",
    "export_run",
    "import_chains",
    "select",
]
