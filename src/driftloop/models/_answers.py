"""From the bytes of a server's answer to a caption or a picture, or what it is instead of one."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple
from urllib.parse import unquote

from ..steps import Output
from . import _troubles
from ._budget import caption
from ._reasoning import split_answer
from ._troubles import Trouble

SHOWN = 2000
"""Characters of an answer that a message is made of, before it is cut."""
LONGEST_CAPTION = 20_000
"""Characters of a caption that are kept."""
LONGEST_WRITTEN = 2**20
"""Characters that an answer may have, reasoning included."""
MOST_TOKENS = 2**31
UNFINISHED = {"length", "max_tokens", "model_length", "abort", "insufficient_system_resource"}
FILTERED = {"content_filter", "safety", "recitation", "prohibited_content", "blocklist", "spii"}
THOUGHTS = ("reasoning_content", "reasoning", "thinking", "reasoning_details", "thoughts")
"""Fields of a message that hold reasoning."""
ONLY_REASONING = (
    "raise or leave out max_tokens, or turn thinking off (mostly in extra, e.g. reasoning_effort "
    "or chat_template_kwargs)"
)


class AnswerError(Exception):
    """An answer that is no caption or picture.

    Args:
        ours: Why, and the fix.
        words: What the server said.
    """

    def __init__(self, ours: str, words: str = "") -> None:
        super().__init__(f"{ours}: {words}" if words else ours)
        self.ours, self.words = ours, words


class BrokenError(AnswerError):
    """An answer that is not whole: asking again may help."""


class RefusedError(AnswerError):
    """An answer that is final."""


class ToldError(Exception):
    """An error that the server tells of in its own words.

    Args:
        trouble: What it says.
        status: The HTTP status.
        wait: Seconds that it asks to wait.
    """

    def __init__(self, trouble: Trouble, status: int = 200, wait: float | None = None) -> None:
        super().__init__(trouble.words)
        self.trouble, self.status, self.wait = trouble, status, wait


class Found(NamedTuple):
    """A picture in an answer: base64, or where it lies."""

    data: str
    is_address: bool
    flags: tuple[str, ...]


def read_json(body: bytes) -> Any:
    """Read an answer's body.

    Raises:
        BrokenError: It is no whole JSON.
        RefusedError: It is nested too deep for any answer.
    """
    try:
        return json.loads(body)
    except RecursionError:
        raise RefusedError("an answer that is nested too deep") from None
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise BrokenError("an answer that is no JSON", shown(body)) from None
    except ValueError as error:
        raise RefusedError("an answer that cannot be read", str(error)) from None


def shown(body: bytes) -> str:
    """The beginning of a body, for a message."""
    text = body[:SHOWN].decode("utf-8", "replace")
    return " ".join(text.split()) or "empty"


def read_caption(data: Any, words: int | None, maximum: int | None) -> Output:
    """Read a caption out of an answer of chat completions.

    Args:
        data: The answer's JSON.
        words: The word budget.
        maximum: Tokens that an answer was allowed, for the hint of one that was cut.

    Raises:
        ToldError: It is an error.
        RefusedError: It holds no caption.
    """
    choice = _choice(data)
    ending = choice.get("finish_reason")
    ending = ending.lower() if isinstance(ending, str) else ""
    if told := choice.get("error"):
        _raise_told({"error": told})
    message = next(
        (choice[name] for name in ("message", "delta", "text") if choice.get(name) is not None),
        None,
    )
    fields = message if isinstance(message, dict) else {"content": message}
    if told := fields.get("error"):
        _raise_told({"error": told})
    if ending == "error":
        raise RefusedError("the server says that it ended with an error, and not which")
    parts = _Parts()
    parts.read(fields.get("content"))
    for name in THOUGHTS:
        parts.read(fields.get(name), thinking=True)
    refusal = fields.get("refusal")
    if isinstance(refusal, str) and refusal.strip():
        parts.refusal.append(refusal)
    if parts.refusal:
        raise RefusedError("the model refused", " ".join(parts.refusal)[:SHOWN])
    return _caption(parts, data, ending, words, maximum)


def _caption(
    parts: _Parts, data: Any, ending: str, words: int | None, maximum: int | None
) -> Output:
    written = _joined(parts.texts)
    if len(written) > LONGEST_WRITTEN:
        raise RefusedError(f"an answer of {len(written)} characters, which is no caption")
    said = split_answer(written)
    # Servers give the same thoughts under two names.
    reasoning = said.reasoning + max((len(text.strip()) for text in parts.thoughts), default=0)
    tokens = _tokens(data, "completion_tokens")
    if not said.answer:
        _raise_empty(parts, data, ending, reasoning, maximum)
    flags = {
        f"reasoning: {reasoning} characters": reasoning > 0,
        **dict.fromkeys(said.flags, True),
        f"parts left out: {parts.others}": parts.others > 0,
        f"too long: {len(written)} characters": len(said.answer) > LONGEST_CAPTION,
        "filtered": ending in FILTERED,
    }
    output = caption(
        said.answer[:LONGEST_CAPTION], words, tokens=tokens, finished=ending not in UNFINISHED
    )
    found = tuple(flag for flag, is_so in flags.items() if is_so)
    return replace(output, flags=(*output.flags, *found))


def _raise_empty(
    parts: _Parts, data: Any, ending: str, reasoning: int, maximum: int | None
) -> None:
    """Tell why there is no caption; a text that is simply empty is one."""
    usage = data.get("usage") if isinstance(data, dict) else None
    details = usage.get("completion_tokens_details") if isinstance(usage, dict) else None
    hidden = details.get("reasoning_tokens") if isinstance(details, dict) else None
    if reasoning or (isinstance(hidden, int) and hidden > 0):
        much = f"{reasoning} characters" if reasoning else f"{hidden} tokens"
        raise RefusedError(
            f"the answer is reasoning only ({much}), no caption"
            + (", cut at its token limit" if ending in UNFINISHED else "")
            + f": {ONLY_REASONING}"
        )
    if ending in FILTERED:
        raise RefusedError(f"the server's content filter left no caption (finish_reason {ending})")
    if ending in UNFINISHED:
        limit = f" (max_tokens = {maximum})" if maximum else ""
        raise RefusedError(
            f"the answer ended at its token limit with no caption{limit}: {ONLY_REASONING}"
        )
    if not parts.texts:
        raise RefusedError(
            "an answer without a text" + (f" (finish_reason {ending[:40]})" if ending else ""),
            told(data),
        )


class _Parts:
    """What the content of a message is made of."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.thoughts: list[str] = []
        self.refusal: list[str] = []
        self.others = 0

    def read(self, content: Any, *, thinking: bool = False, depth: int = 5) -> None:
        if content is None or depth < 0:
            return
        if isinstance(content, str):
            (self.thoughts if thinking else self.texts).append(content)
        elif isinstance(content, list):
            before = len(self.thoughts)
            for part in content[:1000]:
                self.read(part, thinking=thinking, depth=depth - 1)
            self.thoughts[before:] = [_joined(self.thoughts[before:])] * (
                len(self.thoughts) > before
            )
        elif isinstance(content, dict):
            self._read_part(content, thinking, depth)
        elif not thinking:
            raise RefusedError(f"an answer whose content is a {type(content).__name__}")

    def _read_part(self, part: dict[str, Any], thinking: bool, depth: int) -> None:
        kind = str(part.get("type") or "text").lower()
        thinking = thinking or any(word in kind for word in ("think", "reason", "thought"))
        thinking = thinking or part.get("thought") is True
        if "refusal" in kind:
            self.refusal.append(str(part.get("refusal") or part.get("text") or "no reason given"))
            return
        names = (
            ("thinking", "reasoning", "summary", "text", "content")
            if thinking
            else ("text", "content", "output_text")
        )
        inner = next((part[name] for name in names if part.get(name) is not None), None)
        if inner is not None:
            self.read(inner, thinking=thinking, depth=depth - 1)
        elif not thinking:
            self.others += 1


