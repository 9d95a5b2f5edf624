"""What a server says went wrong: its own words, whether asking again may help, and what to mend."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

AGAIN = {408, 409, 425, 429}
"""Statuses below 500 that say "not now"."""
NEVER = {501, 505, 510, 511}
"""Statuses from 500 on that say "not at all"."""
SPENT = {
    "insufficient_quota", "billing_hard_limit_reached", "billing_not_active",
    "insufficient_credits",
}  # fmt: skip
"""Codes of a 429 that waiting does not mend."""
BUSY = {
    "rate_limit_exceeded", "rate_limit_error", "server_error", "internal_server_error",
    "overloaded", "overloaded_error", "service_unavailable", "timeout", "resource_exhausted",
    "unavailable", "deadline_exceeded", "internal",
}  # fmt: skip
"""Codes of an error inside an answer that say "not now" where no number does."""
LONGEST_WORDS = 200
"""Characters of a server's own words that are told."""
ANSWERS = ("choices", "data", "images", "artifacts", "output", "image", "url", "b64_json")
"""Fields that hold an answer."""
DEEP = 6
"""Levels of a structured error that are looked into for words."""
MENDED = {
    "seed": "leave it out with seeded = false",
    "temperature": "leave temperature out of the study",
    "top_p": "leave top_p out of the study",
    "max_tokens": "leave max_tokens out of the study, or take a smaller one",
    "size": "leave width and height out of the study, or take a size that the server has",
    "response_format": "leave response_format out of the study",
}
"""How a setting that a server refuses is left out."""


class Trouble(NamedTuple):
    """An error as a server tells it."""

    words: str
    code: str = ""
    passing: bool = False
    """Whether asking again may help."""
    names: tuple[str, ...] = ()
    """Parameters that the server points to."""


def of_status(status: int, data: Any, text: str) -> Trouble:
    """The trouble of an answer whose status says that it is none.

    Args:
        status: The HTTP status.
        data: The body as JSON; None where it is none.
        text: The body as text.
    """
    found = _describe(data) if data is not None else None
    words, codes, names = found or (_visible(text), [], ())
    passing = (status >= 500 and status not in NEVER) or status in AGAIN
    passing = passing and not SPENT.intersection(codes)
    return Trouble(words, ", ".join(codes), passing, names)


def inside(data: Any) -> Trouble | None:
    """The trouble that an answer of status 200 tells of, if any.

    Its number, where it has one, means what it means as a status.
    """
    if isinstance(data, list):
        return next((found for item in data[:3] if (found := inside(item))), None)
    if not isinstance(data, dict):
        return None
    told = data.get("error") or None
    if told is None and _has_answer(data):
        return None
    if told is None and not any(data.get(name) for name in ("errors", "message", "detail", "msg")):
        return None
    described = _describe(data if told is None else {"error": told})
    if described is None:
        return None
    words, codes, names = described
    numbers = [int(code) for code in codes if re.fullmatch(r"[1-5]\d\d", code)]
    if numbers:
        passing = any((n >= 500 and n not in NEVER) or n in AGAIN for n in numbers)
    else:
        passing = not BUSY.isdisjoint(codes)
    return Trouble(words, ", ".join(codes), passing and not SPENT.intersection(codes), names)


def mending(trouble: Trouble, sent: Collection[str], extra: Collection[str]) -> str:
    """How to leave out, or rename, the setting that a server refuses; empty where none is named.

    Args:
        trouble: What the server said.
        sent: Names of what the request had.
        extra: Those of them that come from the study's ``extra``.
    """
    pointed = [name for name in trouble.names if name in sent]
    quoted = re.findall(r"[\"'`‘“]([A-Za-z_]\w*)[\"'`’”]", trouble.words)
    pointed += [name for name in quoted if name in sent]
    # A short name or an everyday word in mid-sentence may be no setting at all.
    pointed += [
        name
        for name in sent
        if len(name) > 3 and name not in _EVERYDAY and re.search(rf"\b{name}\b", trouble.words)
    ]
    if not pointed:
        return ""
    name = pointed[0]
    if name == "max_tokens" and "max_completion_tokens" in trouble.words:
        how = "write extra = { max_completion_tokens = N } in place of max_tokens = N"
    elif name in extra:
        how = f"take {name} out of extra"
    elif name in MENDED:
        how = MENDED[name]
    else:
        return ""
    return f"the server refuses '{name}': in the model's settings, {how}"


_EVERYDAY = {"model", "prompt", "messages", "quality", "style", "user", "steps"}


def _has_answer(data: dict[str, Any]) -> bool:
    return any(data.get(name) for name in ANSWERS)


def _describe(data: Any) -> tuple[str, list[str], tuple[str, ...]] | None:
    words, codes, names = list[str](), list[str](), list[str]()
    for key, value in _walk(data, DEEP):
        if key in {"message", "msg", "detail", "error", "error_description", "reason", "title"}:
            if isinstance(value, str) and value.strip() and value not in words:
                words.append(value)
        elif key in {"code", "type", "status", "error_code", "error_type", "finishReason"}:
            code = str(value).lower()
            if isinstance(value, str | int) and not isinstance(value, bool) and code not in codes:
                codes.append(code)
        elif key in {"param", "loc"} and isinstance(value, str) and value not in names:
            names.append(value)
    codes = [code[:60] for code in codes if code not in {"", "0", "200", "error", "none", "null"}]
    told = _visible(": ".join(words))
    if not told and not codes:
        return None
    return told or codes[0], codes[:3], tuple(name[:60] for name in names)


def _walk(data: Any, depth: int, key: str = "") -> Iterator[tuple[str, Any]]:
    """Names and values of a structured error, whatever its shape, from the outside in."""
    if depth < 0:
        return
    if isinstance(data, dict):
        for name, value in list(data.items())[:50]:
            yield from _walk(value, depth - 1, str(name))
    elif isinstance(data, list):
        for value in data[:20]:
            yield from _walk(value, depth - 1, key)
    else:
        yield key, data


def _visible(text: str) -> str:
    return " ".join(text[: 50 * LONGEST_WORDS].split())
