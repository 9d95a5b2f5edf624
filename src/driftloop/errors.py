"""What can go wrong, each with the fix in its message.

Every error that a user can cause derives from :class:`DriftloopError`; the command line prints
its message without a traceback and exits with its ``exit_code``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class DriftloopError(Exception):
    """Something the user can mend; the message says how."""

    exit_code = 2


class StudyError(DriftloopError):
    """A study, or a prompt file it names, cannot be used as it is."""


class ModelError(DriftloopError):
    """A model or a backend cannot be found or loaded."""


class UnreachableError(ModelError):
    """A model is not on this machine, and the hub cannot be asked whether it exists."""


class ServerError(ModelError):
    """A server has stopped answering; what was played is kept, and the run goes on later."""


class StoreError(DriftloopError):
    """A run folder cannot be opened, written or trusted."""


class ChainError(DriftloopError):
    """Chains that others made cannot be imported, or a run cannot be exported, as asked."""


def nearest(word: str, choices: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the closest choice, or the empty string.

    >>> nearest("roundz", ["rounds", "twins"])
    " Did you mean 'rounds'?"
    """
    close = difflib.get_close_matches(word, list(choices), n=1, cutoff=0.6)
    return f" Did you mean '{close[0]}'?" if close else ""
