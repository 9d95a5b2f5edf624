"""Word budgets: what a caption may have, and what it had beyond."""

from __future__ import annotations

import bisect
from collections.abc import Callable

from ..scripts import count_words, sentence_ends, word_ends
from ..steps import Output


def cut_to_budget(text: str, words: int | None) -> tuple[str, str]:
    """Split a caption into what its budget allows and the rest, at a sentence end if there is one.

    >>> cut_to_budget("A cat sits. It is very old.", 4)
    ('A cat sits.', 'It is very old.')
    >>> cut_to_budget("A cat sits.", 4)
    ('A cat sits.', '')
    >>> cut_to_budget("一只猫坐着。它很老。", 6)
    ('一只猫坐着。', '它很老。')
    """
    return cut_to_fit(text, lambda part: words is None or count_words(part) <= words)


def cut_to_fit(text: str, fits: Callable[[str], bool]) -> tuple[str, str]:
    """Split a text into a beginning that fits and the rest.

    It is cut behind the last sentence that fits; where none does, behind the last word; where none
    does either, behind the last character.

    >>> cut_to_fit("A cat. A dog. A cow.", lambda part: len(part) < 16)
    ('A cat. A dog.', 'A cow.')
    """
    if fits(text):
        return text, ""
    for places in (
        word_ends(text),
        list(range(1, len(text) + 1)),
    ):
        fitting = bisect.bisect_left(places, True, key=lambda at: not fits(text[:at]))
        if fitting:
            break
    room = text[: places[fitting - 1]] if fitting else ""
    ends = sentence_ends(room)
    at = ends[-1] if ends else len(room)
    return text[:at], text[at:].lstrip()


def caption(text: str, words: int | None, *, tokens: int | None, finished: bool) -> Output:
    """Make the output of a captioner, with what is odd about it.

    Args:
        text: What it wrote; white space counts as one blank.
        words: Its word budget.
        tokens: Tokens that it wrote.
        finished: Whether it came to an end by itself.
    """
    text, cut_text = cut_to_budget(" ".join(text.split()), words)
    odd = {"unfinished": not finished, "over budget": bool(cut_text), "empty": not text}
    flags = tuple(flag for flag, is_so in odd.items() if is_so)
    return Output(text, tokens_written=tokens, cut_text=cut_text, flags=flags)
