"""A server on loopback that answers each request as a test says, down to the bytes."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from loopback import QuietHandler, listen
from PIL import Image

from driftloop.models import Player, get_backend

SAID = "A red boat on a calm lake."
Answer = Callable[["Handler", dict[str, Any]], Any]


@dataclass
class Scripted:
    """What the tests look at."""

    answer: Answer
    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    """Set at the end, for those that answer slowly."""

    def player(self, role: str = "captioner", **changes: Any) -> Player:
        backend = get_backend("openai")
        known = {"path": "m", "role": role, "base_url": self.url, "backoff": 0.001, "retries": 2}
        settings = backend.settings.model_validate({**known, **changes})
        return backend.load(settings, backend.locate(settings))

    def ask(self, role: str = "captioner", **changes: Any) -> Any:
        """The outcome of one request."""
        item = picture() if role == "captioner" else "a boat"
        (outcome,) = self.player(role, **changes).play([item], [7])
        return outcome


class Handler(QuietHandler):
    state: Scripted

    def get(self) -> None:
        if self.path.endswith("/models"):
            self.send(200, b"{}")
            return
        self.state.fetched.append(self.path)
        self.state.headers.append(dict(self.headers))
        self._act({})

    def post(self, body: dict[str, Any]) -> None:
        self.state.requests.append(body)
        self.state.headers.append(dict(self.headers))
        self._act(body)

    def _act(self, body: dict[str, Any]) -> None:
        try:
            found = self.state.answer(self, body)
            if found is not None:
                self.send(200, found if isinstance(found, bytes) else json.dumps(found).encode())
        except OSError:
            self.close_connection = True

    def drip(self, data: bytes, pause: float = 0.05) -> None:
        """Send a byte now and then, for ever."""
        while not self.state.over.wait(pause):
            self.wfile.write(data)
        self.close_connection = True


@contextmanager
def script(answer: Answer) -> Iterator[Scripted]:
    scripted = Scripted(answer)
    with listen(Handler, state=scripted) as address:
        scripted.url = f"{address}/v1"
        try:
            yield scripted
        finally:
            scripted.over.set()


def picture(color: tuple[int, int, int] = (200, 30, 30)) -> Image.Image:
    image = Image.new("RGB", (6, 4), color)
    image.putpixel((0, 0), (1, 2, 3))
    return image


def png(color: tuple[int, int, int] = (200, 30, 30)) -> bytes:
    file = io.BytesIO()
    picture(color).save(file, "PNG")
    return file.getvalue()


def drawn(**changes: Any) -> dict[str, Any]:
    """An answer of the images endpoint."""
    found = {"b64_json": base64.b64encode(png()).decode(), **changes}
    return {"created": 1, "data": [{k: v for k, v in found.items() if v is not None}]}


def said(content: Any = SAID, ending: Any = "stop", **message: Any) -> dict[str, Any]:
    """An answer of chat completions."""
    told = {"role": "assistant", "content": content, **message}
    return {
        "choices": [{"index": 0, "finish_reason": ending, "message": told}],
        "usage": {"prompt_tokens": 50, "completion_tokens": 8},
    }
