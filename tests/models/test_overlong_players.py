"""Captions that are longer than a generator reads: shortened, or refused."""

from __future__ import annotations

from typing import Any

from driftloop_toys import ToyPlayer, ToyReader, ToySettings
from hypothesis import given
from hypothesis import strategies as st

from driftloop.models import Fitted, Refusing
from driftloop.models._budget import cut_to_fit
from driftloop.steps import Failure, Output, Reading, fullest

WORDY = " It is late. Nobody is at home and the lamp is out."


def player(**settings: Any) -> ToyPlayer:
    return ToyPlayer(ToySettings(batch_size=4, **settings), 4)


@given(st.text("ab. !。\n", max_size=60), st.integers(0, 20))
def test_what_is_kept_fits_and_with_the_rest_it_is_the_text(text: str, room: int) -> None:
    kept, rest = cut_to_fit(text, lambda part: len(part.split()) <= room)
    assert len(kept.split()) <= room
    assert (kept + rest).split() == text.split() or f"{kept} {rest}".split() == text.split()
    assert not rest or len(text.split()) > room


def test_it_is_cut_at_a_sentence_else_at_a_word_else_anywhere() -> None:
    def fits(part: str) -> bool:
        return len(part) <= 12

    assert cut_to_fit("A cat. A dog sleeps.", fits) == ("A cat.", "A dog sleeps.")
    assert cut_to_fit("A cat and a dog sleep.", fits) == ("A cat and a", "dog sleep.")
    assert cut_to_fit("猫在睡觉。狗在看着窗外的雨。", fits) == ("猫在睡觉。", "狗在看着窗外的雨。")


def test_a_fitted_caption_is_read_whole_and_its_rest_recorded() -> None:
    plain, reader = player(role="captioner", says=WORDY), ToyReader(8)
    fitted = Fitted(plain, reader)
    pictures, seeds = plain.samples(4), [1, 2, 3, 4]
    for whole, short in zip(plain.play(pictures, seeds), fitted.play(pictures, seeds), strict=True):
        assert isinstance(short, Output)
        assert fullest(reader.read(short.content)).cut == 0
        assert short.content.endswith("It is late.")
        assert f"{short.content} {short.cut_text}" == whole.content
        assert short.flags == ("shortened",)
    assert fitted.limits() == {"toy": True, "budget": 6, "caption tokens": 8}


class TwoReaders:
    """A short text encoder beside a long one."""

    window, identity = 8, "two"

    def read(self, text: str) -> tuple[Reading, ...]:
        return (*ToyReader(4).read(text), *ToyReader(8).read(text))


def test_a_text_is_read_whole_where_one_text_encoder_reads_it_whole() -> None:
    plain, texts = player(), ["a red house at night", "rain"]
    assert Refusing(plain, TwoReaders()).play(texts, [1, 2]) == plain.play(texts, [1, 2])
    (refused,) = Refusing(plain, TwoReaders()).play(["a b c d e f g h i"], [1])
    assert isinstance(refused, Failure)
    assert "has 9 tokens and 8 are read" in refused.reason
    wordy = player(role="captioner", says=WORDY)
    inputs = (wordy.samples(4), [1, 2, 3, 4])
    one, both = Fitted(wordy, ToyReader(8)), Fitted(wordy, TwoReaders())
    assert both.play(*inputs) == one.play(*inputs)
    assert both.fingerprint != one.fingerprint


def test_a_caption_that_fits_is_left_alone() -> None:
    plain = player(role="captioner")
    inputs = (plain.samples(4), [1, 2, 3, 4])
    assert Fitted(plain, ToyReader(8)).play(*inputs) == plain.play(*inputs)


def test_the_budget_is_part_of_what_a_captioner_is() -> None:
    plain = player(role="captioner")
    names = [
        plain.fingerprint,
        Fitted(plain, ToyReader(8)).fingerprint,
        Fitted(plain, ToyReader(9)).fingerprint,
        Fitted(plain, ToyReader(8)).resized(2).fingerprint,
    ]
    assert len(set(names)) == 4
    assert Fitted(plain, ToyReader(8)).fingerprint == names[1]


def test_what_would_not_be_read_is_refused_and_the_rest_drawn() -> None:
    plain = player(window=3)
    texts = ["a red house", "a red house at night", "rain"]
    first, refused, last = Refusing(plain, plain.reader).play(texts, [1, 2, 3])
    assert isinstance(refused, Failure)
    assert "has 5 tokens and 3 are read" in refused.reason
    assert refused.reason.endswith("not read: at night")
    assert [first, last] == plain.play([texts[0], texts[2]], [1, 3])
    (alone,) = Refusing(plain, plain.reader).resized(1).play([texts[1]], [2])
    assert alone == refused
    assert Refusing(plain, plain.reader).fingerprint == plain.fingerprint
