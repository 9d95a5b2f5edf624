"""Generators that diffusers runs: whatever ``AutoPipelineForText2Image`` loads.

A picture is drawn from its own random numbers (one torch generator a sample, on the CPU) in a
micro-batch of fixed shape, so that it does not depend on what is drawn beside it.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from PIL import Image
from pydantic import Field, model_validator

from ..errors import ModelError, nearest
from ..steps import Failure, Output, Role
from . import _files, _pipeline, _reading, _samples, _torch
from ._devices import OnDevices
from ._protocols import Located, Player

DECIDING = {"scheduler", "lora_scale", "without", "offload", "compile"}
"""Settings that decide a picture's bits and are no options of the call."""


class DiffusersSettings(OnDevices):
    """Settings of a generator."""

    UNHURRIED = frozenset({"batch_size", "negative_prompt", "lora_scale"})
    revision: str | None = None
    """Branch, tag or commit on the hub."""
    variant: str | None = None
    """Weights variant, e.g. ``fp16``."""
    steps: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Denoising steps; by default the pipeline's own number."""
    guidance: Annotated[float, Field(ge=0, le=100)] | None = None
    """Classifier-free guidance scale; by default the pipeline's own."""
    negative_prompt: str | None = None
    """What not to draw."""
    scheduler: str | None = None
    """Class of the sampler, e.g. ``LCMScheduler``; by default the pipeline's own."""
    lora: str | None = None
    """Low-rank weights to add: a ``.safetensors`` file, a folder, ``owner/name`` or
    ``owner/name/file`` on the hub."""
    lora_scale: Annotated[float, Field(ge=-10, le=10)] = 1.0
    """How much of the LoRA is added."""
    without: tuple[str, ...] = ()
    """Parts to leave out, e.g. ``text_encoder_3`` (most of SD3's memory) or ``safety_checker``."""
    width: Annotated[int, Field(ge=8, le=16384)] | None = None
    """Pixels; by default the size that the model was trained at."""
    height: Annotated[int, Field(ge=8, le=16384)] | None = None
    """Pixels; by default the size that the model was trained at."""
    dtype: _torch.Dtype = "auto"
    """Number format; ``auto`` takes half precision where the device computes in it."""
    offload: Literal["none", "model", "sequential"] = "none"
    """Keep weights in main memory until they are needed: a ``model`` (a text encoder, a UNet) at a
    time, which costs little, or layer by layer (``sequential``), which costs most of the speed."""
    compile: bool = False
    """Compile the denoising network: minutes once a session, then faster."""

    @model_validator(mode="after")
    def _hangs_together(self) -> DiffusersSettings:
        if self.lora is None and "lora_scale" in self.model_fields_set:
            raise ValueError("lora_scale is set, but no lora")
        return self


class DiffusersBackend:
    """Finds and loads text-to-image pipelines."""

    settings = DiffusersSettings
    tells_reading = True

    def role(self, settings: DiffusersSettings) -> Role:
        """Always a generator."""
        return Role.GENERATOR

    def recognises(self, folder: str) -> bool:
        """A pipeline has a ``model_index.json``."""
        return (Path(folder) / "model_index.json").is_file()

    def locate(self, settings: DiffusersSettings) -> Located:
        """Find the pipeline's files."""
        located = _files.locate(settings.path, settings.revision, settings.variant)
        if located.folder and not self.recognises(located.folder):
            raise ModelError(
                f"{settings.path}: no model_index.json there, so it is not a diffusers pipeline; "
                f'a captioner wants backend = "transformers"'
            )
        if located.folder:
            _check_parts(settings, located.folder)
        return _pipeline.with_lora(located, settings)

    def load(self, settings: DiffusersSettings, located: Located) -> Player:
        """Load the pipeline; it is brought onto its device when it plays."""
        shared = {"variant", "dtype", "device", "lora_scale", "without", "offload", "compile"}
        what = (
            located.identity, settings.copy_number, settings.model_dump_json(include=shared)
        )  # fmt: skip
        weights = _torch.load_once(what, lambda: _pipeline.load(settings, located))
        pipeline = weights.pipeline
        if settings.scheduler:
            current = type(pipeline.scheduler).__name__
            _pipeline.check_scheduler(settings.scheduler, current, settings.path)
        known = inspect.signature(type(pipeline).__call__).parameters
        options = {
            "num_inference_steps": settings.steps,
            "guidance_scale": settings.guidance,
            "negative_prompt": settings.negative_prompt,
            "width": settings.width,
            "height": settings.height,
        }
        options = {name: value for name, value in options.items() if value is not None}
        for name in options:
            if name not in known:
                raise ModelError(f"{settings.path}: {type(pipeline).__name__} takes no {name}")
        return DiffusersGenerator(
            pipeline=_pipeline.dress(pipeline, settings.scheduler),
            weights=weights,
            reader=_reading.reader_of(pipeline, located.identity),
            options=options,
            decided=settings.model_dump(include=DECIDING, exclude_defaults=True),
            batch_size=settings.batch_size or 1,
            located=located,
        )


