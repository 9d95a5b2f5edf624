"""The examples in the docstrings run."""

import doctest
from types import ModuleType

import pytest

from driftloop.encoders import pixels
from driftloop.measures import _bootstrap, _drift, _repeats
from driftloop.report import _choice, _prose, _provenance
from driftloop.report.figures import _chart


@pytest.mark.parametrize(
    "module", [_bootstrap, _drift, _repeats, pixels, _choice, _prose, _provenance, _chart]
)
def test_examples(module: ModuleType) -> None:
    done = doctest.testmod(module)
    assert done.attempted
    assert not done.failed
