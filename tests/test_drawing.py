"""Texts on pictures: in every script that a font has, in lines that fit, else told."""

from __future__ import annotations

import textwrap
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont, features

from driftloop import drawing
from driftloop.drawing import INK, PAPER, missing, needs_shipped, write_text
from driftloop.models import _writing

TEXTS = {
    "German": "Zwei Füße über Ærø, ½ × 3",
    "punctuation": "a sign — “open” → here … and on",
    "Greek": "ένα κόκκινο καράβι στη θάλασσα",
    "Cyrillic": "красный корабль у берега",
    "Arabic": "سفينة حمراء على البحر",
    "Hebrew": "ספינה אדומה בים",
    "Vietnamese": "một chiếc thuyền đỏ trên hồ",
}
CHINESE = "一艘红色的船停在平静的湖面上，岸边有一座小房子。"


def shown(text: str, width: int = 200, most: int = 4, **options: Any) -> Image.Image:
    sheet = Image.new("RGB", (width + 40, most * drawing.LINE + 20), PAPER)
    write_text(ImageDraw.Draw(sheet), text, (20, 4), width, 14, INK, most, **options)
    return sheet


def box(face: Any = drawing._PLAIN) -> bytes:
    return bytes(drawing._font(face, 14).getmask("\uffff"))


@pytest.fixture
def no_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "_system", list)
    monkeypatch.setattr(drawing, "_TOLD", set())


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.filterwarnings("error")
def test_what_the_shipped_font_has_is_drawn_and_not_boxes(name: str, no_system: None) -> None:
    text = TEXTS[name]
    assert needs_shipped(text)
    assert missing(text) == []
    for char in set(text) - {" "}:
        assert bytes(drawing._font(drawing._shipped(), 14).getmask(char)) != box(drawing._shipped())
    assert np.asarray(shown(text).convert("L")).min() < 90


def test_plain_texts_look_as_they_did(no_system: None) -> None:
    text = "A red boat on a lake."
    assert not needs_shipped(text)
    wanted = Image.new("RGB", shown(text).size, PAPER)
    ImageDraw.Draw(wanted).text((20, 4), text, INK, ImageFont.load_default(14))
    assert shown(text) == wanted


@pytest.mark.skipif(not features.check("raqm"), reason="this Pillow has no raqm")
def test_a_text_read_from_the_right_begins_there_and_is_joined(no_system: None) -> None:
    levels = np.asarray(shown("بحر", 200, 1).convert("L"))
    columns = np.flatnonzero((levels < 200).any(axis=0))
    assert columns.max() > 210
    assert columns.min() > 150
    font = drawing._font(drawing._shipped(), 14)
    assert font.getlength("بحر") < sum(font.getlength(char) for char in "بحر")


def test_what_no_font_has_is_told_once_by_its_script(no_system: None) -> None:
    with pytest.warns(UserWarning, match=r"no font of this machine has Thai \(เรอ"):
        shown("เรือ")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shown("เรือ")
        shown("ที่")
    assert missing("a เ") == ["เ"]


def test_a_pillow_without_raqm_is_told(no_system: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing.features, "check", lambda name: False)
    with pytest.warns(UserWarning, match="no raqm"):
        shown("בים")


def test_a_font_of_the_system_draws_what_the_shipped_one_lacks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # DejaVu has no hiragana: a face that says it has them is asked, and only for them.
    asked = drawing._Face(drawing._shipped().file, 0, ((0x3040, 0x309F),))
    gone = drawing._Face("/nowhere/at/all.ttf", 0, ((0x3040, 0x309F),))
    monkeypatch.setattr(drawing, "_system", lambda: [gone, asked])
    faces = drawing._faces("ship ふね — ship", False)
    assert faces[-1] == asked
    assert [(run, face == asked) for run, face in drawing._runs("ship ふね — ship", faces)] == [
        ("ship ", False), ("ふね ", True), ("— ship", False),
    ]  # fmt: skip
    assert asked not in drawing._faces("ship ふね — ship", True)


