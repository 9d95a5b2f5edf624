"""Captioners that transformers runs: whatever ``AutoModelForImageTextToText`` loads.

Batched ``generate`` has no source of randomness for each sample, so the seed draws Gumbel noise on
the filtered logits of its own sample and greedy decoding does the rest: exactly sampling, with one
caption a seed whatever the batch (Gumbel-max trick; Maddison et al. 2014, arXiv 1411.0030).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from PIL import Image
from pydantic import Field, model_validator

from ..errors import ModelError
from ..steps import Failure, Output, Role
from . import _files, _torch
from ._protocols import Located, Player, Settings

TOKENS_PER_WORD = 4
"""Room for a caption's tokens: far more than a budget's words need, so that the budget and not
the room ends a caption."""


class TransformersSettings(Settings):
    """Settings of a captioner."""

    revision: str | None = None
    """Branch, tag or commit on the hub."""
    instruction: str = "Describe this picture."
    """What the captioner is told; ``{words}`` stands for the word budget."""
    words: Annotated[int, Field(ge=1, le=4000)] | None = None
    """Word budget. What a caption has beyond it is cut at a sentence end, and recorded."""
    temperature: Annotated[float, Field(ge=0, le=10)] = 0.0
    """Sampling temperature; 0 always takes the likeliest token."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Sample from the smallest set of tokens with this probability."""
    max_tokens: Annotated[int, Field(ge=1, le=16384)] | None = None
    """Tokens a caption may have; by default 4 a word of the budget, or 512."""
    dtype: _torch.Dtype = "auto"
    """Number format; ``auto`` takes half precision where the device computes in it."""
    device: str = "auto"
    """``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps`` ..."""

    @model_validator(mode="after")
    def _budget_is_told(self) -> TransformersSettings:
        if "{words}" in self.instruction and self.words is None:
            raise ValueError("the instruction says {words}, but no word budget 'words' is set")
        return self


class TransformersBackend:
    """Finds and loads image-text-to-text models."""

    settings = TransformersSettings

    def role(self, settings: TransformersSettings) -> Role:
        """Always a captioner."""
        return Role.CAPTIONER

    def recognises(self, folder: str) -> bool:
        """A model has a ``config.json`` with a ``model_type``."""
        return "model_type" in _files.read_json(folder, "config.json")

    def locate(self, settings: TransformersSettings) -> Located:
        """Find the model's files."""
        located = _files.locate(settings.path, settings.revision)
        if located.folder and not self.recognises(located.folder):
            raise ModelError(
                f"{settings.path}: no config.json with a model_type there, so it is not a "
                f'transformers model; a generator wants backend = "diffusers"'
            )
        return located

    def load(self, settings: TransformersSettings, located: Located) -> Player:
        """Load model and processor onto their device."""
        what = (located.identity, settings.dtype, settings.device)
        return TransformersCaptioner(
            weights=_torch.load_once(what, lambda: _load_weights(settings, located)),
            options=settings.model_dump(
                exclude={"path", "revision", "batch_size", "device", "dtype"}
            ),
            batch_size=settings.batch_size or 1,
            located=located,
        )


@dataclass(frozen=True, eq=False)
class _Weights:
    model: Any
    processor: Any


