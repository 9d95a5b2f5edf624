"""Sampling with a seed of its own, and budgets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.stats import chisquare

from driftloop.models._budget import cut_to_budget
from driftloop.models._sampling import GumbelSampling
from driftloop.models.transformers import TransformersSettings

torch = pytest.importorskip("torch")


def draw(logits: list[float], count: int, temperature: float, top_p: float) -> np.ndarray:
    sampling = GumbelSampling(range(count), temperature, top_p)
    return sampling(None, torch.tensor([logits]).repeat(count, 1)).argmax(dim=-1).numpy()


@pytest.mark.parametrize("temperature", [0.3, 1.0, 1.7])
def test_it_is_sampling(temperature: float) -> None:
    logits = [2.0, 1.0, 0.5, -1.0]
    count = 20_000
    expected = torch.softmax(torch.tensor(logits) / temperature, dim=0).numpy().astype(float)
    drawn = np.bincount(draw(logits, count, temperature, 1.0), minlength=4)
    assert chisquare(drawn, expected / expected.sum() * count).pvalue > 1e-4


def test_top_p_keeps_the_smallest_set() -> None:
    # Probabilities 0.4, 0.3, 0.2, 0.1: the smallest set with 0.6 is the first two.
    logits = np.log([0.1, 0.4, 0.2, 0.3]).tolist()
    assert set(draw(logits, 2000, 1.0, 0.6)) == {1, 3}
    assert set(draw(logits, 2000, 1.0, 0.05)) == {1}


def test_a_seed_decides_its_own_sample_only() -> None:
    logits = torch.randn(4, 50, generator=torch.Generator().manual_seed(0))
    together = GumbelSampling([1, 2, 3, 4], 1.0, 0.9)(None, logits)
    turned = GumbelSampling([4, 3, 2, 1], 1.0, 0.9)(None, logits.flip(0)).flip(0)
    alone = GumbelSampling([3], 1.0, 0.9)(None, logits[2:3])
    assert torch.equal(together, turned)
    assert torch.equal(together[2:3], alone)


captions = st.lists(
    st.text("abc", min_size=1, max_size=4).flatmap(lambda w: st.sampled_from([w, w + "."])),
    max_size=30,
).map(" ".join)


@given(captions, st.one_of(st.none(), st.integers(1, 30)))
def test_budgets(text: str, words: int | None) -> None:
    kept, cut = cut_to_budget(text, words)
    assert f"{kept} {cut}".split() == text.split()
    if words is not None:
        assert len(kept.split()) <= words
    if cut and "." in " ".join(text.split()[:words]):
        assert kept.endswith(".")


def test_an_instruction_cannot_name_a_budget_that_is_not_there() -> None:
    with pytest.raises(ValidationError, match="no word budget"):
        TransformersSettings(path="x", instruction="In {words} words.")
