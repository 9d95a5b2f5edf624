"""What can go wrong, each with the fix in its message.

Every error that a user can cause derives from :class:`DriftloopError`; the command line prints
its message without a traceback and exits with its ``exit_code``.
"""

from __future__ import annotations

import difflib
import re
import signal
from collections.abc import Collection, Iterable
from enum import IntEnum
from itertools import islice

MOST_LISTED = 20
MOST_COMPARED = 1_000
"""Names that a misspelt one is compared with: a comparison takes a while."""
LONGEST_NAME = 100
# What moves the cursor, colours, hides or reorders text on a terminal; half characters; line ends.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class Exits(IntEnum):
    """What a command exits with."""

    DONE = 0
    IN_PART = 1
    """It got to its end, and something is left out, has failed or is damaged."""
    TO_MEND = 2
    """The user can mend it; the message says how."""
    UNEXPECTED = 70
    """Nobody foresaw it. The number is that of other programs (EX_SOFTWARE in sysexits.h)."""
    INTERRUPTED = 130
    """Stopped by Ctrl-C. Another signal has 128 and its number: 143 where the system ended it."""


class DriftloopError(Exception):
    """Something the user can mend; the message says how."""

    exit_code = Exits.TO_MEND


class SignalError(KeyboardInterrupt):
    """A signal that asks the process to end: it stops as orderly as by Ctrl-C.

    Args:
        number: The signal's.
    """

    def __init__(self, number: int = signal.SIGINT) -> None:
        super().__init__()
        self.number = number


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

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


def lacking(what: str, extra: str, error: ImportError) -> str:
    """What to say of something that a package is needed for which is missing, or broken.

    Args:
        what: What cannot be done, or imported, without it.
        extra: The extra of Driftloop that brings it.
        error: Why it cannot be imported.

    >>> lacking("the report", "report", ImportError("No module named 'jinja2'"))
    "the report needs pip install --upgrade 'driftloop[report]': No module named 'jinja2'"
    """
    return f"{what} needs pip install --upgrade 'driftloop[{extra}]': {error}"


def nearest(word: str, choices: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the closest choice, or the empty string.

    >>> nearest("roundz", ["rounds", "twins"])
    " Did you mean 'rounds'?"
    """
    few = [choice[:LONGEST_NAME] for choice in islice(choices, MOST_COMPARED)]
    close = difflib.get_close_matches(word[:LONGEST_NAME], few, n=1, cutoff=0.6)
    return f" Did you mean '{close[0]}'?" if close else ""


def printable(text: str) -> str:
    r"""Text of outside for a terminal: control characters are written as escapes.

    >>> print(printable("a\x1b[31mred\n"))
    a\x1b[31mred\n
    """
    return _UNSEEN.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape", "surrogatepass").decode("ascii")


def listed(names: Collection[str], most: int = MOST_LISTED) -> str:
    """Names for a message, the first of many and the number of the others.

    >>> listed(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    some = ", ".join(name[:LONGEST_NAME] for name in islice(names, most))
    return f"{some} and {len(names) - most:,} more" if len(names) > most else some
