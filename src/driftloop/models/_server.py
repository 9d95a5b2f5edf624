"""Asking a server until it answers: what is worth another try, and what may be told."""

from __future__ import annotations

import asyncio
import email.utils
import re
import threading
import time
import traceback
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar
from urllib.parse import urljoin, urlsplit

from ..pictures import Picture, PictureError, read_picture
from ..steps import Failure
from ._answers import AnswerError, BrokenError, RefusedError, ToldError
from ._troubles import LONGEST_WORDS, Trouble, mending

T = TypeVar("T")

LONGEST_WAIT = 30.0
"""Seconds between two tries, at most, whatever the back-off has grown to."""
PATHS = ("chat/completions", "images/generations")
"""What the client adds to an address."""
BEARER = re.compile(r"(?i:\b(bearer)\s+)[^\s,;\"'\\)\]}]+")
OTHERS_KEYS = re.compile(r"\bsk-[A-Za-z0-9_-]{16,}")
LONGEST_LINE = 400
"""Characters of any other error that are told."""


class GarbageError(Exception):
    """A picture that cannot be read."""


@dataclass
class Silence:
    """Requests in a row that stayed without an answer, however often they were asked again."""

    requests: int = 0
    last: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def goes_on(self, reason: str) -> None:
        """One more."""
        with self.lock:
            self.requests, self.last = self.requests + 1, reason

    def ends(self) -> None:
        """There was an answer, be it a refusal."""
        with self.lock:
            self.requests = 0


class Asked(NamedTuple):
    """A request, as a message about it tells of it."""

    address: str
    sent: Collection[str] = ()
    """Names of what it says."""
    extra: Collection[str] = ()
    """Those of them that come from the study's ``extra``."""


class Patience(NamedTuple):
    """How long to go on asking."""

    timeout: float
    """Seconds for a whole answer."""
    retries: int
    backoff: float
    """Seconds before the second try; doubled each time."""
    secret: str
    """What no message may tell."""
    silence: Silence

    async def ask(
        self, call: Callable[[], Awaitable[T]], asked: Asked, stop: asyncio.Event
    ) -> T | Failure:
        """Call until it answers, refuses for good, or has been asked often enough.

        Args:
            call: One request.
            asked: What it asks, for messages.
            stop: Nothing is asked again once it is set; what is on its way may still answer.
        """
        for attempt in range(self.retries + 1):
            try:
                async with asyncio.timeout(self.timeout):
                    answer = await call()
            except Exception as error:
                failure = self.failure(error, asked, attempt + 1)
                if not is_passing(error):
                    self.silence.ends()
                    return failure
                if attempt == self.retries:
                    self.silence.goes_on(failure.reason)
                    return failure
                if await _is_stopped(stop, self._wait(error, attempt)):
                    return Failure(f"{failure.reason}; stopped before the next try", stopped=True)
            else:
                self.silence.ends()
                return answer
        raise AssertionError("a loop that always returns")

    def failure(self, error: Exception, asked: Asked, tries: int = 1) -> Failure:
        """What went wrong, in a line, with the server's own words and without the secret."""
        # First struck out, then cut: half a key is a key told as well.
        if isinstance(error, ToldError):
            words = self._cut(error.trouble.words)
            words = _with_codes(error, words)
            if hint := _hint(error, asked):
                words = f"{words}; {hint}"
        elif isinstance(error, AnswerError):
            words = self.without_secrets(error.ours)
            words += f": {self._cut(error.words)}" if error.words else ""
        elif isinstance(error, TimeoutError):
            words = f"no whole answer within {self.timeout:g} s (timeout)"
        else:
            words = self._cut(_words_of(error), LONGEST_LINE)
        line = f"{address_of(asked.address)}: {self.without_secrets(words)}"
        line = line if tries == 1 else f"{line} (asked {tries} times)"
        ours = isinstance(error, AnswerError | ToldError) or is_passing(error)
        return Failure(
            line, "" if ours else self.without_secrets(traceback.format_exc(), lines=True)
        )

    def _cut(self, words: str, most: int = LONGEST_WORDS) -> str:
        words = self.without_secrets(words)
        return words if len(words) <= most else words[: most - 3] + "..."

    def without_secrets(self, text: str, *, lines: bool = False) -> str:
        """A text without the key, in whatever form a server repeats it, and fit for a terminal."""
        if self.secret:
            text = _spellings(self.secret).sub("***", text)
        text = OTHERS_KEYS.sub("***", BEARER.sub(r"\1 ***", text))
        return text if lines else printable(" ".join(text.split()))

    def _wait(self, error: Exception, attempt: int) -> float:
        wait = min(self.backoff * 2.0**attempt, LONGEST_WAIT)
        told = error.wait if isinstance(error, ToldError) else None
        return wait if told is None else max(wait, min(told, 2 * LONGEST_WAIT))


