"""Faults of many kinds in any order: no step lost, doubled or wrong, nothing asked without need.

A study is played through a server whose every request goes wrong as often as a fixed seed says, and
compared with the same study where nothing does. ``DRIFTLOOP_LONG=1`` makes a thousand faults of it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openai_models import LONG
from scripted_server import Handler, Scripted, drawn, png, said, script

pytest.importorskip("httpx2")

import driftloop
from driftloop.store import open_run
from driftloop.study import load_study

FAULTS = 1000 if LONG else 40
Fault = Callable[[Handler, bytes], None]


def raw(data: bytes) -> Fault:
    def act(handler: Handler, _: bytes) -> None:
        handler.wfile.write(data)
        handler.close_connection = True

    return act


def status(number: int, body: Any, **headers: str) -> Fault:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda handler, _: handler.send(number, data, **headers)


def cut(handler: Handler, body: bytes) -> None:
    handler.send(200, body[: len(body) // 2], Content_Length=str(len(body)))
    handler.close_connection = True


def half(handler: Handler, body: bytes) -> None:
    handler.send(200, body[: len(body) // 2])


def slow(handler: Handler, _: bytes) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    handler.drip(b" ", 0.1)


PASSING: dict[str, Fault] = {
    "429": status(429, {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}),
    "429 with a wait": status(429, b"", Retry_After="0"),
    "408": status(408, b"late"),
    "500": status(500, b"<html>oops</html>"),
    "502": status(502, b""),
    "503": status(503, [{"error": {"status": "UNAVAILABLE"}}], Retry_After="soon"),
    "504": status(504, b"\xff\xfe"),
    "529": status(529, {"type": "error", "error": {"type": "overloaded_error"}}),
    "busy inside": status(200, {"choices": None, "error": {"message": "busy", "code": 503}}),
    "limit inside": status(200, {"error": {"message": "limit", "code": "429"}}),
    "no status line": raw(b"garbage\r\n\r\n"),
    "wrong length": raw(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"),
    "wrong chunk": raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
    "nothing": raw(b""),
    "cut": cut,
    "half": half,
    "page": status(200, b"<html>Bad gateway</html>"),
    "empty": status(200, b""),
    "slow": slow,
}
FINAL: dict[str, Fault] = {
    "400": status(400, {"error": {"message": "no such thing"}}),
    "401": status(401, {"detail": "who are you"}),
    "403": status(403, b"no"),
    "413": status(413, b"too large"),
    "422": status(422, {"detail": [{"loc": ["body"], "msg": "wrong"}]}),
    "501": status(501, b"never"),
    "no money": status(429, {"error": {"message": "pay", "code": "insufficient_quota"}}),
    "moved": status(307, b"", Location="/elsewhere"),
    "blocked": status(200, {"error": {"message": "blocked", "code": "moderation_blocked"}}),
    "error in a list": status(200, [{"error": {"message": "bad field"}}]),
    "nothing inside": status(200, {}),
    "a number": status(200, b"7"),
    "deep": status(200, b"[" * 100_000),
    "wrong types": status(200, {"choices": {"a": 1}, "data": {"b64_json": 4}}),
    "no content": status(200, {"choices": [{"message": None}], "data": [None]}),
    "reasoning only": status(200, said(None, reasoning="hm")),
    "refusal": status(200, said(None, refusal="no")),
    "half a picture": status(200, drawn(b64_json="iVBORw0KGgo")),
    "another's file": status(200, drawn(b64_json=None, url="file:///etc/passwd")),
}


class Faulty:
    """Goes wrong so often for each request, each time as the seed says."""

    def __init__(self, seed: int, most: int) -> None:
        self.random = random.Random(seed)
        self.most = most
        self.plans: dict[str, list[tuple[str, Fault]]] = {}
        self.asked: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.lock = threading.Lock()

    def __call__(self, handler: Handler, body: dict[str, Any]) -> None:
        name = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        good = json.dumps(answer(body, name)).encode()
        with self.lock:
            plan = self.plans.setdefault(name, self._plan())
            at = self.asked[name]
            self.asked[name] += 1
            kind, fault = plan[at] if at < len(plan) else ("", None)
            self.counts[kind] += bool(kind)
        if fault is None:
            handler.send(200, good)
        else:
            fault(handler, good)

    def _plan(self) -> list[tuple[str, Fault]]:
        if self.most <= 0:
            return []
        plan = self.random.choices(list(PASSING.items()), k=self.random.choice([0, 1, 1, 2, 3]))
        if self.random.random() < 0.15:
            plan.append(self.random.choice(list(FINAL.items())))
        self.most -= len(plan)
        return plan

    @property
    def needed(self) -> int:
        """Requests until each had its answer, or its final refusal."""
        return sum(
            len(plan) + (not plan or plan[-1][0] not in FINAL) for plan in self.plans.values()
        )


def answer(body: dict[str, Any], name: str) -> dict[str, Any]:
    if "messages" in body:
        return said(f"A caption {name[:12]}.")
    red, green, blue = bytes.fromhex(name[:6])
    return drawn(b64_json=base64.b64encode(png((red, green, blue))).decode())


# More tries than a plan has faults: one is lost where a server has just closed a kept connection.
def study(server: Scripted, prompts: int) -> Any:
    known = {
        "backend": "openai", "path": "m", "base_url": server.url, "seeded": True, "retries": 9,
        "backoff": 0.001, "timeout": 4.0 if LONG else 2.0,
        "concurrency": 64 if LONG else 16,
    }  # fmt: skip
    return load_study(
        {
            "rounds": 3,
            "prompts": [f"picture {number}" for number in range(prompts)],
            "models": {
                "draw": {**known, "role": "generator"},
                "look": {**known, "role": "captioner"},
            },
            "arms": [{"name": "a", "network": ["draw", "look"]}],
        }
    )


def steps(folder: Path) -> dict[tuple[Any, ...], list[Any]]:
    found = defaultdict(list)
    with open_run(folder) as run:
        for row in run.steps().to_pylist():
            found[row["arm"], row["prompt"], row["twin"], row["step"]].append(
                (row["text"], row["image"], row["seed"], tuple(row["flags"]))
            )
    return found


def test_no_fault_loses_doubles_or_changes_a_step(tmp_path: Path, record_property: Any) -> None:
    prompts = 160 if LONG else 8
    quiet = Faulty(0, 0)
    with script(quiet) as server:
        driftloop.run(study(server, prompts), tmp_path / "quiet", progress=False).close()
    expected = steps(tmp_path / "quiet")
    faults, kinds = 0, set[str]()
    for seed in range(50):
        faulty = Faulty(seed, 0)
        folder = tmp_path / str(seed)
        with (
            script(faulty) as server,
            driftloop.open_session(study(server, prompts), folder) as session,
        ):
            tested, before = sum(faulty.asked.values()), set(faulty.plans)
            faulty.most = FAULTS - faults
            driftloop.runners.drive(session)
        played = {name: plan for name, plan in faulty.plans.items() if name not in before}
        assert sum(faulty.asked.values()) - tested == faulty.needed - len(before)
        with open_run(folder) as run:
            assert len(run.failures()) == sum(
                bool(plan) and plan[-1][0] in FINAL for plan in played.values()
            )
            reasons = [failure["reason"] for failure in run.failures()]
            assert [r for r in reasons if not r.startswith("http://127.0.0.1:")] == []
        found = steps(folder)
        assert all(len(rows) == 1 and rows == expected[name] for name, rows in found.items())
        faults += faulty.counts.total()
        kinds |= set(faulty.counts)
        if faults >= FAULTS:
            break
    record_property("faults", faults)
    assert faults >= FAULTS
    assert len(kinds) > 10
