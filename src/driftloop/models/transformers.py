"""Captioners that transformers runs: whatever ``AutoModelForImageTextToText`` loads."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

from PIL import Image
from pydantic import Field, model_validator

from ..errors import ModelError, lacking
from ..steps import Failure, Output, Role
from . import _files, _telling, _torch
from ._backend import Backend
from ._budget import caption
from ._devices import OnDevices
from ._needs import MARKS, Wanted
from ._player import Player
from ._protocols import Located
from ._sampling import Counter, GumbelSampling

WANTED = Wanted("captioner")
TOKENS_PER_WORD = 4
"""Room for a caption's tokens: far more than a budget's words need, so that the budget and not
the room ends a caption."""


class TransformersSettings(OnDevices):
    """Settings of a captioner."""

    UNHURRIED = frozenset({"batch_size", "temperature", "top_p"})
    revision: str | None = None
    """Branch, tag or commit on the hub."""
    instruction: str | None = None
    """What the captioner is told; ``{words}`` stands for the word budget. By default "Describe this
    picture." for a model that chats, and nothing for one that goes on from a text (GIT, BLIP,
    BLIP-2, PaliGemma), which then captions in its own way."""
    words: Annotated[int, Field(ge=1, le=4000)] | None = None
    """Word budget. What a caption has beyond it is cut at a sentence end, and recorded. Where a
    script has no blanks between words, a Chinese character or a hiragana counts as one, and so do
    three letters of Thai, Lao, Khmer or Burmese."""
    temperature: Annotated[float, Field(ge=0, le=10)] = 0.0
    """Sampling temperature; 0 always takes the likeliest token."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Sample from the smallest set of tokens with this probability."""
    max_tokens: Annotated[int, Field(ge=1, le=16384)] | None = None
    """Tokens a caption may have; by default 4 a word of the budget, or 512."""
    dtype: _torch.Dtype = "auto"
    """Number format; ``auto`` takes half precision where the device computes in it."""
    quantise: Literal["4bit", "8bit"] | None = None
    """Keep the weights of the language model in 4 bits (NF4) or 8 (LLM.int8), by bitsandbytes: a
    fraction of the memory, and another model in what it says."""

    @model_validator(mode="after")
    def _budget_is_told(self) -> TransformersSettings:
        if "{words}" in (self.instruction or "") and self.words is None:
            raise ValueError("the instruction says {words}, but no word budget 'words' is set")
        return self


class TransformersBackend(Backend):
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
        located = _files.locate(settings.path, WANTED, settings.revision)
        if located.folder:
            self._check(settings, located.folder)
        return located

    def fetch(self, settings: TransformersSettings, located: Located) -> Located:
        """Fetch the model's files where they are not here."""
        if located.folder:
            return located
        folder = str(_files.fetch(settings.path, located, WANTED, settings.revision))
        self._check(settings, folder)
        return located._replace(folder=folder)

    def _check(self, settings: TransformersSettings, folder: str) -> None:
        if not self.recognises(folder):
            raise ModelError(f"{settings.path}: {MARKS['captioner']['config.json']}")
        if settings.instruction and not _telling.can_be_told(folder):
            raise ModelError(_cannot_be_told(settings.path))

    def load(self, settings: TransformersSettings, located: Located) -> Player:
        """Load model and processor; the model is brought onto its device when it plays."""
        located = self.fetch(settings, located)
        what = (
            located.identity,
            settings.dtype,
            settings.place,
            settings.copy_number,
            settings.quantise,
        )
        weights = _torch.load_once(what, lambda: _load_weights(settings, located))
        if settings.instruction and weights.way == "picture":
            raise ModelError(_cannot_be_told(settings.path))
        return TransformersCaptioner(
            weights=weights,
            options=settings.model_dump(
                exclude={"path", "revision", "batch_size", "device", "dtype", "quantise"}
            ),
            quantise=settings.quantise,
            batch_size=settings.batch_size or 1,
            located=located,
        )


@dataclass(eq=False)
class _Weights(_torch.Weights):
    model: Any
    processor: Any
    """Shows and tells; where nothing can be told, only an image processor."""
    tokenizer: Any

    @property
    def way(self) -> _telling.Way:
        return _telling.way_of(self.model, self.processor)


