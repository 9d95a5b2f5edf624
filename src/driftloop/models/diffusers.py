"""What diffusers runs: generators, and editors where ``task = "image-to-image"``.

They are what ``AutoPipelineForText2Image`` and ``AutoPipelineForImage2Image`` load.

A picture is drawn from its own random numbers (one torch generator a sample, on the CPU) in a
micro-batch of fixed shape, so that it does not depend on what is drawn beside it.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from PIL import Image
from pydantic import Field, model_validator

from ..errors import ModelError, nearest
from ..steps import Failure, Output, Role, fullest
from . import _files, _pipeline, _reading, _samples, _torch
from ._backend import Backend
from ._devices import OnDevices
from ._player import Player
from ._protocols import Located

DECIDING = {
    "task", "prompt", "scheduler", "variant", "lora_scale", "without", "offload", "compile",
}  # fmt: skip
"""Settings that decide a picture's bits and are no options of the call."""


def _left_out(value: object) -> bool:
    """Whether a setting of editors alone is as generators have it; those keep what names them."""
    return value in {None, "", "text-to-image"}


class DiffusersSettings(OnDevices):
    """Settings of a generator or an editor."""

    UNHURRIED = frozenset({"batch_size", "prompt", "negative_prompt", "lora_scale"})
    task: Annotated[_pipeline.Task, Field(exclude_if=_left_out)] = "text-to-image"
    """What the model is for: a generator draws a text, an editor (``image-to-image``) makes a
    picture of a picture."""
    strength: Annotated[float | None, Field(gt=0, le=1, exclude_if=_left_out)] = None
    """How much of the picture an editor makes anew, from 0 to 1: the share of the denoising steps
    that it takes; by default the pipeline's own."""
    prompt: Annotated[str, Field(exclude_if=_left_out)] = ""
    """What an editor is told with every picture; by default nothing, so that the picture alone
    says."""
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
        if self.task == "text-to-image" and (self.strength is not None or self.prompt):
            raise ValueError('strength and prompt need task = "image-to-image"')
        if self.steps and self.strength and int(self.steps * self.strength) < 1:
            raise ValueError(
                f"a strength of {self.strength} leaves none of {self.steps} steps: more steps, or "
                f"a strength of {1 / self.steps:.2g} at least"
            )
        return self


class DiffusersBackend(Backend):
    """Finds and loads pipelines."""

    settings = DiffusersSettings
    tells_reading = True

    def role(self, settings: DiffusersSettings) -> Role:
        """A generator, or an editor where the task says so."""
        return Role.EDITOR if settings.task == "image-to-image" else Role.GENERATOR

    def recognises(self, folder: str) -> bool:
        """A pipeline has a ``model_index.json``."""
        return (Path(folder) / "model_index.json").is_file()

    def locate(self, settings: DiffusersSettings) -> Located:
        """Find the pipeline's files."""
        located = _files.locate(settings.path, _pipeline.wanted(settings), settings.revision)
        if located.folder:
            _check_parts(settings, located.folder)
        return _pipeline.with_lora(located, settings)

    def fetch(self, settings: DiffusersSettings, located: Located) -> Located:
        """Fetch the files of the pipeline, and of its LoRA, where they are not here."""
        if settings.lora is not None:
            _pipeline.find_lora(settings.lora).fetched()
        if located.folder:
            return located
        wanted = _pipeline.wanted(settings)
        folder = str(_files.fetch(settings.path, located, wanted, settings.revision))
        _check_parts(settings, folder)
        return located._replace(folder=folder)

    def load(self, settings: DiffusersSettings, located: Located) -> Player:
        """Load the pipeline; it is brought onto its device when it plays."""
        located = self.fetch(settings, located)
        shared = {"variant", "dtype", "device", "lora_scale", "without", "offload", "compile"}
        # What moves weights to and fro belongs to one pipeline; else tasks share them.
        shared |= {"task"} if settings.offload != "none" else set()
        what = (
            located.identity, settings.copy_number, settings.model_dump_json(include=shared)
        )  # fmt: skip
        weights = _torch.load_once(what, lambda: _pipeline.load(settings, located))
        pipeline = _pipeline.for_task(weights.pipeline, settings.task)
        if settings.scheduler:
            current = type(pipeline.scheduler).__name__
            _pipeline.check_scheduler(settings.scheduler, current, settings.path)
        known = inspect.signature(type(pipeline).__call__).parameters
        options = {
            "num_inference_steps": settings.steps,
            "guidance_scale": settings.guidance,
            "negative_prompt": settings.negative_prompt,
            "strength": settings.strength,
            "width": settings.width,
            "height": settings.height,
        }
        options = {name: value for name, value in options.items() if value is not None}
        for name in options:
            if name not in known:
                raise ModelError(f"{settings.path}: {type(pipeline).__name__} takes no {name}")
        reader = _reading.reader_of(pipeline, located.identity)
        _check_prompt(settings, reader)
        player = DiffusersEditor if settings.task == "image-to-image" else DiffusersGenerator
        return player(
            pipeline=_pipeline.dress(pipeline, settings.scheduler),
            weights=weights,
            reader=reader,
            options=options,
            decided=settings.model_dump(include=DECIDING, exclude_defaults=True),
            batch_size=settings.batch_size or 1,
            located=located,
        )


