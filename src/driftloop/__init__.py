"""Driftloop: visual telephone with generative models.

A generator draws a prompt, a captioner describes the picture, the description is the next prompt.

Play and read:

* :func:`run` plays a study; :func:`open` opens its folder again.
* :func:`open_session` puts the same loop into your own hands; :class:`Scheduler` is its pure core.
* :func:`load_study`, :class:`Study` say what to play; :func:`plan` what it would take.
* :func:`write_report` measures a run and writes ``report.html``.
* :func:`import_chains` reads chains that others made into a run folder; :func:`export_run` writes
  one as Parquet with its pictures, or as a film.
* :func:`include` runs a file with players, rules or encoders of your own.
* :func:`check` loads one model and tests it; :func:`examine` checks a run folder.
* :func:`schema` is the JSON Schema of a study file, for editors.
* :class:`Player` is what a model of your own inherits from.

Subpackages: ``models`` (players and backends), ``store``, ``runners``, ``encoders``, ``measures``,
``chains``, ``report``, ``prompts``, ``postcards`` (the miniature world).
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .chains import export_run, import_chains
    from .errors import ChainError, DriftloopError, ModelError, StoreError, StudyError
    from .models import Player
    from .report import write_report
    from .runners import Session, include, open_session, run
    from .runners import check_model as check
    from .runners import make_plan as plan
    from .runners import study_schema as schema
    from .scheduler import Scheduler
    from .store import Run, examine
    from .store import open_run as open
    from .study import Study, load_study

__version__ = version("driftloop")

# What is imported when it is first asked for, so that `driftloop --help` imports nothing heavy.
_HOMES = {
    "ChainError": ("errors", "ChainError"),
    "DriftloopError": ("errors", "DriftloopError"),
    "ModelError": ("errors", "ModelError"),
    "Player": ("models", "Player"),
    "Run": ("store", "Run"),
    "Scheduler": ("scheduler", "Scheduler"),
    "Session": ("runners", "Session"),
    "StoreError": ("errors", "StoreError"),
    "Study": ("study", "Study"),
    "StudyError": ("errors", "StudyError"),
    "check": ("runners", "check_model"),
    "examine": ("store", "examine"),
    "export_run": ("chains", "export_run"),
    "import_chains": ("chains", "import_chains"),
    "include": ("runners", "include"),
    "load_study": ("study", "load_study"),
    "open": ("store", "open_run"),
    "open_session": ("runners", "open_session"),
    "plan": ("runners", "make_plan"),
    "run": ("runners", "run"),
    "schema": ("runners", "study_schema"),
    "write_report": ("report", "write_report"),
}

__all__ = [
    "ChainError",
    "DriftloopError",
    "ModelError",
    "Player",
    "Run",
    "Scheduler",
    "Session",
    "StoreError",
    "Study",
    "StudyError",
    "check",
    "examine",
    "export_run",
    "import_chains",
    "include",
    "load_study",
    "open",
    "open_session",
    "plan",
    "run",
    "schema",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(import_module(f".{module}", __name__), attribute)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
