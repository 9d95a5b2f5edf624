"""Reasoning is no caption, whatever marks it, and a caption that mentions marks stays whole."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftloop.models._reasoning import split_answer

THOUGHT = "The user wants a description.\n\nI see a lake; is 3 < 4? Let me think again."
SAID = "A red boat on a calm lake."
PAIRS = {
    "think": ("<think>", "</think>"),
    "capitals": ("<THINK>", "</Think>"),
    "thinking": ("<thinking>", "</thinking>"),
    "thought": ("<thought>", "</thought>"),
    "reasoning": ("<reasoning>", "</reasoning>"),
    "attribute": ('<think type="deep">', "</think>"),
    "seed": ("<seed:think>", "</seed:think>"),
    "escaped": ("&lt;think&gt;", "&lt;/think&gt;"),
    "mistral": ("[THINK]", "[/THINK]"),
    "kimi": ("◁think▷", "◁/think▷"),
    "cohere": ("<|START_THINKING|>", "<|END_THINKING|>"),
    "begin": ("<|begin_of_thought|>", "<|end_of_thought|>"),
    "gemma": ("<|channel>thought\n", "<channel|>"),
    "medgemma": ("<unused94>thought\n", "<unused95>"),
    "mixed": ("<think>", "</thinking>"),
}


@pytest.mark.parametrize(("opens", "closes"), PAIRS.values(), ids=PAIRS)
def test_what_is_between_marks_is_taken_out_and_counted(opens: str, closes: str) -> None:
    for text in (
        f"{opens}\n{THOUGHT}\n{closes}\n\n{SAID}",
        f"{THOUGHT}\n{closes}\n\n{SAID}",
        f"<|im_start|>assistant\n{opens}{THOUGHT}{closes}{SAID}<|im_end|>",
        f"{SAID}\n{opens}{THOUGHT}",
    ):
        found = split_answer(text)
        assert found.answer == SAID
        assert found.reasoning == len(THOUGHT)
    for text in (f"{opens}\n{THOUGHT}", f"{opens}{THOUGHT}{closes}"):
        assert split_answer(text)[:2] == ("", len(THOUGHT))


@pytest.mark.parametrize(
    "text",
    [
        f"<|channel|>analysis<|message|>{THOUGHT}<|end|><|start|>assistant<|channel|>final<|message|>"
        f"{SAID}<|return|>",
        f"<|channel|>analysis{THOUGHT}<|channel|>final{SAID}",
        f"analysis{THOUGHT}assistantfinal{SAID}",
        f"<think>{THOUGHT}</think><answer>{SAID}</answer>",
        f"<think>a <think> b</think> c</think>{SAID}",
    ],
)
def test_channels_and_wrapped_answers_leave_the_answer(text: str) -> None:
    found = split_answer(text)
    assert found.answer == SAID
    assert found.reasoning > 0


@pytest.mark.parametrize(
    "caption",
    [
        "I think it is a boat; 3 < 4 > 2 and <b>bold</b>.",
        'A sign that says "<think>" and another with "</think>".',
        "A poster with the word <think> on it.",
        "A man is thinking. Thinking: hard. [thinking] is written above him.",
        '"A red boat."',
        "Caption: A red boat.",
        "A screen that shows ```code``` in green.",
        "An analysis of the final score.",
        "I'm sorry, I can't help with that.",
    ],
)
def test_a_caption_that_mentions_marks_stays_as_it_is(caption: str) -> None:
    assert split_answer(caption) == (caption, 0, ())


@given(st.text(alphabet=st.characters(exclude_characters="<[◁&`|>~", exclude_categories=["Cs"])))
def test_a_text_without_any_mark_is_kept(text: str) -> None:
    if "assistantfinal" not in text:
        assert split_answer(text) == (text.strip(), 0, ())


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        (f"{SAID}<|im_end|>", ("special tokens",)),
        (f"<s>{SAID}</s></s>\n", ("special tokens",)),
        (f"<|begin_of_box|>{SAID}<|end_of_box|>", ("special tokens",)),
        (f"{SAID}<｜end▁of▁sentence｜>", ("special tokens",)),
        (f"```\n{SAID}\n```", ("code fence",)),
        (f"~~~text\n{SAID}\n~~~", ("code fence",)),
    ],
)
def test_what_is_taken_off_the_ends_is_told(text: str, flags: tuple[str, ...]) -> None:
    assert split_answer(text) == (SAID, 0, flags)


@pytest.mark.parametrize(
    "piece", ["<think>", "x <think>", "</think>", "</s>x", "<|channel|>final", "< ", "[ ", "```\n"]
)
def test_a_text_made_to_be_slow_is_not(piece: str) -> None:
    started = time.perf_counter()
    split_answer(piece * (2**18 // len(piece)))
    assert time.perf_counter() - started < 5
