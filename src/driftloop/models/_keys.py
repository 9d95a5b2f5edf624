"""Which key goes to which address: decided by whom it belongs to, never by a study.

A study names an environment variable and an address, and may be a stranger's. The two go together
only where everybody knows that they do, or where the user has said so on this machine.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import platformdirs

from ..errors import ModelError

KNOWN = {
    "api.openai.com": r"OPENAI_\w+",
    "openrouter.ai": r"OPENROUTER_\w+",
    "generativelanguage.googleapis.com": r"GEMINI_\w+|GOOGLE_API_KEY",
    "api.mistral.ai": r"MISTRAL_\w+",
    "api.groq.com": r"GROQ_\w+",
    "api.deepseek.com": r"DEEPSEEK_\w+",
    "api.together.xyz": r"TOGETHER_\w+",
    "api.fireworks.ai": r"FIREWORKS_\w+",
    "api.x.ai": r"XAI_\w+",
    "router.huggingface.co": r"HF_TOKEN",
}
"""Hosts, and the variables in which everybody keeps their keys."""
VARIABLE = "DRIFTLOOP_KEYS"
"""``NAME=ADDRESS``, several with blanks or commas between."""


class Key(NamedTuple):
    """A key for an address."""

    variable: str
    """The environment variable that holds it; empty where none is sent."""
    value: str = ""


def key_for(variable: str, address: str, *, named: bool) -> Key:
    """The key that a server gets.

    Args:
        variable: The environment variable that the study asks for.
        address: The server's.
        named: Whether the study names the variable. Where it does not, a server that the usual
            one does not belong to is asked without a key.

    Raises:
        ModelError: The key may not go there, is not set, or cannot be sent.
    """
    if not belongs(variable, address):
        if not named:
            return Key("")
        raise ModelError(
            f"api_key_env: the key in {variable} is not sent to {_origin(address)}, as nobody but "
            f"the study says that it belongs there. If it does, say so outside the study: "
            f"{VARIABLE}={variable}={_origin(address)} in the environment, or "
            f'{variable} = "{_origin(address)}" in {keys_file()}'
        )
    value = os.environ.get(variable, "").strip()
    if not value:
        raise ModelError(
            f"the environment variable {variable} is not set: it holds the server's key; name "
            f"another with api_key_env"
        )
    if not (value.isascii() and value.isprintable()):
        raise ModelError(
            f"the environment variable {variable} holds a key that cannot be sent: it has line "
            f"breaks or other special characters in it"
        )
    return Key(variable, value)


def belongs(variable: str, address: str) -> bool:
    """Whether a key may go to an address."""
    parts = urlsplit(address)
    known = KNOWN.get(parts.hostname or "")
    if known and parts.scheme == "https" and re.fullmatch(known, variable):
        return True
    return any(
        name == variable and _origin(place) == _origin(address) for name, place in _allowed()
    )


def keys_file() -> Path:
    """Where a user says which key goes where: a TOML file, ``NAME = "ADDRESS"`` a line."""
    folder = os.environ.get("DRIFTLOOP_CONFIG") or platformdirs.user_config_dir("driftloop")
    return Path(folder) / "keys.toml"


def variables_allowed() -> set[str]:
    """The variables that the user has allowed for some address: what they hold is a key.

    Raises:
        ModelError: What the user has said cannot be read.
    """
    return {name for name, _ in _allowed()}


def _allowed() -> Iterator[tuple[str, str]]:
    for pair in re.split(r"[\s,]+", os.environ.get(VARIABLE, "").strip()):
        if pair:
            name, _, place = pair.partition("=")
            yield name, _checked(place, f"{VARIABLE}: {name}")
    file = keys_file()
    try:
        data = tomllib.loads(file.read_text("utf-8")) if file.is_file() else {}
    except (OSError, ValueError) as error:
        raise ModelError(f"{file}: cannot be read: {error}") from error
    for name, places in data.items():
        for place in places if isinstance(places, list) else [places]:
            yield name, _checked(place, f"{file}: {name}")


def _checked(place: object, where: str) -> str:
    try:
        parts = urlsplit(str(place))
        good = parts.scheme in {"http", "https"} and bool(parts.hostname)
        good = good and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise ModelError(f"{where}: '{place}' is no address: write https://host, or http://host:80")
    return str(place)


def _origin(address: str) -> str:
    """Scheme, host and port: what a key belongs to."""
    parts = urlsplit(address)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    usual = (parts.scheme, port) in {("https", 443), ("http", 80)}
    return f"{parts.scheme}://{host}" + ("" if usual else f":{port}")
