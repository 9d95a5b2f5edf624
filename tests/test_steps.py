"""Records that flow."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from driftloop.steps import Call, Content, Failure, Output, States

texts = st.lists(st.builds(Content, st.just("text"), st.text(max_size=5)), max_size=6)


def test_half_characters_are_replaced_and_told() -> None:
    half = Output("a ship \ud83d", cut_text="and \ude00 more", flags=("over budget",))
    assert (half.content, half.cut_text) == ("a ship ?", "and ? more")
    assert half.flags == ("over budget", "half character")
    assert Output("a ship 😀").flags == ()
    assert Failure("no \ud83d", "line \ud83d") == Failure("no ?", "line ?")


@given(texts, texts)
def test_states_are_what_they_hold(one: list[Content], other: list[Content]) -> None:
    assert list(States.of(one)) == one
    assert len(States.of(one)) == len(one)
    assert (States.of(one) == States.of(other)) == (one == other)
    assert States.of(one).then(Content("image", "ab")) != States.of([*one, Content("text", "ab")])


@given(texts, texts)
def test_a_call_is_named_by_all_its_inputs(one: list[Content], other: list[Content]) -> None:
    last = Content("text", "a fox")
    keys = {
        Call("m", "f", inputs, 1).key
        for inputs in ((last,), (last, States.of(one)), (last, States.of(other)), (last, *one))
    }
    assert len(keys) == 2 + (one != other) + bool(one)
