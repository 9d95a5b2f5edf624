"""Where a model computes: one device, or several with a replica of it on each."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from pydantic import field_validator

from ._protocols import Settings


class OnDevices(Settings):
    """Settings of a model that computes on devices of this machine."""

    # Devices of another kind compute other bits, which the player's fingerprint records.
    UNDECIDING = frozenset({"device"})
    device: str | tuple[str, ...] = "auto"
    """``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps`` ... A list puts a replica of the model on
    each, which play at the same time; a device that it names twice has two."""

    @field_validator("device")
    @classmethod
    def _of_one_kind(cls, device: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if isinstance(device, str):
            return device
        if not device:
            raise ValueError('name a device, e.g. "auto"')
        kinds = {name.split(":")[0] for name in device}
        if len(kinds) > 1:
            raise ValueError(
                f"devices of one list are of one kind, since others compute other bits; these are "
                f"{', '.join(sorted(kinds))}"
            )
        return device

    @property
    def place(self) -> str:
        """The one device of a replica.

        Raises:
            ValueError: There are several; see :meth:`replicas`.
        """
        if not isinstance(self.device, str):
            raise ValueError("settings of several replicas; load each of replicas()")
        return self.device

    def replicas(self) -> list[OnDevices]:
        """The same settings with a device each."""
        if isinstance(self.device, str):
            return [self]
        found = []
        for place, name in enumerate(self.device):
            one = self.model_copy(update={"device": name})
            # What is named twice is loaded twice: tokenizers are not for two threads at once.
            one._copy = self.device[:place].count(name)
            found.append(one)
        return found


def make_stream(device: str) -> Any:
    """A queue of kernels beside a device's others, or None where it has none (all but CUDA)."""
    torch = sys.modules.get("torch")
    if torch is None or not device.startswith("cuda"):
        return None
    stream = torch.cuda.Stream(device)
    # Weights were put there by the default stream.
    stream.wait_stream(torch.cuda.default_stream(device))
    return stream


def on_stream(stream: Any) -> AbstractContextManager[Any]:
    """Queue this thread's kernels there; None leaves them where they are."""
    return nullcontext() if stream is None else sys.modules["torch"].cuda.stream(stream)