def _joined(texts: list[str]) -> str:
    """Parts one behind the other, with a blank where a sentence would run into the next."""
    found = ""
    pieces = []
    for text in texts:
        if found and re.search(r"[.!?。]\Z", found) and re.match(r"\w", text):
            pieces.append(" ")
        pieces.append(text)
        found = text
    return "".join(pieces)


def _choice(data: Any) -> dict[str, Any]:
    if trouble := _troubles.inside(data):
        raise ToldError(trouble)
    choices = data.get("choices") if isinstance(data, dict) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise RefusedError("an answer without choices", told(data))
    first: dict[str, Any] = choices[0]
    return first


def _raise_told(data: Any) -> None:
    trouble = _troubles.inside(data)
    raise ToldError(trouble) if trouble else RefusedError("an error", told(data))


def told(data: Any) -> str:
    """JSON for a message."""
    return json.dumps(data, ensure_ascii=False)[:SHOWN]


def tokens_of(data: Any) -> tuple[int, int]:
    """Tokens that a server says it read and wrote."""
    return _tokens(data, "prompt_tokens") or 0, _tokens(data, "completion_tokens") or 0


def _tokens(data: Any, name: str) -> int | None:
    usage = data.get("usage") if isinstance(data, dict) else None
    count = usage.get(name) if isinstance(usage, dict) else None
    # A number that no answer has would be one that no database takes.
    if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count < MOST_TOKENS:
        return None
    return count


