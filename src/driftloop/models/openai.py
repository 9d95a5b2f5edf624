"""Generators and captioners on a server that speaks OpenAI's API, as it is published.

A picture is asked of the images endpoint, a caption of chat completions with the picture beside the
instruction. vLLM, SGLang, llama.cpp, Ollama, LocalAI and many others offer the one or the other.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from PIL import Image

from ..errors import ModelError, ServerError, lacking
from ..steps import Failure, Output, Role
from . import _answers, _keys, _samples, _server, _torch
from ._backend import Backend
from ._player import Player
from ._protocols import Contact, Located
from ._server_settings import OFFICIAL, OpenAISettings
from ._telling import within_words

if TYPE_CHECKING:
    from ._web import Web

T = TypeVar("T")

SEED_BITS = 31
"""Servers disagree about the largest seed; all take a positive 32-bit integer."""
LARGEST_PICTURE = 256 * 2**20
"""Bytes of an answer with a picture, or of a picture that is fetched by its address."""
LARGEST_TEXT = 16 * 2**20
"""Bytes of an answer with a caption."""


class OpenAIBackend(Backend):
    """Finds nothing, as nothing is here; connects to a server."""

    settings = OpenAISettings

    def role(self, settings: OpenAISettings) -> Role:
        """What the study says it is."""
        return Role(settings.role)

    def locate(self, settings: OpenAISettings) -> Located:
        """Name the model by server and name; whether it is there shows when it is asked."""
        return Located(None, f"server:{settings.base_url}{settings.path}", 0)

    def contact(self, settings: OpenAISettings) -> Contact:
        """Connect to the server, without a key and without asking the model; within 5 seconds."""
        web = _import_web()
        try:
            key, trouble = _key(settings).variable, ""
        except ModelError as error:
            key, trouble = "", str(error)
        trouble = trouble or web.run(_web(settings).reach(settings.base_url))
        return Contact(settings.base_url, key, trouble)

    def load(self, settings: OpenAISettings, located: Located) -> Player:
        """Get ready to ask; nothing is asked yet.

        Raises:
            ModelError: The HTTP library is not installed, or the key is not in the environment or
                may not go to the server.
        """
        key = _key(settings)
        # All that play on a server notice together that it is gone; who loads anew asks anew.
        silence = _torch.load_once(("silence", settings.base_url), _server.Silence)
        silence.ends()
        return ServerPlayer(
            web=_web(settings),
            headers=_headers(settings, key.value),
            patience=_server.Patience(
                settings.timeout, settings.retries, settings.backoff, key.value, silence
            ),
            settings=settings,
            batch_size=settings.batch_size or settings.concurrency,
            located=located,
        )


def _import_web() -> Any:
    try:
        from . import _web
    except ImportError as error:
        raise ModelError(lacking("a model on a server", "openai", error)) from error
    return _web


def _web(settings: OpenAISettings) -> Web:
    web: Web = _torch.load_once(("web", settings.base_url), _import_web().Web)
    return web


def _key(settings: OpenAISettings) -> _keys.Key:
    named = "api_key_env" in settings.model_fields_set
    return _keys.key_for(settings.api_key_env, settings.base_url, named=named)


def _headers(settings: OpenAISettings, key: str) -> dict[str, str]:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    if settings.base_url == OFFICIAL:
        # Whom OpenAI bills, where an account has several to choose from.
        for name in ("Organization", "Project"):
            variable = {"Organization": "OPENAI_ORG_ID", "Project": "OPENAI_PROJECT_ID"}[name]
            if chosen := os.environ.get(variable, "").strip():
                headers[f"OpenAI-{name}"] = chosen
    return headers


@dataclass
class _Usage:
    """Tokens that the server says it read and wrote."""

    calls: int = 0
    read: int = 0
    written: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, read: int, written: int) -> None:
        with self.lock:
            self.calls += 1
            self.read += read
            self.written += written


@dataclass(frozen=True)
class ServerPlayer(Player):
    """A model on a server as a player.

    Its device is the model on its server, which is asked ``concurrency`` times at once and no more.
    """

    answers_the_same = False
    test_size = 2
    web: Web = field(repr=False, compare=False)
    headers: dict[str, str] = field(repr=False)
    patience: _server.Patience = field(repr=False)
    settings: OpenAISettings
    batch_size: int
    located: Located
    usage: _Usage = field(default_factory=_Usage, repr=False, compare=False)
    playing: set[asyncio.Event] = field(default_factory=set, repr=False, compare=False)
    """Those of micro-batches in play, to be set where they are to end."""
    role: Role = field(init=False)
    device: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "role", Role(self.settings.role))
        object.__setattr__(self, "device", self.located.identity)

    @property
    def fingerprint(self) -> str:
        """Hash of server, model and settings; requests know nothing of their micro-batch."""
        known = {"path", "base_url"}  # which are its identity
        decides = self.settings.model_dump(mode="json", exclude={*self.settings.UNDECIDING, *known})
        return _torch.fingerprint(self.located.identity, decides)

    def resized(self, batch_size: int) -> ServerPlayer:
        """The same model with another micro-batch."""
        return replace(self, batch_size=batch_size)

    def play(self, inputs: Sequence[Any], seeds: Sequence[int]) -> list[Output | Failure]:
        """Ask for each by itself; one that gets no answer fails, the others keep theirs.

        Raises:
            ServerError: It has not answered for ``gives_up`` requests; nothing was asked.
        """
        silence = self.patience.silence
        if silence.requests >= self.settings.gives_up:
            raise ServerError(
                f"{self.settings.base_url} has not answered {silence.requests} requests in a row "
                f"({silence.last}); when it is back, the same command goes on and retries them"
            )
        if not 0 < len(inputs) <= self.batch_size:
            raise ValueError(f"{len(inputs)} inputs for a micro-batch of {self.batch_size}")
        return list(_import_web().run(self._answer_all(inputs, seeds)))

    def stop(self) -> None:
        """Ask nothing more of what is in play, and nothing again; what is on its way may come."""
        for stop in list(self.playing):
            _import_web().loop().call_soon_threadsafe(stop.set)

    def within(self, words: int) -> ServerPlayer:
        """The same captioner told to keep to a number of words."""
        told = {
            "instruction": within_words(self.settings.instruction),
            "words": min(words, self.settings.words or words),
        }
        return replace(self, settings=self.settings.model_copy(update=told))

    @property
    def instruction(self) -> str:
        """What a captioner is told."""
        return self.settings.instruction.replace("{words}", str(self.settings.words))

    async def _answer_all(
        self, inputs: Sequence[Any], seeds: Sequence[int]
    ) -> list[Output | Failure]:
        gate, stop = asyncio.Semaphore(self.settings.concurrency), asyncio.Event()
        self.playing.add(stop)
        try:
            return await asyncio.gather(
                *(
                    self._answer(item, seed, gate, stop)
                    for item, seed in zip(inputs, seeds, strict=True)
                )
            )
        finally:
            self.playing.discard(stop)

    async def _answer(
        self, item: Any, seed: int, gate: asyncio.Semaphore, stop: asyncio.Event
    ) -> Output | Failure:
        """Whatever goes wrong with one is its own failure."""
        one = self._draw if self.role is Role.GENERATOR else self._describe
        async with gate:
            if stop.is_set():
                return Failure("stopped before it was asked", stopped=True)
            try:
                return await one(item, seed, stop)
            except Exception as error:
                return self.patience.failure(error, _server.Asked(self.settings.base_url))

    async def _draw(self, text: str, seed: int, stop: asyncio.Event) -> Output | Failure:
        settings = self.settings
        size = {"size": f"{settings.width}x{settings.height}"} if settings.width else {}
        form = {"response_format": settings.response_format} if settings.response_format else {}
        body = {
            "model": settings.path, "prompt": text, **size, **form,
            **self._extra(seed, bool(settings.seeded)),
        }  # fmt: skip
        found = await self._ask(
            "images/generations", body, LARGEST_PICTURE, stop,
            lambda data: _answers.read_picture_of(data, text),
        )  # fmt: skip
        if isinstance(found, Failure):
            return found
        if found.is_address:
            # Asked again by itself: the picture is drawn, and paid for.
            address = _server.join(settings.base_url, found.data)
            data = await self.patience.ask(
                lambda: self.web.fetch(address, settings.base_url, LARGEST_PICTURE),
                _server.Asked(address if address.startswith("http") else settings.base_url), stop,
            )  # fmt: skip
            if isinstance(data, Failure):
                return data
        else:
            data = _answers.decode_base64(found.data)
        picture, notes = await asyncio.to_thread(_server.open_picture, data)
        odd = {"flat": _samples.is_flat(picture), "empty prompt": not text.strip()}
        flags = tuple(flag for flag, is_so in odd.items() if is_so)
        return Output(picture, flags=(*flags, *found.flags, *notes))

    async def _describe(
        self, picture: Image.Image, seed: int, stop: asyncio.Event
    ) -> Output | Failure:
        settings = self.settings
        chosen = settings.model_dump(include={"temperature", "top_p", "max_tokens"})
        content = [
            {"type": "image_url", "image_url": {"url": await asyncio.to_thread(_png, picture)}},
            {"type": "text", "text": self.instruction},
        ]
        body = {
            "model": settings.path,
            "messages": [{"role": "user", "content": content}],
            **{name: value for name, value in chosen.items() if value is not None},
            **self._extra(seed, settings.seeded is not False),
        }

        def read(data: Any) -> Output:
            self.usage.add(*_answers.tokens_of(data))
            return _answers.read_caption(data, settings.words, settings.max_tokens)

        return await self._ask("chat/completions", body, LARGEST_TEXT, stop, read)

    async def _ask(
        self, path: str, body: dict[str, Any], largest: int, stop: asyncio.Event,
        read: Callable[[Any], T],
    ) -> T | Failure:  # fmt: skip
        address = self.settings.base_url + path
        asked = _server.Asked(address, body.keys(), self.settings.extra.keys())
        # Lone surrogates of a prompt have no UTF-8, and JSON has a form for them.
        sent = json.dumps(body).encode()

        async def call() -> T:
            found = await self.web.post(address, sent, self.headers, largest)
            return read(_answers.read_json(found))

        return await self.patience.ask(call, asked, stop)

    def _extra(self, seed: int, seeded: bool) -> dict[str, Any]:
        told = {"seed": seed % 2**SEED_BITS} if seeded else {}
        return {**told, **self.settings.extra}

    def facts(self) -> dict[str, Any]:
        """What this session has learnt for the next plan: tokens a call."""
        usage = self.usage
        if not usage.calls or not usage.written:
            return {}
        return {"tokens_in": usage.read / usage.calls, "tokens_out": usage.written / usage.calls}

    def limits(self) -> dict[str, Any]:
        """Server, model, and what it is told."""
        told = {"instruction": self.instruction} if self.role is Role.CAPTIONER else {}
        return {"server": self.settings.base_url, "model": self.settings.path, **told}


def _png(picture: Image.Image) -> str:
    """A picture as a ``data:`` address, lossless."""
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


backend = OpenAIBackend()
