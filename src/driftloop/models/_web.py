"""Requests over HTTP: whole within their time, no larger than allowed, and never led elsewhere.

All of them run in one thread of its own, on asyncio, so that a deadline or a stop ends a request
wherever it is: looking up a name, sending, or waiting for the next byte.
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import socket
import ssl
import threading
import urllib.request
import weakref
from collections.abc import Coroutine, Mapping
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urljoin, urlsplit

import httpx2

from ._answers import AnswerError, RefusedError, ToldError, read_json, shown
from ._server import retry_after
from ._troubles import Trouble, of_status

T = TypeVar("T")

LARGEST_ERROR = 2**16
"""Bytes of an error that are read."""
SOON = 4.0
"""Seconds in which a server that is there takes up a connection."""
READABLE = {"", "identity", "gzip", "deflate"}
HOPS = 4
"""Addresses that a picture may be passed on to."""
HEADERS = {
    "User-Agent": "Mozilla/5.0 (compatible; driftloop)",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
}
"""Some servers refuse what a library calls itself. Compressed, an answer could be of any size."""

NetworkError = httpx2.RequestError
"""A connection that could not be made, or broke."""
AddressErrors = (httpx2.InvalidURL, httpx2.UnsupportedProtocol, httpx2.LocalProtocolError)
"""Addresses and headers that no request can have."""


class Reply(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@functools.cache
def _loop(_: threading.Lock) -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    # A daemon, so that nobody who leaves in a hurry waits for a server.
    threading.Thread(target=loop.run_forever, name="requests", daemon=True).start()
    return loop


_one_at_a_time = threading.Lock()


def loop() -> asyncio.AbstractEventLoop:
    """Where all requests run."""
    with _one_at_a_time:
        return _loop(_one_at_a_time)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Wait for work with requests, and end it where the wait is broken off."""
    future = asyncio.run_coroutine_threadsafe(work, loop())
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


class Web:
    """Connections to a server, for all of its models."""

    def __init__(self) -> None:
        self._http = httpx2.AsyncClient(
            timeout=None, follow_redirects=False, headers=HEADERS,
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=64),
        )  # fmt: skip
        weakref.finalize(self, _close, self._http).atexit = False

    async def post(
        self, address: str, body: bytes, headers: Mapping[str, str], largest: int
    ) -> bytes:
        """Send JSON, and read what comes back.

        Raises:
            NetworkError: The connection could not be made, or broke.
            RefusedError: More bytes come than allowed.
            ToldError: The server says no.
        """
        headers = {"Content-Type": "application/json", "Accept": "application/json", **headers}
        async with self._http.stream("POST", address, content=body, headers=headers) as found:
            return _good(await _read(found, largest))

    async def fetch(self, address: str, base: str, largest: int) -> bytes:
        """Fetch a picture by its address, without any key, as it may lie on another's server.

        Raises:
            NetworkError: The connection could not be made, or broke.
            RefusedError: It may not be fetched from there, or is too large.
            ToldError: The server says no.
        """
        for _ in range(HOPS):
            await check_place(address, base)
            async with self._http.stream("GET", address) as found:
                onward = found.headers.get("location")
                if not (onward and found.is_redirect):
                    return _good(await _read(found, largest))
            address = urljoin(address, onward)
        raise RefusedError("a picture's address that leads from one place to the next")

    async def reach(self, base: str) -> str:
        """Connect to a server, without a key and without asking a model.

        Returns:
            Why it cannot be reached, and the fix; nothing where it can, be it busy or loading.
        """
        patience = httpx2.Timeout(None, connect=SOON)
        address = f"{base}models"
        try:
            async with (
                asyncio.timeout(SOON + 0.5),
                self._http.stream("GET", address, timeout=patience),
            ):
                return ""
        except TimeoutError:
            return ""  # It has taken up the connection.
        except httpx2.RemoteProtocolError as error:
            return f"what listens there does not speak HTTP ({error}): mend the port in base_url"
        except httpx2.ConnectTimeout:
            return (
                f"no connection within {SOON:g} s: mend the address in base_url, or the network "
                f"or firewall between"
            )
        except (httpx2.ConnectError, httpx2.ProxyError, *AddressErrors) as error:
            return unreachable(error)
        except httpx2.RequestError:
            return ""