def read_picture_of(data: Any, prompt: str) -> Found:
    """Find the picture in an answer of an images endpoint.

    Understood are OpenAI's shape and those of servers that have one of their own: lists of base64
    or of addresses, under ``images``, ``artifacts`` or ``output``.

    Raises:
        ToldError: It is an error.
        RefusedError: It holds no picture.
    """
    if trouble := _troubles.inside(data):
        raise ToldError(trouble)
    if not isinstance(data, dict):
        raise RefusedError("an answer without a picture", told(data))
    held = next((data[n] for n in ("data", "images", "artifacts", "output") if data.get(n)), data)
    items = held if isinstance(held, list) else [held]
    first = items[0]
    if isinstance(first, dict) and first.get("error"):
        _raise_told(first)
    found = next(_candidates(first), None)
    if found is None:
        raise RefusedError("an answer without a picture", told(data))
    revised = first.get("revised_prompt") if isinstance(first, dict) else None
    odd = {
        "rewritten prompt": isinstance(revised, str) and revised not in {"", prompt},
        f"pictures left out: {len(items) - 1}": len(items) > 1,
    }
    return Found(*found, tuple(flag for flag, is_so in odd.items() if is_so))


def _candidates(item: Any) -> Iterator[tuple[str, bool]]:
    """What may be a picture, and whether it is an address."""
    fields = item if isinstance(item, dict) else {"image": item}
    for name in ("b64_json", "base64", "b64", "image_base64", "image", "url", "image_url"):
        value = fields.get(name)
        if isinstance(value, dict):
            value = value.get("url")
        if isinstance(value, str) and value.strip():
            start = value.lstrip()[:8].lower()
            may_be = "url" in name or start.startswith(("http://", "https://"))
            yield value.strip(), may_be and not start.startswith("data:")


def decode_base64(data: str) -> bytes:
    """The bytes of a picture as servers write it.

    With or without ``data:image/png;base64,`` before it, in lines or in one, padded or not, in the
    alphabet for addresses or the usual one.

    Raises:
        RefusedError: It is not base64, or cut in mid-byte.
    """
    head, comma, rest = data.partition(",")
    if comma and head.lstrip().lower().startswith("data:"):
        if "base64" not in head.lower():
            raise RefusedError("a picture that is not base64", head)
        data = unquote(rest)
    text = "".join(data.split()).translate(str.maketrans("-_", "+/"))
    body = text.rstrip("=\0\"'")
    try:
        return base64.b64decode(body + "=" * (-len(body) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise RefusedError(f"a picture that is not base64 ({error})", data[:40]) from None
