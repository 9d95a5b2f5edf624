"""What the torch backends share."""

from __future__ import annotations

import threading
import warnings
from typing import Any

import pytest

from driftloop.models import _torch
from driftloop.models._torch import Weights, quietly


@pytest.mark.parametrize("first_out", [0, 1])
def test_threads_that_are_quiet_together_leave_nothing_behind(first_out: int) -> None:
    before = list(warnings.filters)
    entered = threading.Barrier(3)
    leave = [threading.Event(), threading.Event()]

    def thread(number: int) -> None:
        with quietly():
            entered.wait(20)
            leave[number].wait(20)

    threads = [threading.Thread(target=thread, args=(n,)) for n in range(2)]
    for one in threads:
        one.start()
    entered.wait(20)
    for number in (first_out, 1 - first_out):
        assert warnings.filters[0][0] == "ignore"
        leave[number].set()
        threads[number].join(20)
    assert list(warnings.filters) == before


def test_weights_are_on_their_device_as_a_whole_or_not_at_all() -> None:
    torch = pytest.importorskip("torch")
    where: dict[str, str] = {}

    class Part:
        def __init__(self, name: str) -> None:
            self.name = name

        def to(self, device: Any) -> None:
            if self.name == "unet" and str(device) == full:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            where[self.name] = str(device)

    full = "cuda:0"
    weights = Weights([Part("text_encoder"), Part("unet")], torch.device("cuda", 0))
    with pytest.raises(torch.OutOfMemoryError):
        weights.move_in()
    assert not weights.here
    assert where == {"text_encoder": "cpu", "unet": "cpu"}
    full = "none"
    for _ in range(2):
        weights.move_in()
        assert weights.here
        assert where == {"text_encoder": "cuda:0", "unet": "cuda:0"}
    weights.move_out()
    assert not weights.here
    assert where == {"text_encoder": "cpu", "unet": "cpu"}


def test_weights_that_others_move_are_never_here(monkeypatch: pytest.MonkeyPatch) -> None:
    moved: list[object] = []
    monkeypatch.setattr(_torch, "move", lambda modules, device: moved.append(device))
    weights = Weights([], "cuda:0")
    weights.move_in()
    assert not weights.here
    assert moved == []
