"""Pictures and texts on a sheet of paper, with Pillow, in whatever script a text is."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib import resources
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont, features

PAPER, INK, SOFT, EDGE = "#fdfdfb", "#1d1f23", "#6b7079", "#dcdcd6"
LINE = 18
"""Pixels from a line of text to the next."""
LONGEST = 5_000
"""Characters of a text that are laid out: no sheet has room for more."""

_SHIPPED = "DejaVuSans.ttf"
_USUAL = {
    "darwin": ("Arial Unicode.ttf", "PingFang.ttc", "AppleSDGothicNeo.ttc", "Kohinoor.ttc"),
    "win32": ("msyh.ttc", "malgun.ttf", "msgothic.ttc", "Nirmala.ttf", "LeelawUI.ttf"),
}
"""Fonts with many characters, by system, where there is no fontconfig to ask."""
_NOT_FIRST = frozenset("、。，．！？：；）」』】〉》”’…ー々っッゃャゅュょョ)]},.!?:;")
"""Characters that no line begins with."""
_UNBLANKED = ("CJK", "HIRAGANA", "KATAKANA", "BOPOMOFO", "THAI", "LAO", "KHMER", "MYANMAR")
"""Scripts that put no blank between words, by the first word of their characters' names."""

_TOLD: set[str] = set()
"""Scripts that a warning has named."""


class _Face(NamedTuple):
    """A font's file; the one that Pillow brings has none."""

    file: str = ""
    place: int = 0
    """Which of the fonts in the file."""
    ranges: tuple[tuple[int, int], ...] | None = None
    """The characters that it has; None where it has to be tried."""


_PLAIN = _Face()


