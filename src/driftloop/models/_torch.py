"""What the torch backends share: devices, number formats, fixed shapes."""

from __future__ import annotations

import logging
import sys
import threading
import warnings
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self, TypeVar
from weakref import WeakValueDictionary

from ..errors import ModelError, lacking
from ..seeds import digest
from ._player import Player
from ._protocols import Located

T = TypeVar("T")
Dtype = Literal["auto", "float32", "bfloat16", "float16"]


def import_torch() -> Any:
    """Import torch, or say how to get it."""
    try:
        import torch
    except ImportError as error:
        raise ModelError(lacking("torch", "all", error)) from error
    return torch


def pick_device(wish: str) -> Any:
    """Return the device (a ``torch.device``): the wished one, or the best there is for ``auto``.

    Raises:
        ModelError: The wished device is not on this machine.
    """
    torch = import_torch()
    if wish == "auto":
        wish = "cuda" if torch.cuda.is_available() else "cpu"
        if wish == "cpu" and torch.backends.mps.is_available():
            wish = "mps"
    try:
        device = torch.device(wish)
        torch.empty(1, device=device)
        if device.type == "cuda" and device.index is None:
            device = torch.device("cuda", torch.cuda.current_device())
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"device '{wish}' cannot be used here: {reason}") from error
    return device


def pick_dtype(wish: Dtype, device: Any) -> Any:
    """Return the number format: half precision where the device computes in it, else float32."""
    torch = import_torch()
    if wish != "auto":
        return getattr(torch, wish)
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if device.type == "mps":
        return torch.float16
    # Without these instructions bfloat16 is emulated, and slower than float32.
    able = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    native = any(getattr(torch.cpu, name, bool)() for name in able)
    return torch.bfloat16 if native else torch.float32


_quiet_threads = 0
_quiet_lock = threading.Lock()
_quiet = ExitStack()


@contextmanager
def quietly(*, bars: bool = False) -> Iterator[None]:
    """Keep the libraries' notes and bars off the terminal.

    What matters of them is data on the step: a text that is cut, above all, of which diffusers
    tells once a sample.

    Args:
        bars: Leave progress bars, for a download.
    """
    global _quiet_threads
    # Verbosity and warning filters are the process's: the first thread that comes in sets them,
    # and the last that leaves puts them back.
    with _quiet_lock:
        if not _quiet_threads:
            _quiet.enter_context(_silence(bars=bars))
        _quiet_threads += 1
    try:
        yield
    finally:
        with _quiet_lock:
            _quiet_threads -= 1
            if not _quiet_threads:
                _quiet.close()


@contextmanager
def _silence(*, bars: bool) -> Iterator[None]:
    libraries = [sys.modules.get("transformers"), sys.modules.get("diffusers")]
    logs = [library.utils.logging for library in libraries if library is not None]
    before = [(log.get_verbosity(), log.is_progress_bar_enabled()) for log in logs]
    # Which tells once a layer that it computes in half precision.
    quantiser = logging.getLogger("bitsandbytes")
    level = quantiser.level
    quantiser.setLevel(logging.ERROR)
    for log in logs:
        log.set_verbosity_error()
        if not bars:
            log.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        quantiser.setLevel(level)
        for log, (verbosity, bar) in zip(logs, before, strict=True):
            log.set_verbosity(verbosity)
            if bar:
                log.enable_progress_bar()


_loaded: WeakValueDictionary[Hashable, Any] = WeakValueDictionary()


def load_once(key: Hashable, load: Callable[[], T]) -> T:
    """Load weights once, however many players with other settings use them at the same time."""
    found: T | None = _loaded.get(key)
    if found is None:
        found = load()
        _loaded[key] = found
    return found


@dataclass(eq=False)
class Weights:
    """Modules that compute on a device, and wait in main memory until they are needed there."""

    modules: Sequence[Any]
    """Of torch; none where a library moves its own, or they cannot be moved."""
    device: Any
    """A ``torch.device``."""
    here: bool = field(default=False, init=False)
    """Whether they are on their device."""

    def move_in(self) -> None:
        """Bring them onto their device, all or none."""
        if self.here or not self.modules:
            return
        try:
            move(self.modules, self.device)
        except BaseException:
            self.move_out()
            raise
        self.here = True

    def move_out(self) -> None:
        """Bring them into main memory."""
        move(self.modules, "cpu")
        self.here = False


@dataclass(frozen=True)
class TorchPlayer(Player):
    """What players of torch models have in common."""

    weights: Weights = field()
    """Those of all players of the same model."""
    options: dict[str, Any]
    """What it is called with."""
    batch_size: int
    located: Located
    device: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "device", str(self.weights.device))

    def resized(self, batch_size: int) -> Self:
        """The same model with another micro-batch."""
        return replace(self, batch_size=batch_size)

    def named(self, dtype: object, *facts: object) -> str:
        """Hash of weights, options, number format, kind of device, micro-batch and more facts."""
        kind = self.weights.device.type
        return fingerprint(
            self.located.identity, self.options, str(dtype), kind, self.batch_size, *facts
        )


def move(modules: Sequence[Any], device: Any) -> None:
    """Move modules; the one place where weights are moved."""
    for module in modules:
        module.to(device)


def pad(items: Sequence[T], size: int) -> list[T]:
    """Repeat the last item until there are ``size``: kernels then see one shape only."""
    if not 0 < len(items) <= size:
        raise ValueError(f"{len(items)} inputs for a micro-batch of {size}")
    return [*items, *[items[-1]] * (size - len(items))]


def by_size(
    images: Sequence[Any], seeds: Sequence[int], play: Callable[[list[Any], list[int]], Sequence[T]]
) -> list[T]:
    """Play pictures of one size together: else their shapes would depend on the company.

    Returns:
        One outcome a picture, in order.
    """
    outcomes: dict[int, T] = {}
    for size in dict.fromkeys(image.size for image in images):
        places = [place for place, image in enumerate(images) if image.size == size]
        answers = play([images[at] for at in places], [seeds[at] for at in places])
        outcomes.update(zip(places, answers, strict=True))
    return [outcomes[place] for place in range(len(images))]


def fingerprint(identity: str, settings: dict[str, Any], *facts: object) -> str:
    """Name a player by everything that decides its outputs."""
    return digest("player", identity, *sorted(settings.items()), *facts).hex()


def generators(seeds: Sequence[int]) -> list[Any]:
    """One source of randomness a sample, on the CPU, where it gives the same numbers everywhere.

    Torch's CPU generator uses the low 32 bits of a seed. Two different steps of a study of 100,000
    pictures may so share their initial noise; two twins practically never do.
    """
    torch = import_torch()
    return [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
