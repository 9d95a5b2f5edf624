"""A server on loopback that answers as OpenAI's published schema says, and a layer of faults.

It has one model that draws and one that describes; what they do is given to it. The faults lie
between the models and the client: an answer may have been computed and still not arrive.
"""

from __future__ import annotations

import base64
import io
import json
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from loopback import QuietHandler, listen
from PIL import Image

Draw = Callable[[str, int], Image.Image]
Describe = Callable[[Image.Image, str, int], str]

FAULTS = ("429", "500", "503", "time-out", "cut", "half JSON", "garbage", "reset")
"""After which another try may help."""
FINAL = ("empty", "torn")
"""Whole answers that are none: the same request would get the same one again."""


@dataclass
class Faults:
    """Which requests go wrong, and how; drawn from a seed."""

    share: float = 0.0
    seed: int = 0
    kinds: tuple[str, ...] = FAULTS
    after: int = 0
    """Requests that go right before any goes wrong."""
    most: int | None = None
    """Faults until everything goes right."""
    delay: float = 0.0
    """Seconds that a time-out takes."""
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)
        self._seen = 0
        self._lock = threading.Lock()

    def next(self) -> str | None:
        with self._lock:
            self._seen += 1
            if self._seen <= self.after:
                return None
            if self.most is not None and self.counts.total() >= self.most:
                return None
            if self._dice.random() >= self.share:
                return None
            kind = self._dice.choice(self.kinds)
            self.counts[kind] += 1
            return kind


@dataclass
class Server:
    """What the tests look at."""

    draw: Draw
    describe: Describe
    key: str
    url: str = ""
    faults: Faults = field(default_factory=Faults)
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    by_url: bool = False
    rewrites: bool = False
    ending: str = "stop"
    file_headers: list[dict[str, str]] = field(default_factory=list)
    busiest: int = 0
    """Most requests that were in work at the same time."""
    working: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


@contextmanager
def serve(draw: Draw, describe: Describe, key: str = "", **changes: Any) -> Iterator[Server]:
    server = Server(draw, describe, key, **changes)
    with listen(_Handler, state=server) as address:
        server.url = f"{address}/v1"
        yield server


class _Handler(QuietHandler):
    state: Server

    def get(self) -> None:
        if self.path == "/v1/models":
            self._send(200, b'{"object": "list", "data": []}')
            return
        self.state.file_headers.append(dict(self.headers))
        name = self.path.removeprefix("/files/")
        self._send(200, self.state.files[name], "image/png")

    def post(self, body: dict[str, Any]) -> None:
        state = self.state
        with state.lock:
            state.working += 1
            state.busiest = max(state.busiest, state.working)
        try:
            state.requests.append((self.path, body))
            self._fail_or_send(*self._answer(body), fault=state.faults.next())
        finally:
            with state.lock:
                state.working -= 1

    def _answer(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        state = self.state
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if state.key and given != state.key:
            # Some servers tell the whole key.
            return 401, _error(f"Incorrect API key provided: {given}", code="invalid_api_key")
        if self.path == "/v1/images/generations" and body["model"] == "painter":
            if "forbidden" in body["prompt"]:
                return 400, _error("Your request was rejected", code="content_policy_violation")
            return 200, self._drawn(body)
        if self.path == "/v1/chat/completions" and body["model"] == "watcher":
            return 200, self._described(body)
        return 404, _error("The model does not exist", code="model_not_found")

    def _drawn(self, body: dict[str, Any]) -> dict[str, Any]:
        state = self.state
        picture = state.draw(body["prompt"], body.get("seed", 0))
        if "size" in body:
            width, height = body["size"].split("x")
            picture = picture.resize((int(width), int(height)))
        file = io.BytesIO()
        picture.save(file, "PNG")
        data: dict[str, Any]
        if state.by_url or body.get("response_format") == "url":
            with state.lock:
                name = f"{len(state.files)}.png"
                state.files[name] = file.getvalue()
            data = {"url": state.url.replace("/v1", f"/files/{name}")}
        else:
            data = {"b64_json": base64.b64encode(file.getvalue()).decode()}
        if state.rewrites:
            data["revised_prompt"] = f"A detailed painting of {body['prompt']}"
        return {"created": 1_700_000_000, "data": [data]}

    def _described(self, body: dict[str, Any]) -> dict[str, Any]:
        (message,) = body["messages"]
        picture, text = message["content"]
        head, data = picture["image_url"]["url"].split(",")
        assert head == "data:image/png;base64"
        with Image.open(io.BytesIO(base64.b64decode(data))) as file:
            said = self.state.describe(file.convert("RGB"), text["text"], body.get("seed", 0))
        words = len(said.split())
        answer = {"role": "assistant", "content": said, "refusal": None}
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1_700_000_000,
            "model": body["model"],
            "choices": [
                {
                    "index": 0,
                    "message": answer,
                    "finish_reason": self.state.ending,
                    "logprobs": None,
                }
            ],
            "usage": {
                "prompt_tokens": 100,
                "completion_tokens": words,
                "total_tokens": 100 + words,
            },
        }

    def _fail_or_send(self, status: int, answer: dict[str, Any], fault: str | None) -> None:
        body = json.dumps(answer).encode()
        if fault in {"429", "500", "503"}:
            told = json.dumps(_error("Try again later", code="busy")).encode()
            self._send(int(fault), told)
        elif fault == "time-out":
            time.sleep(self.state.faults.delay)
            self._send(status, body)
        elif fault == "cut":
            self._send(status, body[: len(body) // 2], length=len(body))
        elif fault == "half JSON":
            self._send(status, body[: len(body) // 2])
        elif fault == "garbage":
            self._send(200, b"<html><body>Bad gateway</body></html>", "text/html")
        elif fault == "empty":
            self._send(200, b"{}")
        elif fault == "reset":
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
            self.close_connection = True
        elif fault == "torn":
            self._send(status, json.dumps(_torn(answer)).encode())
        else:
            self._send(status, body)

    def _send(
        self, status: int, body: bytes, kind: str = "application/json", length: int | None = None
    ) -> None:
        # A client that has given up did as it should.
        with suppress(OSError):
            self.send(status, body, Content_Type=kind, Content_Length=str(length or len(body)))
        if length is not None:
            self.close_connection = True


def _torn(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer of the right shape with half of what matters."""
    if "choices" in answer:
        return {**answer, "choices": [{**answer["choices"][0], "message": None}]}
    data = answer["data"][0].get("b64_json", "")
    return {**answer, "data": [{"b64_json": data[: len(data) // 2 // 4 * 4]}]}


def _error(message: str, code: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "error", "param": None, "code": code}}
