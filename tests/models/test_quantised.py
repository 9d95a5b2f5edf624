"""Captioners whose weights are kept in fewer bits."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import tiny_chatters  # noqa: F401  (it registers families)
import transformers
from tiny_parts import FAMILIES

from driftloop.errors import ModelError
from driftloop.models import get_backend

needs_bitsandbytes = pytest.mark.skipif(
    importlib.util.find_spec("bitsandbytes") is None,
    reason="bitsandbytes is not installed (extra: quantise)",
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("llava")
    FAMILIES["LLaVA 1.5"].build(folder)
    return folder


def load(folder: Path | str, quantise: str | None) -> Any:
    backend = get_backend("transformers")
    settings = backend.settings.model_validate(
        {"path": str(folder), "quantise": quantise, "dtype": "float32", "max_tokens": 8}
    )
    return backend.load(settings, backend.locate(settings))


@pytest.mark.parametrize("quantise", ["4bit", "8bit"])
def test_without_bitsandbytes_the_error_names_the_extra(
    checkpoint: Path, quantise: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "bitsandbytes" else find(name)
    )
    with pytest.raises(ModelError, match=rf"{quantise}.*pip install 'driftloop\[quantise\]'"):
        load(checkpoint, quantise)


@pytest.mark.parametrize(
    ("quantise", "loads"), [("4bit", "load_in_4bit"), ("8bit", "load_in_8bit")]
)
def test_the_library_is_told_how_and_where(
    checkpoint: Path, quantise: str, loads: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: dict[str, Any] = {}

    def from_pretrained(source: str, **options: Any) -> Any:
        told.update(options)
        raise OSError("seen enough")

    auto = transformers.AutoModelForImageTextToText
    monkeypatch.setattr(auto, "from_pretrained", from_pretrained)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    # Whether the library is there is asked again while the configuration is made.
    monkeypatch.setattr(transformers.BitsAndBytesConfig, "post_init", lambda self: None)
    with pytest.raises(ModelError, match="seen enough"):
        load(checkpoint, quantise)
    assert getattr(told["quantization_config"], loads)
    assert str(told["device_map"][""]) == "cpu"
    told.clear()
    with pytest.raises(ModelError, match="seen enough"):
        load(checkpoint, None)
    assert not {"quantization_config", "device_map"} & told.keys()


@pytest.mark.bundled
@needs_bitsandbytes
@pytest.mark.parametrize("quantise", ["4bit", "8bit"])
def test_it_is_smaller_speaks_and_is_another_player(quantise: str) -> None:
    plain, small = (load("bundled:postcard-llava", bits) for bits in (None, quantise))
    assert small.model.get_memory_footprint() < plain.model.get_memory_footprint() / 2
    assert small.fingerprint != plain.fingerprint
    assert small.limits()["quantised"] == quantise
    (output,) = small.play(small.samples(1), [1])
    assert output.tokens_written > 0