def test_fontconfig_is_asked_for_characters(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    ask = tmp_path / "fc-list"
    rows = (
        r"/f/Serif.ttf\t0\t80\t0\tNoto Serif\t0e01-0e3a 41\n"
        r"/f/Bold.ttf\t0\t200\t0\tNoto Sans\t0e01\n"
        r"/f/Sans.ttc\t2\t80\t0\tNoto Sans\t0e01-0e3a\n"
        r"/f/Named.ttf\t65536\t80\t0\tNoto Sans\t0e01\nodd row\n"
    )
    ask.write_text(f"#!/bin/sh\nprintf '{rows}'\n")
    ask.chmod(0o755)
    monkeypatch.setattr(drawing.shutil, "which", lambda name: str(ask))
    found = drawing._system.__wrapped__()
    assert [(face.file, face.place) for face in found] == [
        ("/f/Sans.ttc", 2), ("/f/Bold.ttf", 0), ("/f/Serif.ttf", 0),
    ]  # fmt: skip
    assert drawing._has(found[0], "ก")
    assert not drawing._has(found[0], "A")


@settings(max_examples=60, deadline=None)
@given(
    st.text(st.sampled_from("ab c—éжשس中文。เรือ\u0301\u200d👩"), max_size=60),
    st.integers(60, 220),
    st.integers(0, 4),
)
def test_lines_fit_and_nothing_is_lost(text: str, width: int, most: int) -> None:
    text = " ".join(text.split())
    faces = drawing._faces(text, True)
    lines = drawing._lines(text, faces, 14, width)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    for line in lines:
        parts = drawing._clusters(line.strip())
        assert drawing._length(line.rstrip(), faces, 14) <= width + 2 or len(parts) <= 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sheet = np.asarray(shown(text, width, most).convert("L"))
    assert (sheet[most * drawing.LINE + 16 :] > 200).all()


def test_scripts_without_blanks_break_between_letters_and_not_before_a_stop() -> None:
    lines = drawing._lines(f"boat {CHINESE}", drawing._faces(CHINESE, True), 14, 100)
    assert len(lines) > 2
    # The first line is filled, and the word before it is not alone on it.
    assert lines[0].startswith("boat 一")
    assert not any(line[0] in "，。" for line in lines)
    thai = drawing._clusters("เรือที่")
    assert "".join(thai) == "เรือที่"
    assert thai == ["เรื", "อ", "ที่"]


def test_a_longer_text_ends_in_an_ellipsis() -> None:
    long = shown("word " * 200, 150, 2)
    assert long != shown("word " * 8, 150, 2)
    assert (np.asarray(long.convert("L"))[:, 172:] > 200).all()


def old_control(text: str) -> Image.Image:
    """A control's picture as every version of driftloop has drawn it."""
    image = _writing.write_text("")
    band = _writing.write_text(text)
    image = Image.new("RGB", band.size, _writing.PAPER)
    lines = "\n".join(textwrap.wrap(text, 17, max_lines=8, placeholder=" …"))
    font = ImageFont.load_default(9)
    ImageDraw.Draw(image).multiline_text((5, 4), lines, _writing.INK, font, spacing=2)
    data = _writing.MAGIC + len(text.encode()).to_bytes(_writing.HEADER, "big") + text.encode()
    rows = -(-len(data) // (_writing.SIDE * 3))
    levels = np.full(rows * _writing.SIDE * 3, _writing.PAPER[0], dtype=np.uint8)
    levels[: len(data)] = np.frombuffer(data, dtype=np.uint8)
    pixels = Image.fromarray(levels.reshape(rows, _writing.SIDE, 3), "RGB")
    image.paste(pixels, (0, image.height - rows))
    return image


@pytest.mark.parametrize(
    "text", ["", "A ship.", "Two “red” boats, it’s said… " * 9, "船 on the sea"]
)
def test_a_controls_picture_keeps_its_bits(text: str) -> None:
    assert _writing.write_text(text) == old_control(text)


@pytest.mark.parametrize("text", TEXTS.values())
def test_a_controls_picture_shows_what_the_shipped_font_has(text: str, no_system: None) -> None:
    assert _writing.write_text(text) != old_control(text)
    assert _writing.read_text(_writing.write_text(text)) == text
