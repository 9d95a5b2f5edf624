"""What the torch backends share."""

from __future__ import annotations

import threading
import warnings

import pytest

from driftloop.models._torch import quietly


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