def words_of(error: httpx2.RequestError) -> str:
    """What broke a connection."""
    if isinstance(error, httpx2.ConnectError):
        return unreachable(error)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def unreachable(error: BaseException) -> str:
    """Why no connection is made, and the fix."""
    causes = list(_causes(error))
    known = next((cause for cause in causes if isinstance(cause, OSError)), error)
    words = " ".join((str(known) or type(known).__name__).split())
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return f"its name is not known here ({words}): mend the name in base_url, or the network"
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return "nothing listens there: start the server, or mend the port in base_url"
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return (
            f"no secure connection ({words}): a server on one's own machine mostly speaks http, "
            f"not https, in base_url"
        )
    return f"{words}: mend the address in base_url, or the network"


def _causes(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting and len(found) < 20:
        one = waiting.pop()
        if one is None or one in found:
            continue
        found.append(one)
        if isinstance(one, BaseExceptionGroup):
            waiting.extend(one.exceptions)
        waiting += [one.__context__, one.__cause__]
    return found


async def check_place(address: str, base: str) -> None:
    """Refuse an address of a picture that only this machine or its network can see.

    A server may send its pictures from any public place, and from its own host.

    Raises:
        RefusedError: It is elsewhere, or no address of the web at all.
    """
    try:
        parts, own = urlsplit(address), urlsplit(base)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise RefusedError(f"a picture's address that is none: {error}") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise RefusedError("a picture's address that is not http", address[:200])
    if parts.hostname == own.hostname:
        return
    theirs = await _addresses(parts.hostname, port)
    if all(one.is_global for one in theirs):
        if theirs or urllib.request.getproxies().get(parts.scheme):
            return
        raise RefusedError(f"a picture at {parts.hostname}, whose name is not known here")
    ours = await _addresses(own.hostname or "", own.port or 443)
    if any(one.is_loopback for one in ours) and all(_is_here(one) for one in theirs):
        return
    if not set(theirs) <= set(ours):
        raise RefusedError(
            f"a picture at {parts.hostname}, which is in a private network and not the server's "
            f'own host: it is not fetched; response_format = "b64_json" may do without an address'
        )


def _is_here(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return address.is_loopback or address.is_unspecified


async def _addresses(host: str, port: int) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return [ipaddress.ip_address(str(place[0]).partition("%")[0]) for *_, place in found]


async def _read(found: httpx2.Response, largest: int) -> Reply:
    encoding = found.headers.get("content-encoding", "").lower()
    if encoding not in READABLE:
        raise RefusedError(f"an answer that is compressed unasked ({encoding[:40]})")
    wrong = found.status_code >= 300
    declared = found.headers.get("content-length", "")
    if not wrong and declared.isdigit() and int(declared) > largest:
        raise RefusedError(_too_large(largest))
    body = bytearray()
    async for chunk in found.aiter_bytes():
        body += chunk
        if wrong and len(body) > LARGEST_ERROR:
            break
        if len(body) > largest:
            raise RefusedError(_too_large(largest))
    return Reply(found.status_code, found.headers, bytes(body))


def _too_large(largest: int) -> str:
    return f"an answer of more than {largest / 2**20:.0f} MiB, which is not read"


def _good(reply: Reply) -> bytes:
    """The body of a reply that is one, else its error in the server's own words."""
    if 200 <= reply.status < 300:
        return reply.body
    if reply.status < 400:
        onward = reply.headers.get("location", "elsewhere")[:200]
        trouble = Trouble(f"moved to {onward}: write the new address as base_url")
    else:
        try:
            data = read_json(reply.body)
        except AnswerError:
            data = None
        trouble = of_status(reply.status, data, shown(reply.body))
    raise ToldError(trouble, reply.status, retry_after(reply.headers))


def _close(http: httpx2.AsyncClient) -> None:
    loop().call_soon_threadsafe(lambda: asyncio.ensure_future(http.aclose()))