async def _is_stopped(stop: asyncio.Event, wait: float) -> bool:
    """Wait, and say whether to stop."""
    try:
        await asyncio.wait_for(stop.wait(), wait)
    except TimeoutError:
        return stop.is_set()
    return True


def is_passing(error: Exception) -> bool:
    """Whether asking again may help: time-outs, cut connections, 429, 5xx, half an answer."""
    from ._web import AddressErrors, NetworkError

    if isinstance(error, ToldError):
        return error.trouble.passing
    if isinstance(error, AddressErrors):
        return False
    return isinstance(error, OSError | BrokenError | NetworkError)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to wait, told in seconds or as a date."""
    told = headers.get("retry-after", "")
    try:
        seconds = float(told)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(told).timestamp() - time.time()
        except (TypeError, ValueError, OverflowError):
            return None
    return seconds if 0 <= seconds < float("inf") else None


def _words_of(error: Exception) -> str:
    from ._web import NetworkError, words_of

    if isinstance(error, NetworkError):
        return words_of(error)
    ours = type(error).__module__.startswith("driftloop.")
    return str(error) if ours else f"{type(error).__name__}: {error}"


def _with_codes(error: ToldError, words: str) -> str:
    status = "" if error.status == 200 else f"{error.status}: "
    codes = [code for code in error.trouble.code.split(", ") if code not in {"", str(error.status)}]
    return f"{status}{words}" + (f" ({', '.join(codes)})" if codes else "")


def _hint(error: ToldError, asked: Asked) -> str:
    trouble: Trouble = error.trouble
    if error.status in {200, 400, 413, 415, 422} and not trouble.passing:
        return mending(trouble, asked.sent, asked.extra)
    if error.status in {404, 405}:
        return (
            "is the model's name right, and does base_url end as the server wants it (mostly /v1)?"
        )
    if error.status in {401, 403} and asked.sent:
        return "driftloop plan says which key goes to which address"
    return ""


def _spellings(secret: str) -> re.Pattern[str]:
    """A key as servers repeat it: escaped, quoted, or with other white space."""
    parts = []
    for part in re.findall(r"\s+|\S", secret):
        parts.append(r"(?:\s|\\[nrt])+" if part.isspace() else r"\\*" + re.escape(part))
    return re.compile("".join(parts))


def printable(text: str) -> str:
    r"""A text that does nothing to a terminal.

    >>> printable("a\x1b[31mb")
    'a\\x1b[31mb'
    """
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )


def address_of(url: str) -> str:
    """An address for a message: without what may be a key in it."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return printable(f"{parts.scheme}://{host}{parts.path}"[:300])


def check_address(url: str) -> str:
    """Return a server's address in the form that the client takes.

    Raises:
        ValueError: It is none, or has a password in it, which would end up in the store.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"'{url}' is no address of a server: {error}") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise ValueError(f"'{url}' is no address of a server: write https://host/v1")
    if not url.isprintable() or " " in url or "\\" in url:
        raise ValueError(f"'{url}' is no address of a server: it has blanks or backslashes in it")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError(
            "an address must not hold a password or a key, as it is kept with the run: name the "
            "environment variable that holds the key in api_key_env"
        )
    if added := next((path for path in PATHS if url.rstrip("/").endswith(path)), None):
        raise ValueError(f"leave '/{added}' out of '{url}': it is added to the address")
    return url.rstrip("/") + "/"


def join(base: str, address: str) -> str:
    """A picture's address, which may be relative to its server's.

    Raises:
        RefusedError: It is none.
    """
    try:
        return urljoin(base, address)
    except ValueError as error:
        raise RefusedError(f"a picture's address that is none ({error})", address[:200]) from None


def open_picture(data: bytes) -> Picture:
    """Read a picture's file.

    Raises:
        GarbageError: It is no picture, or half of one.
    """
    try:
        return read_picture(data)
    except PictureError as error:
        raise GarbageError(f"a picture that cannot be read: {error}") from error