@dataclass(frozen=True)
class TransformersCaptioner:
    """An image-text-to-text model as a player."""

    weights: _Weights
    options: dict[str, Any]
    batch_size: int
    located: Located
    role: Role = Role.CAPTIONER

    @property
    def model(self) -> Any:
        """The model itself, for whoever wants to look into it."""
        return self.weights.model

    @property
    def processor(self) -> Any:
        """Its processor: chat template, tokenizer, picture preparation."""
        return self.weights.processor

    @property
    def fingerprint(self) -> str:
        """Hash of weights, settings, number format, kind of device and micro-batch."""
        return _torch.fingerprint(
            self.located.identity,
            self.options,
            str(self.model.dtype),
            self.model.device.type,
            self.batch_size,
        )

    def resized(self, batch_size: int) -> TransformersCaptioner:
        """The same model with another micro-batch."""
        return replace(self, batch_size=batch_size)

    @property
    def instruction(self) -> str:
        """What the captioner is told."""
        return str(self.options["instruction"]).replace("{words}", str(self.options["words"]))

    def play(self, inputs: Sequence[Image.Image], seeds: Sequence[int]) -> list[Output | Failure]:
        """Describe one picture each."""
        torch = _torch.import_torch()
        features = self._features(_torch.pad(list(inputs), self.batch_size))
        room = self.options["max_tokens"] or TOKENS_PER_WORD * (self.options["words"] or 128)
        with torch.inference_mode(), _torch.quietly():
            tokens = self.model.generate(
                **features,
                do_sample=False,
                num_beams=1,
                max_new_tokens=room,
                logits_processor=self._sampling(_torch.pad(list(seeds), self.batch_size)),
            )
        answers = tokens[:, features["input_ids"].shape[1] :].tolist()
        return [self._output(answer) for answer in answers[: len(inputs)]]

    def _features(self, images: list[Image.Image]) -> Any:
        talks = [
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "image", "image": image},
                        {"type": "text", "text": self.instruction},
                    ],
                }
            ]
            for image in images
        ]
        features = self.processor.apply_chat_template(
            talks,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs={"padding": True},
        )
        return features.to(self.model.device, dtype=self.model.dtype)

    def _sampling(self, seeds: list[int]) -> list[Any]:
        if self.options["temperature"] == 0:
            return []
        return [GumbelSampling(seeds, self.options["temperature"], self.options["top_p"])]

    def _output(self, tokens: list[int]) -> Output | Failure:
        ends = self.model.generation_config.eos_token_id
        ends = {ends} if isinstance(ends, int) else set(ends or [])
        length = next((i for i, token in enumerate(tokens) if token in ends), None)
        flags = [] if length is not None else ["unfinished"]
        text = self.processor.decode(tokens[:length], skip_special_tokens=True)
        text, cut_text = cut_to_budget(" ".join(text.split()), self.options["words"])
        if cut_text:
            flags.append("over budget")
        if not text:
            flags.append("empty")
        written = len(tokens) if length is None else length
        return Output(text, tokens_read=written, cut_text=cut_text, flags=tuple(flags))

    def limits(self) -> dict[str, Any]:
        """Architecture, instruction, parameters, number format, device."""
        return {
            "architecture": type(self.model).__name__,
            "instruction": self.instruction,
            "parameters": sum(weight.numel() for weight in self.model.parameters()),
            "dtype": str(self.model.dtype).removeprefix("torch."),
            "device": str(self.model.device),
        }

    def samples(self, count: int) -> list[Image.Image]:
        """Different pictures: smooth random colour fields."""
        pictures = []
        for number in range(count):
            coarse = np.random.default_rng(number).integers(0, 256, (4, 4, 3), dtype=np.uint8)
            picture = Image.fromarray(coarse).resize((128, 128), Image.Resampling.BICUBIC)
            pictures.append(picture)
        return pictures


class GumbelSampling:
    """Adds each sample's own Gumbel noise to its filtered logits (a LogitsProcessor)."""

    def __init__(self, seeds: Sequence[int], temperature: float, top_p: float) -> None:
        self._generators = _torch.generators(seeds)
        self._temperature = temperature
        self._top_p = top_p

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Return logits whose maximum is a sample. Shapes: (batch, length), (batch, vocabulary)."""
        torch = _torch.import_torch()
        logits = torch.log_softmax(scores.float() / self._temperature, dim=-1)
        if self._top_p < 1:
            ranked, order = logits.sort(dim=-1, descending=True, stable=True)
            before = ranked.exp().cumsum(dim=-1) - ranked.exp()
            outside = (before >= self._top_p).scatter(1, order, before >= self._top_p)
            logits = logits.masked_fill(outside, -torch.inf)
        uniform = torch.stack(
            [torch.rand(logits.shape[1], generator=generator) for generator in self._generators]
        )
        tiny = torch.finfo(uniform.dtype).tiny
        exponential = (-torch.log(uniform.clamp_min(tiny))).clamp_min(tiny)
        noise = -torch.log(exponential)
        return logits + noise.to(logits.device)


def cut_to_budget(text: str, words: int | None) -> tuple[str, str]:
    """Split a caption into what its budget allows and the rest, at a sentence end if there is one.

    >>> cut_to_budget("A cat sits. It is very old.", 4)
    ('A cat sits.', 'It is very old.')
    >>> cut_to_budget("A cat sits.", 4)
    ('A cat sits.', '')
    """
    spans = [match.end() for match in re.finditer(r"\S+", text)]
    if words is None or len(spans) <= words:
        return text, ""
    room = text[: spans[words - 1]]
    ends = [match.end() for match in re.finditer(r"[.!?](?=\s|$)", room)]
    at = ends[-1] if ends else len(room)
    return text[:at], text[at:].lstrip()


def _load_weights(settings: TransformersSettings, located: Located) -> _Weights:
    _torch.import_torch()
    try:
        import transformers
    except ImportError as error:
        raise ModelError("transformers is not installed: pip install 'driftloop[all]'") from error
    device = _torch.pick_device(settings.device)
    source = located.folder or settings.path
    revision = {"revision": settings.revision} if settings.revision else {}
    try:
        with _torch.quietly(bars=located.folder is None):
            processor = transformers.AutoProcessor.from_pretrained(source, **revision)
            model = transformers.AutoModelForImageTextToText.from_pretrained(
                source, dtype=_torch.pick_dtype(settings.dtype, device), **revision
            )
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ModelError(f"{settings.path}: transformers cannot load it: {error}") from error
    if getattr(processor, "chat_template", None) is None:
        raise ModelError(
            f"{settings.path}: its processor has no chat template, so it cannot be instructed"
        )
    processor.tokenizer.padding_side = "left"
    return _Weights(model.to(device).eval(), processor)


backend = TransformersBackend()