def fitted(image: Image.Image, side: int) -> Image.Image:
    """Scale into a square: pixels of small pictures stay sharp, large ones are averaged."""
    scale = side / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    method = Image.Resampling.LANCZOS
    if scale > 2:
        method = Image.Resampling.NEAREST
    square = Image.new("RGB", (side, side), PAPER)
    scaled = image.convert("RGB").resize(size, method)
    square.paste(scaled, ((side - size[0]) // 2, (side - size[1]) // 2))
    return square


def write_text(
    pen: ImageDraw.ImageDraw, text: str, at: tuple[int, int], width: int, size: int,
    colour: str | tuple[int, int, int], most: int, *, line: int = LINE, only_shipped: bool = False,
) -> None:  # fmt: skip
    """Write a text in lines of a width, as many as there is room for.

    Characters that Pillow's own font lacks come from one that ships, else from the system's fonts.
    What none of them has is a box, and a warning names it.

    Args:
        pen: Of the sheet.
        text: In any script.
        at: The upper left corner.
        width: Pixels of a line.
        size: Pixels of the letters.
        colour: Of the letters.
        most: Lines, at most; a longer text ends in an ellipsis.
        line: Pixels from a line to the next.
        only_shipped: Ask for no font of the system, so that every machine draws the same.
    """
    text = " ".join(text[:LONGEST].split())
    faces = _faces(text, only_shipped)
    if not only_shipped:
        _warn_of_missing(text, faces)
    lines = _lines(text, faces, size, width, most)
    if len(lines) > most:
        parts = _clusters(lines[most - 1].rstrip()) if most else []
        while parts and _length("".join(parts).rstrip() + " …", faces, size) > width:
            parts.pop()
        lines = [*lines[: most - 1], "".join(parts).rstrip() + " …"] if most else []
    for number, words in enumerate(lines):
        words = words.rstrip()
        # A line of a script that is read from the right begins there.
        x = at[0] + (width - _length(words, faces, size) if _from_right(text) else 0.0)
        for run, face in _runs(words, faces):
            font = _font(face, size)
            # On one base line, whatever the fonts' heights are.
            base = at[1] + number * line + _font(faces[0], size).getmetrics()[0]
            pen.text((x, base), run, colour, font, anchor="ls")
            x += font.getlength(run)


def needs_shipped(text: str) -> bool:
    """Whether Pillow's own font lacks characters of a text that the shipped one has, all of it."""
    chars = set(text)
    return not all(_has(_PLAIN, char) for char in chars) and all(
        _has(_shipped(), char) for char in chars
    )


def missing(text: str) -> list[str]:
    """Characters of a text that no font of this machine has."""
    faces = _faces(text, False)
    return sorted(char for char in set(text) if not any(_has(face, char) for face in faces))


def _faces(text: str, only_shipped: bool) -> list[_Face]:
    """Fonts for a text, the one that is taken where it has a character first."""
    chars = {char for char in text if not char.isspace()}
    if all(_has(_PLAIN, char) for char in chars):
        return [_PLAIN]
    faces = [_shipped()]
    chars = {char for char in chars if not _has(faces[0], char)}
    if chars and _has_any(_PLAIN, chars):
        faces.append(_PLAIN)
        chars = {char for char in chars if not _has(_PLAIN, char)}
    while chars and not only_shipped:
        char = min(chars)
        face = next((face for face in _system() if _has(face, char) and _loads(face)), None)
        if face is None:
            chars.remove(char)
            continue
        faces.append(face)
        chars = {char for char in chars if not _has(face, char)}
    return faces


def _has_any(face: _Face, chars: set[str]) -> bool:
    return any(_has(face, char) for char in chars)


def _joins(char: str) -> bool:
    """Whether a character goes with the one before: blanks, marks, joiners, variants."""
    return char.isspace() or unicodedata.category(char) in {"Mn", "Mc", "Me", "Cf"}


@lru_cache(16_384)
def _has(face: _Face, char: str) -> bool:
    if char.isspace() or unicodedata.category(char) in {"Cf", "Cc"} or char in "\ufe0e\ufe0f":
        return True
    if face.ranges is not None:
        return any(first <= ord(char) <= last for first, last in face.ranges)
    # A font draws the same box for whatever it lacks, and for what is no character.
    font = _font(face, 20)
    return bytes(font.getmask(char)) != bytes(font.getmask("\uffff"))


@lru_cache(64)
def _font(face: _Face, size: int) -> ImageFont.FreeTypeFont:
    if face.file:
        font = ImageFont.truetype(face.file, size, face.place)
        # What a variable font is without being told may be its thinnest. Pillow has an OSError for
        # fonts that are not variable, which most are: they are drawn as they are.
        with contextlib.suppress(OSError):
            if b"Regular" in font.get_variation_names():
                font.set_variation_by_name("Regular")
        return font
    plain = ImageFont.load_default(size)
    assert isinstance(plain, ImageFont.FreeTypeFont)
    return plain


@lru_cache(1)
def _shipped() -> _Face:
    return _Face(str(resources.files("driftloop") / "typefaces" / _SHIPPED))


@lru_cache(1)
def _system() -> list[_Face]:
    """The system's fonts, upright ones of usual weight and without serifs first."""
    ask = shutil.which("fc-list")
    if ask is None:
        return [face for name in _USUAL.get(sys.platform, ()) if (face := _Face(name)) and
                _loads(face)]  # fmt: skip
    form = "%{file}\t%{index}\t%{weight}\t%{slant}\t%{family}\t%{charset}\n"
    try:
        told = subprocess.run(
            [ask, ":scalable=true:color=false", "--format", form],
            capture_output=True, encoding="utf-8", errors="replace", timeout=60, check=False,
        ).stdout  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return []
    ranked = []
    for row in told.splitlines():
        cells = row.split("\t")
        if len(cells) != 6 or not cells[1].isdecimal():
            continue
        file, index, weight, slant, family, charset = cells
        # A range of weights, of a variable font, begins with its lightest.
        heavy = abs(int(weight) - 80) if weight.isdecimal() else 40
        odd = "serif" in family.lower() or "mono" in family.lower()
        ranked.append(((slant != "0", odd, heavy, file, int(index)), charset))
    return [
        # Of a variable font the upper half of the index names an instance.
        _Face(file, index & 0xFFFF, tuple(_ranges(charset)))
        for (_, _, _, file, index), charset in sorted(ranked)
        if index < 0x10000
    ]


def _loads(face: _Face) -> bool:
    try:
        _font(face, 20)
    except OSError:
        return False
    return True


def _ranges(charset: str) -> Iterator[tuple[int, int]]:
    for part in charset.split():
        first, _, last = part.partition("-")
        yield int(first, 16), int(last or first, 16)


def _runs(text: str, faces: Sequence[_Face]) -> Iterator[tuple[str, _Face]]:
    """A line in stretches of one font each."""
    begin, current = 0, faces[0]
    for at, char in enumerate(text):
        if _joins(char) and at and _has(current, char):
            continue
        face = next((face for face in faces if _has(face, char)), faces[0])
        if face != current:
            if begin < at:
                yield text[begin:at], current
            begin, current = at, face
    if begin < len(text):
        yield text[begin:], current


def _length(text: str, faces: Sequence[_Face], size: int) -> float:
    return sum(_font(face, size).getlength(run) for run, face in _runs(text, faces))


def _lines(
    text: str, faces: Sequence[_Face], size: int, width: int, most: int = LONGEST
) -> list[str]:
    """Break a text where its script lets it, and a word that is wider than a line anywhere.

    No more lines are made than one beyond the most.
    """
    lines: list[str] = []
    current, taken = "", 0.0
    for word in _words(text):
        # Parts are measured by themselves, once each: to shape a line for every part is slow.
        whole = taken + _part_length(word.rstrip(), tuple(faces), size) <= width
        if not whole and current:
            lines.append(current)
            current, taken = "", 0.0
            whole = _part_length(word.rstrip(), tuple(faces), size) <= width
        for part in [word] if whole else _clusters(word):
            if current and taken + _part_length(part.rstrip(), tuple(faces), size) > width:
                lines.append(current)
                current, taken = "", 0.0
            current += part
            taken += _part_length(part, tuple(faces), size)
        if len(lines) > most:
            return lines
    return [*lines, current] if current.strip() else lines


@lru_cache(16_384)
def _part_length(part: str, faces: tuple[_Face, ...], size: int) -> float:
    return _length(part, faces, size)


def _words(text: str) -> Iterator[str]:
    """Parts of a text that a line may end after."""
    word = ""
    for part in _clusters(text):
        open_end = word and (word[-1].isspace() or _is_unblanked(word) or _is_unblanked(part))
        if open_end and not part[0].isspace() and part[0] not in _NOT_FIRST:
            yield word
            word = ""
        word += part
    if word:
        yield word


@lru_cache(16_384)
def _is_unblanked(part: str) -> bool:
    char = next((char for char in reversed(part) if not _joins(char)), "")
    return unicodedata.name(char, "").startswith(_UNBLANKED) if char else False


def _clusters(text: str) -> list[str]:
    """Letters with their marks, which no line break parts."""
    found: list[str] = []
    for char in text:
        glued = _joins(char) and not char.isspace()
        # Vowels of Thai and Lao that are written before a consonant, and after one.
        if found and (glued or found[-1][-1] in "\u200d" or found[-1][-1] in "เแโใไເແໂໃໄ"):
            found[-1] += char
        else:
            found.append(char)
    return found


def _from_right(text: str) -> bool:
    kinds = (unicodedata.bidirectional(char) for char in text)
    return next((kind for kind in kinds if kind in {"L", "R", "AL"}), "L") != "L"


def _warn_of_missing(text: str, faces: Sequence[_Face]) -> None:
    """Name what cannot be drawn, each script once: a film shows hundreds of captions."""
    lacking = {char: _script(char) for char in text if not any(_has(face, char) for face in faces)}
    if fresh := {script for script in lacking.values() if script not in _TOLD}:
        _TOLD.update(fresh)
        examples = "".join(lacking)[:20]
        warnings.warn(
            f"no font of this machine has {', '.join(sorted(fresh))} ({examples}): these are "
            f"drawn as boxes; a font of outlines that has them, such as Noto Sans, mends it",
            stacklevel=3,
        )
    if "raqm" in _TOLD or features.check("raqm"):
        return
    kinds = {(unicodedata.bidirectional(char), unicodedata.category(char)) for char in text}
    if any(order in {"R", "AL"} or kind in {"Mn", "Mc"} for order, kind in kinds):
        _TOLD.add("raqm")
        warnings.warn(
            "this build of Pillow has no raqm: texts that are read from the right, and letters "
            "with marks, are drawn letter by letter",
            stacklevel=3,
        )


def _script(char: str) -> str:
    if unicodedata.category(char) == "So":
        return "symbols and emoji"
    name = unicodedata.name(char, "")
    word = name.split()[0].partition("-")[0] if name else f"U+{ord(char):04X}"
    return "Chinese characters" if word == "CJK" else word.capitalize()
