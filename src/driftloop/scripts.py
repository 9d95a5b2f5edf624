"""Words and sentences in every script, also where no blank stands between words.

A word is what stands between blanks. Chinese, Japanese, Thai, Lao, Khmer and Burmese put none
there, and to find their words takes a dictionary. So in them is counted what word processors
count: each Chinese character and each hiragana is a word. A run of katakana is one, and of Thai,
Lao, Khmer and Burmese three letters are, a little less than their words have, marks above and
below not counted. A text without those scripts has the words that it always had.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

_ALONE = "\u3005-\u3007\u3041-\u309f\u3100-\u312f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_ALONE += "\U00020000-\U0003ffff"
_KATAKANA = "\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9f"
_JOINED = "\u0e01-\u0e4e\u0e81-\u0ecd\u1000-\u103f\u1050-\u108f\u1780-\u17d3"
LETTERS_A_WORD = 3
"""Of scripts whose letters are joined to words without a blank between them."""
_UNSPACED = re.compile(f"[{_ALONE}{_KATAKANA}{_JOINED}]")
_PART = re.compile(
    f"(?P<alone>[{_ALONE}])|(?P<katakana>[{_KATAKANA}]+)|(?P<joined>[{_JOINED}]+)"
    f"|(?P<other>[^\\s{_ALONE}{_KATAKANA}{_JOINED}]+)"
)
_RUN = re.compile(f"(?P<alone>[{_ALONE}]+)|(?P<katakana>[{_KATAKANA}]+)|(?P<joined>[{_JOINED}]+)")
_WORD = re.compile(
    f"[{_ALONE}]|[{_KATAKANA}]+|[{_JOINED}]+"
    f"|[^\\W_{_ALONE}{_KATAKANA}{_JOINED}]+(?:['’-][^\\W_{_ALONE}{_KATAKANA}{_JOINED}]+)*"
)
_SENTENCE_END = re.compile(
    r"[.!?](?=\s|$)|[。！？｡．؟۔।॥።။។‼⁇⁈⁉]+[」』”’）)\"']*"
)  # fmt: skip


def is_spaced(text: str) -> bool:
    """Whether a text has blanks between its words, as all scripts but a few have.

    >>> is_spaced("a ship"), is_spaced("배 한 척"), is_spaced("一艘船")
    (True, True, False)
    """
    return _UNSPACED.search(text) is None


def count_words(text: str) -> int:
    """How many words a text has.

    >>> count_words("A cat sits. It is old."), count_words("一只猫坐着。")
    (6, 5)
    >>> count_words("カメラで撮る")
    4
    """
    if is_spaced(text):
        return len(text.split())
    return sum(_words_in(run) for run in text.split())


def words(text: str) -> list[re.Match[str]]:
    """The words of a text, without what is punctuation, each with its place.

    A character or a run of letters takes the place of a word where a script has no blanks.

    >>> [word[0] for word in words("A red-brown fox's den, 红船")]
    ['A', 'red-brown', "fox's", 'den', '红', '船']
    """
    return [*_WORD.finditer(text)]


def _words_in(run: str) -> int:
    if is_spaced(run):
        return 1
    count = 0
    for part in _PART.finditer(run):
        if part["joined"]:
            letters = len(_clusters(part["joined"]))
            count += -(-letters // LETTERS_A_WORD)
        else:
            # Marks between the characters are no word.
            count += part["other"] is None or re.search(r"\w", part["other"]) is not None
    return count


def word_ends(text: str) -> list[int]:
    """The places behind the words of a text, each behind the marks that follow its word.

    >>> word_ends("A cat. 猫。")
    [1, 6, 9]
    """
    if is_spaced(text):
        return [match.end() for match in re.finditer(r"\S+", text)]
    ends = []
    for run in re.finditer(r"\S+", text):
        ends += [run.start() + end for end in _ends_in(run[0])]
    return ends


def _ends_in(run: str) -> Iterator[int]:
    parts = list(_PART.finditer(run))
    for part, after in zip(parts, [*parts[1:], None], strict=True):
        if part["joined"]:
            at = part.start()
            for cluster in _clusters(part["joined"])[:-1]:
                at += len(cluster)
                yield at
        if after is None or not (after["other"] and not re.search(r"\w", after["other"])):
            yield part.end()


def sentence_ends(text: str) -> list[int]:
    """The places behind the sentences of a text.

    >>> sentence_ends("A cat. 一只猫。"), sentence_ends("هل هذا قط؟ نعم."), sentence_ends("3.5 m")
    ([6, 11], [10, 15], [])
    """
    return [match.end() for match in _SENTENCE_END.finditer(text)]


def spaced(text: str) -> str:
    """A text with blanks between its characters where its script has none between words.

    >>> spaced("a 红船"), spaced("a red ship")
    ('a  红  船 ', 'a red ship')
    """
    if is_spaced(text):
        return text
    return _PART.sub(
        lambda part: (
            f" {' '.join(_clusters(part[0]))} "
            if part["joined"]
            else part[0]
            if part["other"]
            else f" {part[0]} "
        ),
        text,
    )


def terms(text: str) -> list[str]:
    """What takes the place of words that tell texts apart, where a script has no blanks.

    Two neighbouring characters of Chinese and of hiragana, three letters of Thai and its like,
    runs of katakana.

    >>> terms("红色的船 and a ship")
    ['红色', '色的', '的船']
    """
    found: list[str] = []
    for run in _RUN.finditer(text):
        size = 2 if run["alone"] else LETTERS_A_WORD
        parts = [run[0]] if run["katakana"] else _clusters(run[0])
        size = 1 if run["katakana"] else min(size, len(parts))
        found += ["".join(parts[at : at + size]) for at in range(len(parts) - size + 1)]
    return found


def unspaced_out(text: str) -> str:
    """A text with a blank in place of what :func:`terms` reads.

    >>> unspaced_out("船ship")
    ' ship'
    """
    return text if is_spaced(text) else _RUN.sub(" ", text)


def _clusters(text: str) -> list[str]:
    """Letters with the marks that stand on them."""
    found: list[str] = []
    for character in text:
        if found and unicodedata.category(character) in {"Mn", "Mc"}:
            found[-1] += character
        else:
            found.append(character)
    return found