@dataclass(frozen=True)
class _DiffusersPlayer(_torch.TorchPlayer):
    """A pipeline as a player."""

    pipeline: Any
    reader: _reading.PromptReader | None = field()
    decided: dict[str, Any]
    """Settings that decide its outputs and are not among the options."""

    @property
    def fingerprint(self) -> str:
        """Hash of weights, settings, number format, kind of device and micro-batch."""
        return self.named(self.pipeline.dtype, *sorted(self.decided.items()))

    def _draw(
        self, prompts: Sequence[str], seeds: Sequence[int], **more: Any
    ) -> list[Output | Failure]:
        """Call the pipeline: one picture a prompt, without what is known of the input."""
        torch = _torch.import_torch()
        options = {**self.options, **more}
        if "negative_prompt" in options:
            options["negative_prompt"] = [options["negative_prompt"]] * self.batch_size
        self.weights.move_in()
        with torch.inference_mode(), _torch.quietly():
            result = self.pipeline(
                prompt=_torch.pad(list(prompts), self.batch_size),
                generator=_torch.generators(_torch.pad(list(seeds), self.batch_size)),
                output_type="np",
                **options,
            )
        filtered = getattr(result, "nsfw_content_detected", None) or [False] * self.batch_size
        return [
            _picture(pixels, blocked)
            for pixels, blocked, _ in zip(result.images, filtered, prompts, strict=False)
        ]

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


class DiffusersGenerator(_DiffusersPlayer):
    """A text-to-image pipeline."""

    role = Role.GENERATOR

    def play(self, inputs: Sequence[str], seeds: Sequence[int]) -> list[Output | Failure]:
        """Draw one picture a prompt."""
        drawn = self._draw(inputs, seeds)
        return [self._read(text, outcome) for text, outcome in zip(inputs, drawn, strict=True)]

    def _read(self, text: str, outcome: Output | Failure) -> Output | Failure:
        """Add to a picture what was read of its prompt."""
        if isinstance(outcome, Failure):
            return outcome
        flags = outcome.flags if text.strip() else (*outcome.flags, "empty prompt")
        readings = () if self.reader is None else self.reader.read(text)
        return replace(outcome, readings=readings, flags=flags)


class DiffusersEditor(_DiffusersPlayer):
    """An image-to-image pipeline; it keeps the size of pictures where no other is set."""

    role = Role.EDITOR

    def play(self, inputs: Sequence[Image.Image], seeds: Sequence[int]) -> list[Output | Failure]:
        """Make one picture of each."""
        return _torch.by_size(inputs, seeds, self._edit)

    def _edit(self, images: list[Image.Image], seeds: list[int]) -> list[Output | Failure]:
        # Pipelines that take a size would else bring every picture to that of their training.
        known = inspect.signature(type(self.pipeline).__call__).parameters
        size = dict(zip(("width", "height"), images[0].size, strict=True))
        kept = {n: v for n, v in size.items() if n in known and n not in self.options}
        prompts = [self.decided.get("prompt", "")] * len(images)
        return self._draw(prompts, seeds, image=_torch.pad(images, self.batch_size), **kept)

    def samples(self, count: int) -> list[Image.Image]:
        """Different pictures of the size that the model was trained at."""
        return _samples.pictures(count, _pipeline.trained_side(self.pipeline))


def _picture(pixels: np.ndarray[Any, Any], filtered: bool) -> Output | Failure:
    if not np.isfinite(pixels).all():
        return Failure('the picture has values that are not numbers (try dtype = "float32")')
    levels = (np.clip(pixels, 0, 1) * 255).round().astype(np.uint8)
    image = Image.fromarray(levels).convert("RGB")
    flags = ["flat"] if _samples.is_flat(image) else []
    if filtered:
        flags.append("filtered")
    return Output(image, flags=tuple(flags))


def _check_prompt(settings: DiffusersSettings, reader: _reading.PromptReader | None) -> None:
    """Refuse an editor's own text where it is not read whole: it would be so in every step."""
    reading = fullest(reader.read(settings.prompt)) if reader else None
    if reading and reading.cut:
        raise ModelError(
            f"{settings.path}: prompt: it has {reading.tokens + reading.cut} tokens and "
            f"{reading.tokens} are read; not read: {reading.cut_text}"
        )


def _check_parts(settings: DiffusersSettings, folder: str) -> None:
    parts = _files.read_json(folder, "model_index.json")
    _pipeline.check_task(settings.task, str(parts.get("_class_name")), settings.path)
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
