"""The examples in the docstrings run."""

import doctest
from types import ModuleType

import pytest

from driftloop.encoders import pixels
from driftloop.measures import (
    _attractor,
    _attribution,
    _bootstrap,
    _clusters,
    _drift,
    _energy,
    _fidelity,
    _interval,
    _motifs,
    _pairs,
    _repeats,
    _shuffle,
    _variety,
    _verdict,
    _words,
)
from driftloop.report import _choice, _conditions, _meaning, _phrases, _provenance, _voices
from driftloop.report.figures import _chart

MEASURES = [
    _attractor, _attribution, _bootstrap, _clusters, _drift, _energy, _fidelity, _interval,
    _motifs, _pairs, _repeats, _shuffle, _variety, _verdict, _words,
]  # fmt: skip


@pytest.mark.parametrize(
    "module",
    [*MEASURES, pixels, _choice, _conditions, _meaning, _phrases, _provenance, _voices, _chart],
)
def test_examples(module: ModuleType) -> None:
    done = doctest.testmod(module)
    assert done.attempted
    assert not done.failed
