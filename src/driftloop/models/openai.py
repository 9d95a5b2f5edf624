"""Generators and captioners on a server that speaks OpenAI's API, by the official client.

A picture is asked of the images endpoint, a caption of chat completions with the picture beside the
instruction. vLLM, SGLang, llama.cpp, Ollama, LocalAI and many others offer the one or the other.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from PIL import Image

from ..errors import ModelError, ServerError
from ..steps import Failure, Output, Role
from . import _samples, _server, _torch
from ._budget import caption
from ._protocols import Located, Player
from ._server_settings import OFFICIAL, OpenAISettings
from ._telling import within_words

SEED_BITS = 31
"""Servers disagree about the largest seed; all take a positive 32-bit integer."""


class OpenAIBackend:
    """Finds nothing, as nothing is here; connects to a server."""

    settings = OpenAISettings

    def role(self, settings: OpenAISettings) -> Role:
        """What the study says it is."""
        return Role(settings.role)

    def recognises(self, folder: str) -> bool:
        """A server's model has no folder."""
        return False

    def locate(self, settings: OpenAISettings) -> Located:
        """Name the model by server and name; whether it is there shows when it is asked."""
        return Located(None, f"server:{settings.base_url}{settings.path}", 0)

    def load(self, settings: OpenAISettings, located: Located) -> Player:
        """Make a client; nothing is asked yet.

        Raises:
            ModelError: The client is not installed, or the key is not in the environment.
        """
        try:
            import openai
        except ImportError as error:
            raise ModelError("openai is not installed: pip install 'driftloop[openai]'") from error
        key = os.environ.get(settings.api_key_env, "")
        named = "api_key_env" in settings.model_fields_set
        if not key and (named or settings.base_url == OFFICIAL):
            raise _server.missing_key(settings.api_key_env)
        client = openai.OpenAI(
            api_key=key or "none", base_url=settings.base_url, timeout=settings.timeout,
            max_retries=0,
        )  # fmt: skip
        # All that play on a server notice together that it is gone; who loads anew asks anew.
        silence = _torch.load_once(("silence", settings.base_url), _server.Silence)
        silence.ends()
        return ServerPlayer(
            client=client,
            patience=_server.Patience(settings.retries, settings.backoff, key, silence),
            settings=settings,
            batch_size=settings.batch_size or settings.concurrency,
            located=located,
        )


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
class ServerPlayer:
    """A model on a server as a player."""

    client: Any = field(repr=False)
    patience: _server.Patience = field(repr=False)
    settings: OpenAISettings
    batch_size: int
    located: Located
    usage: _Usage = field(default_factory=_Usage, repr=False, compare=False)
    test_size: int = 2
    """Inputs in the self-test, each of which may cost money."""

    @property
    def role(self) -> Role:
        """What the study says it is."""
        return Role(self.settings.role)

    @property
    def device(self) -> str:
        """The model on its server, which is asked ``concurrency`` times at once and no more."""
        return self.located.identity

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
        one: Callable[[Any, int], Output]
        one = self._draw if self.role is Role.GENERATOR else self._describe
        with ThreadPoolExecutor(self.settings.concurrency) as pool:
            jobs = [
                pool.submit(self.patience.ask, lambda item=item, seed=seed: one(item, seed))
                for item, seed in zip(inputs, seeds, strict=True)
            ]
            return [job.result() for job in jobs]

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

    def _draw(self, text: str, seed: int) -> Output:
        settings = self.settings
        size = {"size": f"{settings.width}x{settings.height}"} if settings.width else {}
        form = {"response_format": settings.response_format} if settings.response_format else {}
        found = self.client.images.generate(
            model=settings.path, prompt=text, n=1, **size, **form,
            extra_body=self._extra(seed, bool(settings.seeded)),
        )  # fmt: skip
        answer = _first(_server.plain(found), "data")
        if answer.get("b64_json"):
            picture, notes = _server.decode_picture(str(answer["b64_json"]))
        elif answer.get("url"):
            url = str(answer["url"])
            picture, notes = _server.fetch_picture(url, settings.base_url, settings.timeout)
        else:
            raise _server.GarbageError("an answer without a picture")
        odd = {
            "flat": _samples.is_flat(picture),
            "empty prompt": not text.strip(),
            "rewritten prompt": answer.get("revised_prompt") not in {None, "", text},
        }
        flags = (*(flag for flag, is_so in odd.items() if is_so), *notes)
        return Output(picture, flags=flags)

    def _describe(self, picture: Image.Image, seed: int) -> Output:
        settings = self.settings
        chosen = settings.model_dump(include={"temperature", "top_p", "max_tokens"})
        content = [
            {"type": "image_url", "image_url": {"url": _server.png(picture)}},
            {"type": "text", "text": self.instruction},
        ]
        found = self.client.chat.completions.create(
            model=settings.path,
            messages=[{"role": "user", "content": content}],
            extra_body=self._extra(seed, settings.seeded is not False),
            **{name: value for name, value in chosen.items() if value is not None},
        )
        data = _server.plain(found)
        answer = _first(data, "choices")
        message = answer.get("message")
        text = message.get("content") if isinstance(message, dict) else None
        ending = answer.get("finish_reason")
        if not isinstance(text, str) and ending != "content_filter":
            raise _server.GarbageError("an answer without a text")
        read, written = (_tokens(data, name) for name in ("prompt_tokens", "completion_tokens"))
        self.usage.add(read or 0, written or 0)
        output = caption(
            text or "", settings.words, tokens=written, finished=ending not in {"length"}
        )
        if ending == "content_filter":
            output = replace(output, flags=(*output.flags, "filtered"))
        return output

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

    def samples(self, count: int) -> list[str] | list[Image.Image]:
        """Different inputs that it can take."""
        draws = self.role is Role.GENERATOR
        return _samples.prompts(count) if draws else _samples.pictures(count)


def _first(data: dict[str, Any], name: str) -> dict[str, Any]:
    found = data.get(name)
    if not isinstance(found, list) or not found or not isinstance(found[0], dict):
        raise _server.GarbageError(f"an answer without {name}")
    return found[0]


def _tokens(data: dict[str, Any], name: str) -> int | None:
    usage = data.get("usage")
    count = usage.get(name) if isinstance(usage, dict) else None
    return count if isinstance(count, int) else None


backend = OpenAIBackend()