@dataclass(frozen=True)
class DiffusersGenerator(_torch.TorchPlayer):
    """A text-to-image pipeline as a player."""

    pipeline: Any
    reader: _reading.PromptReader | None
    decided: dict[str, Any]
    """Settings that decide its outputs and are not among the options."""
    role: Role = Role.GENERATOR

    @property
    def fingerprint(self) -> str:
        """Hash of weights, settings, number format, kind of device and micro-batch."""
        return self.named(self.pipeline.dtype, *sorted(self.decided.items()))

    def play(self, inputs: Sequence[str], seeds: Sequence[int]) -> list[Output | Failure]:
        """Draw one picture a prompt."""
        torch = _torch.import_torch()
        options = dict(self.options)
        if "negative_prompt" in options:
            options["negative_prompt"] = [options["negative_prompt"]] * self.batch_size
        self.weights.move_in()
        with torch.inference_mode(), _torch.quietly():
            result = self.pipeline(
                prompt=_torch.pad(list(inputs), self.batch_size),
                generator=_torch.generators(_torch.pad(list(seeds), self.batch_size)),
                output_type="np",
                **options,
            )
        filtered = getattr(result, "nsfw_content_detected", None) or [False] * self.batch_size
        return [
            self._output(text, pixels, blocked)
            for text, pixels, blocked in zip(inputs, result.images, filtered, strict=False)
        ]

    def _output(self, text: str, pixels: np.ndarray[Any, Any], filtered: bool) -> Output | Failure:
        if not np.isfinite(pixels).all():
            return Failure('the picture has values that are not numbers (try dtype = "float32")')
        levels = (np.clip(pixels, 0, 1) * 255).round().astype(np.uint8)
        flags = []
        image = Image.fromarray(levels).convert("RGB")
        if _samples.is_flat(image):
            flags.append("flat")
        if filtered:
            flags.append("filtered")
        if not text.strip():
            flags.append("empty prompt")
        readings = () if self.reader is None else self.reader.read(text)
        return Output(image, readings, flags=tuple(flags))

    def limits(self) -> dict[str, Any]:
        """Tokens read, picture size, parameters, number format, device."""
        modules = self.pipeline.components.values()
        return {
            "pipeline": type(self.pipeline).__name__,
            "prompt tokens": self.reader and self.reader.window,
            "of each text encoder": self.reader and self.reader.windows,
            "parameters": sum(
                weight.numel()
                for module in modules
                if hasattr(module, "parameters")
                for weight in module.parameters()
            ),
            "dtype": str(self.pipeline.dtype).removeprefix("torch."),
            "scheduler": type(self.pipeline.scheduler).__name__,
            "device": self.device,
        }

    def samples(self, count: int) -> list[str]:
        """Different prompts."""
        return _samples.prompts(count)


def _check_parts(settings: DiffusersSettings, folder: str) -> None:
    parts = _files.read_json(folder, "model_index.json")
    names = sorted(name for name in parts if not name.startswith("_"))
    for name in settings.without:
        if name not in names:
            raise ModelError(
                f"{settings.path}: without: it has no '{name}'.{nearest(name, names)} "
                f"Its parts: {', '.join(names)}."
            )
    current = parts.get("scheduler")
    if settings.scheduler and isinstance(current, list):
        _pipeline.check_scheduler(settings.scheduler, str(current[-1]), settings.path)


backend = DiffusersBackend()
