"""Asking a server until it answers: what is worth another try, and what may be told."""

from __future__ import annotations

import base64
import binascii
import io
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urljoin, urlsplit

from PIL import Image

from ..errors import ModelError
from ..pictures import Picture, PictureError, read_picture
from ..steps import Failure

T = TypeVar("T")

LONGEST_WAIT = 30.0
"""Seconds between two tries, at most, whatever the back-off has grown to."""
AGAIN = {408, 409, 425, 429}
"""Statuses below 500 that say "not now"."""
SPENT = {"insufficient_quota", "billing_hard_limit_reached"}
"""Codes of a 429 that waiting does not mend."""
LARGEST = 256 * 2**20
"""Bytes of a picture that is fetched by its address."""


class GarbageError(Exception):
    """An answer that is none: not the published shape, or a picture that cannot be read."""


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


class Patience(NamedTuple):
    """How long to go on asking."""

    retries: int
    backoff: float
    """Seconds before the second try; doubled each time."""
    secret: str
    """What no message may tell."""
    silence: Silence
    sleep: Callable[[float], None] = time.sleep

    def ask(self, call: Callable[[], T]) -> T | Failure:
        """Call until it answers, refuses for good, or has been asked often enough."""
        import openai

        for attempt in range(self.retries + 1):
            try:
                answer = call()
            except (openai.OpenAIError, GarbageError, ValueError) as error:
                reason = self.told(error, attempt + 1)
                if not is_passing(error):
                    self.silence.ends()
                    return Failure(reason)
                if attempt == self.retries:
                    self.silence.goes_on(reason)
                    return Failure(reason)
                self.sleep(self._wait(error, attempt))
            else:
                self.silence.ends()
                return answer
        raise AssertionError("a loop that always returns")

    def _wait(self, error: Exception, attempt: int) -> float:
        wait = min(self.backoff * 2.0**attempt, LONGEST_WAIT)
        response = getattr(error, "response", None)
        asked = response.headers.get("retry-after") if response is not None else None
        try:
            return max(wait, min(float(asked), 2 * LONGEST_WAIT)) if asked else wait
        except ValueError:
            return wait

    def told(self, error: Exception, tries: int) -> str:
        """An error in a line, without the secret."""
        code = getattr(error, "code", None)
        line = f"{type(error).__name__}: {error}" + (f" ({code})" if code else "")
        line = " ".join(line.split())
        if self.secret:
            line = line.replace(self.secret, "***")
        if len(line) > 300:
            line = line[:297] + "..."
        return line if tries == 1 else f"{line} (asked {tries} times)"


def is_passing(error: Exception) -> bool:
    """Whether asking again may help: time-outs, cut connections, 429, 5xx, garbage."""
    status = getattr(error, "status_code", None)
    if isinstance(status, int) and status >= 400:
        if getattr(error, "code", None) in SPENT:
            return False
        return status >= 500 or status in AGAIN
    return True


def check_address(url: str) -> str:
    """Return a server's address in the form that the client takes.

    Raises:
        ValueError: It is none, or has a password in it, which would end up in the store.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"'{url}' is no address of a server: write https://host/v1")
    if parts.username or parts.password or parts.query:
        raise ValueError(
            "an address must not hold a password or a key, as it is kept with the run: name the "
            "environment variable that holds the key in api_key_env"
        )
    return url.rstrip("/") + "/"


def decode_picture(data: str) -> Picture:
    """Read a picture from base64, with or without ``data:image/png;base64,`` before it.

    Raises:
        GarbageError: It is no picture, or half of one.
    """
    try:
        return open_picture(base64.b64decode(data.rpartition(",")[2], validate=True))
    except (binascii.Error, ValueError) as error:
        raise GarbageError(f"a picture that is not base64: {error}") from error


def open_picture(data: bytes) -> Picture:
    """Read a picture's file.

    Raises:
        GarbageError: It is no picture, or half of one.
    """
    try:
        return read_picture(data)
    except PictureError as error:
        raise GarbageError(f"a picture that cannot be read: {error}") from error


def fetch_picture(url: str, base: str, timeout: float) -> Picture:
    """Fetch a picture by its address, without the key, as it may lie on another's server.

    Raises:
        GarbageError: It cannot be had, or is no picture.
    """
    if url.startswith("data:"):
        return decode_picture(url)
    address = urljoin(base, url)
    if urlsplit(address).scheme not in {"http", "https"}:
        raise GarbageError("a picture's address that is not http")
    try:
        with urllib.request.urlopen(address, timeout=timeout) as answer:
            data = answer.read(LARGEST)
    except (OSError, ValueError, urllib.error.URLError) as error:
        raise GarbageError(f"a picture that cannot be fetched: {error}") from error
    return open_picture(data)


def png(picture: Image.Image) -> str:
    """A picture as a ``data:`` address, lossless."""
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def plain(found: Any) -> dict[str, Any]:
    """An answer as plain data, whatever of its published shape it has.

    Raises:
        GarbageError: It has none.
    """
    try:
        data = found.model_dump(warnings=False)
    except Exception as error:
        raise GarbageError("an answer that is no JSON object") from error
    if not isinstance(data, dict):
        raise GarbageError("an answer that is no JSON object")
    result: dict[str, Any] = json.loads(json.dumps(data, default=str))
    return result


def missing_key(variable: str) -> ModelError:
    """The error of a key that is not there."""
    return ModelError(
        f"the environment variable {variable} is not set: it holds the server's key; name another "
        f"with api_key_env"
    )