@dataclass(frozen=True)
class TransformersCaptioner(_torch.TorchPlayer):
    """An image-text-to-text model as a player."""

    role = Role.CAPTIONER
    weights: _Weights = field()
    quantise: str | None = None

    @property
    def model(self) -> Any:
        """The model itself, to be looked into."""
        return self.weights.model

    @property
    def processor(self) -> Any:
        """Its processor: chat template, tokenizer, picture preparation."""
        return self.weights.processor

    @property
    def fingerprint(self) -> str:
        """Hash of weights, settings, number format, kind of device and micro-batch."""
        return self.named(self.model.dtype, *([self.quantise] if self.quantise else []))

    def within(self, words: int) -> TransformersCaptioner:
        """The same model told to keep to a number of words, where it can be told by request."""
        told, words = self._told, min(words, self.options["words"] or words)
        if self.weights.way == "chat":
            told = _telling.within_words(told)
        return replace(self, options={**self.options, "instruction": told, "words": words})

    @property
    def instruction(self) -> str:
        """What the captioner is told."""
        return self._told.replace("{words}", str(self.options["words"]))

    @property
    def _told(self) -> str:
        told = self.options["instruction"]
        if told is None:
            told = _telling.DEFAULT_TOLD if self.weights.way == "chat" else ""
        return str(told)

    def play(self, inputs: Sequence[Image.Image], seeds: Sequence[int]) -> list[Output | Failure]:
        """Describe one picture each."""
        return _torch.by_size(inputs, seeds, self._play)

    def _play(self, images: list[Image.Image], seeds: list[int]) -> list[Output | Failure]:
        torch = _torch.import_torch()
        padded = _torch.pad(images, self.batch_size)
        counter = Counter()
        self.weights.move_in()
        with torch.inference_mode(), _torch.quietly():
            features = _telling.features(self.model, self.processor, padded, self.instruction)
            tokens = self.model.generate(
                **features,
                do_sample=False,
                num_beams=1,
                max_new_tokens=self._room(features),
                logits_processor=[counter, *self._sampling(_torch.pad(seeds, self.batch_size))],
            )
        answers = tokens[:, tokens.shape[1] - counter.tokens :].tolist()
        return [self._output(answer) for answer in answers[: len(images)]]

    def _room(self, features: dict[str, Any]) -> int:
        room = int(self.options["max_tokens"] or TOKENS_PER_WORD * (self.options["words"] or 128))
        left = _telling.room_left(self.model, features)
        return room if left is None else min(room, left)

    def _sampling(self, seeds: list[int]) -> list[Any]:
        if self.options["temperature"] == 0:
            return []
        return [GumbelSampling(seeds, self.options["temperature"], self.options["top_p"])]

    def _output(self, tokens: list[int]) -> Output:
        ends = _telling.end_tokens(self.model, self.weights.tokenizer)
        length = next((i for i, token in enumerate(tokens) if token in ends), None)
        return caption(
            self.weights.tokenizer.decode(tokens[:length], skip_special_tokens=True),
            self.options["words"],
            tokens=len(tokens) if length is None else length,
            finished=length is not None,
        )

    def limits(self) -> dict[str, Any]:
        """Architecture, instruction, parameters, number format, device."""
        return {
            "architecture": type(self.model).__name__,
            "instruction": self.instruction,
            "told by": self.weights.way,
            "parameters": sum(weight.numel() for weight in self.model.parameters()),
            "dtype": str(self.model.dtype).removeprefix("torch."),
            **({"quantised": self.quantise} if self.quantise else {}),
            "device": self.device,
        }


def _load_weights(settings: TransformersSettings, located: Located) -> _Weights:
    _torch.import_torch()
    try:
        import transformers
    except ImportError as error:
        raise ModelError(lacking("transformers", "all", error)) from error
    device = _torch.pick_device(settings.place)
    dtype = _torch.pick_dtype(settings.dtype, device)
    source, safe = str(located.folder), _files.SAFE
    try:
        with _torch.quietly():
            config = transformers.AutoConfig.from_pretrained(source, **safe)
            # Before the weights: what a processor lacks is told without reading gigabytes.
            if config.model_type in _telling.PICTURE_ONLY:
                processor = transformers.AutoImageProcessor.from_pretrained(source, **safe)
                tokenizer = transformers.AutoTokenizer.from_pretrained(source, **safe)
            else:
                processor = transformers.AutoProcessor.from_pretrained(source, **safe)
                tokenizer = processor.tokenizer
            model = transformers.AutoModelForImageTextToText.from_pretrained(
                source,
                dtype=dtype,
                use_safetensors=True,
                **safe,
                **_quantised(settings, device, dtype),
            )
    except (OSError, ValueError, KeyError, ImportError, AttributeError) as error:
        for library in ("torchvision", "num2words"):
            if library in str(error).lower() and importlib.util.find_spec(library) is None:
                raise ModelError(
                    f"{settings.path}: its processor also reads videos and needs {library}: "
                    f"pip install 'driftloop[video]'"
                ) from error
        raise ModelError(
            _files.own_code(settings.path, source)
            or f"{settings.path}: transformers cannot load it: {error}"
        ) from error
    tokenizer.padding_side = "left"
    # Quantised weights are put where they belong while they are loaded, and cannot be moved.
    modules = [] if settings.quantise else [model]
    return _Weights(modules, device, model.eval(), processor, tokenizer)


def _quantised(settings: TransformersSettings, device: Any, dtype: Any) -> dict[str, Any]:
    """What ``from_pretrained`` is told of quantisation; nothing where there is none."""
    if settings.quantise is None:
        return {}
    if importlib.util.find_spec("bitsandbytes") is None:
        raise ModelError(
            f'{settings.path}: quantise = "{settings.quantise}" needs bitsandbytes: '
            f"pip install 'driftloop[quantise]'"
        )
    from transformers import BitsAndBytesConfig

    how = (
        {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_compute_dtype": dtype}
        if settings.quantise == "4bit"
        else {"load_in_8bit": True}
    )
    return {"quantization_config": BitsAndBytesConfig(**how), "device_map": {"": device}}


def _cannot_be_told(path: str) -> str:
    return (
        f"{path}: a model of this kind takes a picture and no text: leave out 'instruction' "
        f"(captions are still cut to 'words')"
    )


backend = TransformersBackend()
