"""A server that others wrote: ``transformers serve`` with the bundled captioner, on loopback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("openai")
pytest.importorskip("fastapi", reason="transformers serve needs it (extra: dev)")
pytest.importorskip("uvicorn", reason="transformers serve needs it (extra: dev)")
pytest.importorskip("transformers.cli.serve")

from driftloop_toys.studies import toy_data

import driftloop
from driftloop.models import get_backend
from driftloop.postcards import bundled_path
from driftloop.runners import cast_study
from driftloop.store import open_run
from driftloop.study import load_study

pytestmark = pytest.mark.bundled
BUDGET = "Describe this picture in at most {words} words."
SERVE = "from transformers.cli.transformers import main; main()"
PATIENCE = 120
"""Seconds that it may take to load."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log.txt"
    model = str(bundled_path("postcard-llava"))
    command = [sys.executable, "-c", SERVE, "serve", model, "--host", "127.0.0.1"]
    with log.open("w") as stream:
        process = subprocess.Popen(
            [*command, "--port", str(port), "--device", "cpu", "--dtype", "float32"],
            stdout=stream, stderr=subprocess.STDOUT, env={**os.environ, "HF_HUB_OFFLINE": "1"},
        )  # fmt: skip
    try:
        deadline = time.monotonic() + PATIENCE
        while not _is_well(port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _is_well(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def settings(address: str, **changes: Any) -> dict[str, Any]:
    return {
        "path": str(bundled_path("postcard-llava")),
        "role": "captioner",
        "base_url": address,
        "instruction": BUDGET,
        "words": 20,
        # It seeds torch itself with a request's seed, so that two at a time would share it.
        "concurrency": 1,
        "retries": 1,
        **changes,
    }


def load(backend: str, **chosen: Any) -> Any:
    found = get_backend(backend)
    checked = found.settings.model_validate(chosen)
    return found.load(checked, found.locate(checked))


def test_a_server_says_what_the_model_says_here(address: str) -> None:
    there = load("openai", **settings(address, temperature=0.0, batch_size=3))
    here = load(
        "transformers", path="bundled:postcard-llava", instruction=BUDGET, words=20, batch_size=1,
        dtype="float32",
    )  # fmt: skip
    pictures = here.samples(3)
    said = [here.play([picture], [1])[0].content for picture in pictures]
    answers = there.play(pictures, [1, 2, 3])
    assert [answer.content for answer in answers] == said
    assert len(set(said)) > 1
    assert all(answer.tokens_written > 5 and not answer.flags for answer in answers)


def test_a_loop_through_a_server_is_played_and_played_the_same_again(
    address: str, tmp_path: Path
) -> None:
    data = toy_data(rounds=2, twins=1, prompts=["a ship at sea", "a red house"])
    data["models"]["look"] = {"backend": "openai", **settings(address, temperature=1.0)}
    study = load_study(data)
    found = []
    for name in ("first", "second"):
        driftloop.run(study, tmp_path / name, progress=False).close()
        with open_run(tmp_path / name) as run:
            assert run.failures() == []
            assert len(run) == cast_study(study).steps
            found.append([row["text"] for row in run.steps().to_pylist()])
    assert found[0] == found[1]
    assert len({text for text in found[0] if text}) > 1
