"""The record of training is read back as it was written, stretch by stretch."""

from pathlib import Path

import pytest

from driftloop.postcards import bundled_names, bundled_path
from training.record import Stretch, history, read, write

CPU, GPU = "one thread of a CPU", "one NVIDIA H100"


def test_a_record_is_read_back(tmp_path: Path) -> None:
    parts = {
        "UNet": [
            Stretch("objects", 2908, 32, 85.5, CPU, "the weights before it"),
            Stretch("prior", 768, 32, 22.0, CPU, "the objects"),
        ],
        "text encoders": [Stretch("whole", 10, 64, 0.2, GPU, "nothing")],
    }
    write(tmp_path, parts)
    assert read(tmp_path) == parts


def test_no_record_is_an_empty_one(tmp_path: Path) -> None:
    assert read(tmp_path) == {}


def test_a_stretch_without_a_step_leaves_the_history_as_it_was() -> None:
    before = [Stretch("whole", 10, 64, 0.2, GPU, "nothing")]
    state = {"name": "again", "step": 0, "batch": 8, "spent": 0.0, "machine": CPU}
    state |= {"start": "the weights before it", "before": [tuple(s) for s in before]}
    assert history(state) == before
    assert history(state | {"step": 3, "spent": 90.0})[-1] == Stretch(
        "again", 3, 8, 1.5, CPU, "the weights before it"
    )


@pytest.mark.parametrize("model", bundled_names())
def test_every_bundled_model_has_its_record(model: str) -> None:
    found = read(bundled_path(model))
    assert found
    assert all(stretch.steps for stretches in found.values() for stretch in stretches)
