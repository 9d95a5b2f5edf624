"""Words of every script: what has blanks is counted as ever, what has none is counted too."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftloop.encoders import embed, get_encoder
from driftloop.measures import class_words
from driftloop.models._budget import cut_to_budget
from driftloop.scripts import (
    count_words,
    is_spaced,
    sentence_ends,
    spaced,
    terms,
    unspaced_out,
    word_ends,
)
from driftloop.store import create_run

SPACED = st.text(st.sampled_from("aé ñя한글ا.!?,'\n -3"), max_size=40)
ANY = st.text(st.sampled_from("aé 猫坐とカメラไม้ခွေး。！，.? \u0e49"), max_size=40)


@given(SPACED)
def test_a_text_with_blanks_has_what_it_always_had(text: str) -> None:
    assert is_spaced(text)
    assert count_words(text) == len(text.split())
    assert word_ends(text) == [match.end() for match in re.finditer(r"\S+", text)]
    ascii_ends = [match.end() for match in re.finditer(r"[.!?](?=\s|$)", text)]
    assert sentence_ends(text) == ascii_ends
    assert spaced(text) == unspaced_out(text) == text
    assert terms(text) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("一只红色的猫坐在窗边。", 10),
        ("窓辺に座る赤いネコ、カメラ", 9),
        ("แมวสีแดงนั่งอยู่", 4),
        ("ငှက်", 1),
        ("A cat, 猫, and 犬。", 5),
        ("배 한 척이 있다", 4),
        ("。。。", 1),
        ("「猫」", 1),
    ],
)
def test_words_are_counted_where_none_are_written_apart(text: str, words: int) -> None:
    assert count_words(text) == words


@given(ANY, st.integers(1, 20))
def test_a_budget_is_kept_in_every_script_and_nothing_is_lost(text: str, words: int) -> None:
    text = " ".join(text.split())
    kept, cut = cut_to_budget(text, words)
    assert (kept + cut).replace(" ", "") == text.replace(" ", "")
    assert count_words(kept) <= words
    assert bool(cut) == (count_words(text) > words)
    # A mark that stands on a letter stays with it.
    assert not cut.startswith("\u0e49") or "\u0e49" in {text[0], text[len(kept)]}


@given(ANY)
def test_the_ends_of_words_count_up_to_the_whole(text: str) -> None:
    counts = [count_words(text[:end]) for end in word_ends(text)]
    assert counts == sorted(counts)
    assert counts[-1:] == ([count_words(text)] if text.strip() else [])


@pytest.mark.parametrize(
    ("text", "words", "kept"),
    [
        ("一只猫坐着。它很老。", 7, "一只猫坐着。"),
        ("他说：「很好！」然后走了", 7, "他说：「很好！」"),
        ("猫が座っている、窓辺に", 7, "猫が座っている、"),
        ("هل هذا قط؟ نعم هو قط كبير", 5, "هل هذا قط؟"),
        ("यह एक बिल्ली है। वह बूढ़ी है", 5, "यह एक बिल्ली है।"),
        ("یہ بلی ہے۔ وہ بوڑھی ہے", 4, "یہ بلی ہے۔"),
        ("A cat sits in 3.5 m. It is old", 6, "A cat sits in 3.5 m."),
    ],
)
def test_a_text_is_cut_at_the_sentence_ends_of_its_script(text: str, words: int, kept: str) -> None:
    assert cut_to_budget(text, words)[0] == kept


def test_texts_without_blanks_have_words_in_common(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    encoder = get_encoder("lexical")
    cat, same, sea = encoder.encode(["红色的猫坐在窗边", "红色的猫在窗边坐着", "大海上的一艘帆船"])
    assert cat @ same > 0.5 > cat @ sea
    # Kept vectors of other texts stay good, and those of a text without blanks are made anew.
    with create_run(tmp_path) as run:
        old = np.eye(1, 1024, dtype=np.float32)[0]
        run.put_embeddings("lexical/1/1024", [("a ship", old), ("一艘船", old)])
        vectors = embed(run, encoder, ["a ship", "一艘船"])
        assert vectors.computed == 1
        assert (vectors.of(["a ship"])[0] == old).all()
        assert (vectors.of(["一艘船"])[0] != old).any()
        assert embed(run, encoder, ["a ship", "一艘船"]).computed == 0


def test_motifs_are_named_in_their_script() -> None:
    words = class_words(["大海", "一艘船在大海上", "房子", "一座红色的房子在山上"], [0, 0, 1, 1])
    assert "大海" in words[0]
    assert "房子" in words[1]
