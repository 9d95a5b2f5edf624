"""What a model wrote for itself before its answer, told apart from the answer.

Models with "thinking" write their reasoning between marks of their own, and a server may leave the
marks in the text, leave one of the two out, or cut the text inside. No part of it is a caption.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_NAMES = (
    r"(?:(?:seed|ant|antml)[:_])?"
    r"(?:think(?:ing)?|thoughts?|reason(?:ing)?|scratchpad|reflection|inner_monologue)"
)
_LEFT, _RIGHT = r"(?:<|&lt;)", r"(?:>|&gt;)"
_OPENS = "|".join(
    (
        rf"{_LEFT}\s*{_NAMES}\b[^<>\n]{{0,80}}?{_RIGHT}",
        r"\[\s*(?:THINK(?:ING)?|REASONING)\s*\]",
        r"◁\s*think\s*▷",
        r"<\|\s*(?:begin_of_thought|start_thinking|think(?:ing)?|thought)\s*\|>",
        r"<\|channel>\s*(?:thought|analysis)",
        r"<unused94>(?:\s*thought\b)?",
    )
)
_CLOSES = "|".join(
    (
        rf"{_LEFT}\s*/\s*{_NAMES}\s*{_RIGHT}",
        r"\[\s*/\s*(?:THINK(?:ING)?|REASONING)\s*\]",
        r"◁\s*/\s*think\s*▷",
        r"<\|\s*(?:end_of_thought|end_thinking|/think(?:ing)?|/thought)\s*\|>",
        r"<channel\|>",
        r"<unused95>",
    )
)
_MARK = re.compile(rf"(?P<opens>{_OPENS})|(?P<closes>{_CLOSES})", re.IGNORECASE)
_CHANNEL = re.compile(
    r"(?:<\|start\|>[^<]{0,40})?<\|channel\|>\s*(?P<name>analysis|commentary|final|[a-z]+)"
    r"(?:[^<\n]{0,80}<\|message\|>)?",
    re.IGNORECASE,
)
_BARE_CHANNELS = re.compile(r"\s*analysis(?=\S).*?assistantfinal", re.DOTALL)
"""What is left of channels where the special tokens between them were dropped."""
_SPECIAL = (
    r"(?:<[|｜][^<>|｜\s]{1,40}[|｜]>|</?s>|</?(?:bos|eos|pad|unk)>|\[/?INST\]"
    r"|<(?:start_of_turn|end_of_turn|end_of_utterance|image_soft_token)>)"
)
_AT_START = re.compile(rf"(?:\s*{_SPECIAL})+(?:\s*(?:assistant|model)\s*\n)?", re.IGNORECASE)
_AT_END = re.compile(rf"{_SPECIAL}\Z", re.IGNORECASE)
_WRAPPED = re.compile(
    r"<(answer|final|final_answer|response|output|conclusion|solution)>", re.IGNORECASE
)
_FENCE = re.compile(r"(```|~~~)[\w+-]*[ \t]*\n")
_LONGEST_MARK = 60
_LINE = 200
"""Characters before an opening mark that are looked at for the beginning of its line."""
_QUOTES = "\"'`“”‘’«»„"


class Said(NamedTuple):
    """An answer, and what was taken out of what the model wrote."""

    answer: str
    reasoning: int = 0
    """Characters of reasoning."""
    flags: tuple[str, ...] = ()
    """What else was taken off: ``special tokens``, ``code fence``."""


def split_answer(text: str) -> Said:
    r"""Tell an answer from the reasoning before it, and from marks that are no part of either.

    A mark in quotation marks is a word of the caption, and so is an opening mark in mid-line that
    nothing closes. Quotation marks around the whole, or a ``Caption:`` before it, are the model's
    own words and stay.

    >>> split_answer("<think>It may be a boat.</think>\n\nA red boat.")
    Said(answer='A red boat.', reasoning=16, flags=())
    >>> split_answer('A sign that says "<think>".').reasoning
    0
    >>> split_answer("```\nA red boat.\n```<|im_end|>")
    Said(answer='A red boat.', reasoning=0, flags=('special tokens', 'code fence'))
    """
    flags = []
    answer, reasoning = _without_channels(text)
    answer, more = _without_marked(answer)
    reasoning += more
    bare = _without_special(answer)
    if bare != answer.strip():
        flags.append("special tokens")
    if reasoning and (found := _WRAPPED.match(bare)):
        ending = f"</{found[1]}>"
        bare = bare[found.end() :].strip()
        if bare.lower().endswith(ending.lower()):
            bare = bare[: -len(ending)].strip()
    if (found := _FENCE.match(bare)) and bare.endswith(found[1]) and len(bare) > found.end() + 2:
        bare = bare[found.end() : -3].strip()
        flags.append("code fence")
    return Said(bare, reasoning, tuple(flags))


def _without_special(text: str) -> str:
    """A text without the special tokens at its ends."""
    text = text.strip()
    while found := _AT_END.search(text, max(0, len(text) - _LONGEST_MARK)):
        text = text[: found.start()].rstrip()
    start = _AT_START.match(text)
    return text[start.end() :].lstrip() if start else text


def _without_channels(text: str) -> tuple[str, int]:
    """Take the final channel of an answer in channels; the others are reasoning."""
    if found := _BARE_CHANNELS.match(text):
        return text[found.end() :], len(found[0].strip())
    marks = [mark for mark in _CHANNEL.finditer(text) if not _is_quoted(text, mark)]
    if not marks:
        return text, 0
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    final, reasoning = [], 0
    for mark, end in zip(marks, ends, strict=True):
        said = _without_special(text[mark.end() : end])
        if mark["name"].lower() == "final":
            final.append(said)
        else:
            reasoning += len(said.strip())
    before = _without_special(text[: marks[0].start()])
    return "\n".join(final), reasoning + len(before)


def _without_marked(text: str) -> tuple[str, int]:
    """Take out what is between marks, before a closing mark alone, and after an opening one."""
    marks = [mark for mark in _MARK.finditer(text) if not _is_quoted(text, mark)]
    last_close = max((mark.start() for mark in marks if mark["closes"]), default=-1)
    kept: list[str] = []
    reasoning, at, inside = 0, 0, False
    for mark in marks:
        if mark["closes"]:
            part = text[at : mark.start()]
            if not inside:
                # It began without its mark, which a template may have put into the prompt.
                part = "".join(kept) + part
                kept.clear()
            reasoning += len(part.strip())
            at, inside = mark.end(), False
        elif not inside and (mark.start() < last_close or _begins_a_line(text, mark.start())):
            kept.append(text[at : mark.start()])
            at, inside = mark.end(), True
    if inside:
        reasoning += len(text[at:].strip())
    else:
        kept.append(text[at:])
    return "".join(kept), reasoning


def _is_quoted(text: str, mark: re.Match[str]) -> bool:
    before, after = text[max(mark.start() - 1, 0) : mark.start()], text[mark.end() : mark.end() + 1]
    return bool(before and after and before in _QUOTES and after in _QUOTES)


def _begins_a_line(text: str, at: int) -> bool:
    first = max(at - _LINE, 0)
    newline = text.rfind("\n", first, at)
    if newline < 0 and first:
        return False
    return not _without_special(text[newline + 1 if newline >= 0 else 0 : at])
