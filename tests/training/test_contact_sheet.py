"""Prompts of the sheets show what they are said to."""

from itertools import combinations

import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")

from driftloop.postcards import held_out, parse
from training.contact_sheet import held_out_prompts
from training.data import BUDGETS


def test_held_out_prompts_tell_a_pair_that_training_never_showed() -> None:
    prompts = held_out_prompts(8 * len(BUDGETS))
    for text in prompts:
        assert any(held_out(a, b) for a, b in combinations(parse(text).names, 2)), text
    for place, budget in enumerate(BUDGETS):
        assert {len(text.split()) <= budget for text in prompts[place :: len(BUDGETS)]} == {True}
