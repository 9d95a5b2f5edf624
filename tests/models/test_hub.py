"""Models from a hub: judged by the files they need, fetched where missing, told where not."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("huggingface_hub")
pytest.importorskip("diffusers")
pytest.importorskip("transformers")

import huggingface_hub
from hub_server import Hub, serve_hub
from huggingface_hub import constants

from driftloop.encoders import get_encoder
from driftloop.errors import ModelError, StudyError, UnreachableError
from driftloop.models import _files, get_backend
from driftloop.models._needs import Source, Wanted, needs_of
from driftloop.postcards import bundled_path
from driftloop.runners import open_session

MODELS = {
    "generator": ("postcard-sdxl", "unet/diffusion_pytorch_model.safetensors", "pipeline"),
    "captioner": ("postcard-llava", "model.safetensors", "captioner"),
    "encoder": ("postcard-clip", "model.safetensors", "encoder"),
}
"""By what plays them: the bundled model, a file of its weights, what it is opened for."""
COMMIT = "1" * 40


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub with the bundled models, and a cache that is empty."""
    # A name of its own for each test: the library keeps lists of files in memory, by name.
    for who, (name, *_) in MODELS.items():
        repository = tmp_path / "hub" / "owner" / f"{who}-{tmp_path.name}"
        shutil.copytree(bundled_path(name), repository, copy_function=os.symlink)
    with serve_hub(tmp_path / "hub") as found:
        monkeypatch.setattr(constants, "ENDPOINT", found.address)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cached"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        where = found.address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", where)
        monkeypatch.setattr(huggingface_hub.hf_api.api, "endpoint", found.address)
        yield found


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    return lambda: monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def repository(hub: Hub, who: str) -> Path:
    return next((hub.root / "owner").glob(f"{who}-*"))


def named(hub: Hub, who: str) -> str:
    return f"owner/{repository(hub, who).name}"


def snapshot(name: str, commit: str = COMMIT) -> Path:
    kept = Path(constants.HF_HUB_CACHE) / f"models--{name.replace('/', '--')}"
    return kept / "snapshots" / commit


def play(who: str, name: str, **settings: Any) -> str:
    """Load a model and let it answer once; what it is known by."""
    if who == "encoder":
        encoder = get_encoder(f"{name}@{settings['revision']}" if settings else name, "text")
        assert encoder.encode(["a ship"]).shape[0] == 1
        return encoder.identity
    backend = get_backend("diffusers" if who == "generator" else "transformers")
    options = {"steps": 1} if who == "generator" else {"words": 3}
    checked = backend.settings.model_validate({"path": name, **options, **settings})
    located = backend.locate(checked)
    player = backend.load(checked, located)
    assert len(player.play(player.samples(1), [1])) == 1
    return located.identity


@pytest.mark.parametrize("who", MODELS)
def test_a_model_is_fetched_once_and_played_without_the_hub(
    who: str, hub: Hub, offline: Callable[[], None]
) -> None:
    first = play(who, named(hub, who))
    assert COMMIT in first
    assert MODELS[who][1] in hub.given
    assert "README.md" not in hub.given
    hub.given.clear()
    offline()
    assert play(who, named(hub, who)) == first
    assert not hub.given


@pytest.mark.parametrize("who", MODELS)
@pytest.mark.parametrize("damage", ["config only", "no weights", "dangling", "cut short", "LFS"])
def test_a_cache_that_is_not_whole_is_mended_or_told(
    who: str, damage: str, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, weights = named(hub, who), MODELS[who][1]
    if damage == "config only":
        for config in ("config.json", "model_index.json"):
            if (repository(hub, who) / config).exists():
                huggingface_hub.hf_hub_download(name, config)
    else:
        play(who, name)
        file = (snapshot(name) / weights).resolve()
        if damage == "cut short":
            file.write_bytes(file.read_bytes()[:-100])
        elif damage == "LFS":
            file.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
        else:
            file.unlink()
            if damage == "no weights":
                (snapshot(name) / weights).unlink()
    with monkeypatch.context() as without:
        without.setenv("HF_HUB_OFFLINE", "1")
        with pytest.raises(UnreachableError, match="missing: ") as told:
            play(who, name)
        assert name in str(told.value)
        assert weights in str(told.value) or damage == "config only"
        assert "HF_HUB_OFFLINE" in str(told.value)
    assert COMMIT in play(who, name)


@pytest.mark.parametrize("who", MODELS)
def test_what_the_libraries_leave_in_the_cache_is_enough(
    who: str, hub: Hub, offline: Callable[[], None]
) -> None:
    import diffusers
    import transformers

    name = named(hub, who)
    if who == "generator":
        diffusers.DiffusionPipeline.from_pretrained(name)
    else:
        transformers.AutoProcessor.from_pretrained(name)
        transformers.AutoModel.from_pretrained(name)
    offline()
    assert COMMIT in play(who, name)


def test_a_cache_without_what_a_model_reads_is_not_whole(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its template a captioner would be told nothing, which nobody would see."""
    name = named(hub, "captioner")
    huggingface_hub.snapshot_download(name, allow_patterns=["*.json", "*.safetensors"])
    with monkeypatch.context() as without:
        without.setenv("HF_HUB_OFFLINE", "1")
        with pytest.raises(UnreachableError, match=r"missing: chat_template\.jinja"):
            play("captioner", name)
    play("captioner", name)
    assert "chat_template.jinja" in hub.given


@pytest.mark.parametrize("who", MODELS)
def test_a_revision_is_a_branch_a_tag_or_a_commit(
    who: str, hub: Hub, offline: Callable[[], None]
) -> None:
    hub.commits |= {"v1": "2" * 40}
    name = named(hub, who)
    with pytest.raises(ModelError, match=r"no revision 'v9'.*a branch, a tag or a commit"):
        play(who, name, revision="v9")
    assert "2" * 40 in play(who, name, revision="v1")
    offline()
    assert play(who, name, revision="v1") == play(who, name, revision="2" * 40)
    with pytest.raises(UnreachableError):
        play(who, name, revision=COMMIT)


@pytest.mark.parametrize(
    ("status", "said"), [(401, "log in with 'hf auth login'"), (403, "accept its licence at")]
)
def test_what_the_hub_does_not_give_is_told_before_anything_is_loaded(
    status: int, said: str, hub: Hub, tmp_path: Path
) -> None:
    hub.refuses = status
    for who in MODELS:
        with pytest.raises(ModelError, match=said):
            play(who, named(hub, who))
    with pytest.raises(ModelError, match="no model named 'owner/nowhere' on the hub"):
        play("generator", "owner/nowhere")


def test_all_models_are_fetched_before_the_first_is_loaded(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hub that dies while the second model comes: nothing was loaded, and what came stays."""
    loads: list[str] = []
    monkeypatch.setattr("driftloop.models._pipeline.load", lambda *_: loads.append("generator"))
    study = {
        "prompts": ["a ship"],
        "models": {
            "draw": {"backend": "diffusers", "path": named(hub, "generator")},
            "look": {"backend": "transformers", "path": named(hub, "captioner")},
        },
        "arms": [{"name": "base", "network": ["draw", "look"]}],
        "rounds": 1,
    }
    file = tmp_path / "study.json"
    file.write_text(json.dumps(study))
    generator = sum(1 for p in repository(hub, "generator").rglob("*") if p.is_file())
    hub.dies_after = generator
    from driftloop.study import load_study

    monkeypatch.setattr("time.sleep", lambda _: None)
    with pytest.raises(StudyError, match=r"models\.look\.path: .*the hub cannot be asked"):
        open_session(load_study(study), tmp_path / "run")
    assert not loads
    assert (snapshot(named(hub, "generator")) / MODELS["generator"][1]).is_file()


def test_files_that_are_needed_are_named(tmp_path: Path) -> None:
    names = frozenset({
        "model_index.json", "whole.safetensors", "unet/config.json", "text/config.json",
        "unet/diffusion_pytorch_model.safetensors", "unet/diffusion_pytorch_model.fp16.safetensors",
        "text/model.safetensors.index.json", "text/model-00001-of-00002.safetensors",
        "text/model.safetensors.index.fp16.json", "text/model.fp16-00001-of-00002.safetensors",
        "text/model.fp16-00002-of-00002.safetensors", "vae/config.json",
        "vae/diffusion_pytorch_model.safetensors", "safety/model.safetensors", "s/x.json",
    })  # fmt: skip
    contents: dict[str, Any] = {
        "model_index.json": {
            "_class_name": "X", "unet": ["diffusers", "UNet"], "text": ["transformers", "CLIPText"],
            "vae": ["diffusers", "VAE"], "s": ["diffusers", "DDIMScheduler"], "other": [None, None],
            "safety": ["stable_diffusion", "Checker"], "flag": True,
        },
        "text/model.safetensors.index.json": {
            "weight_map": {"a": "model-00001-of-00002.safetensors",
                           "b": "model-00002-of-00002.safetensors"},
        },
    }  # fmt: skip
    source = Source(names, lambda name: contents.get(name, {}))
    plain = needs_of(source, Wanted("pipeline", None, ("safety",)))
    assert set(plain.weights) == {
        "unet/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.safetensors",
        "text/model-00001-of-00002.safetensors", "text/model-00002-of-00002.safetensors",
    }  # fmt: skip
    assert "s/scheduler_config.json" in plain.files
    assert "safety/config.json" not in plain.files
    half = needs_of(source, Wanted("pipeline", "fp16"))
    assert set(half.weights) == {
        "unet/diffusion_pytorch_model.fp16.safetensors", "vae/diffusion_pytorch_model.safetensors",
        "text/model.fp16-00001-of-00002.safetensors", "text/model.fp16-00002-of-00002.safetensors",
        "safety/model.safetensors",
    }  # fmt: skip
    assert "whole.safetensors" not in half.fetched(source)


@pytest.fixture
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    return Path(shutil.copytree(bundled_path("postcard-sdxl"), tmp_path / "model"))


def locate(folder: Path, **settings: Any) -> Any:
    backend = get_backend("diffusers")
    return backend.locate(backend.settings.model_validate({"path": str(folder), **settings}))


def test_a_shard_that_is_missing_is_named(folder: Path) -> None:
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    first, second = (f"diffusion_pytorch_model-0000{n}-of-00002.safetensors" for n in (1, 2))
    weights.rename(weights.with_name(first))
    index = {"metadata": {}, "weight_map": {"a": first, "b": second}}
    weights.with_suffix(".safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(
        ModelError, match=f"missing: unet/{second}; give the folder.*fetch it again"
    ):
        locate(folder)


def test_the_variant_that_is_there_is_named(folder: Path) -> None:
    weights = folder / "vae" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_name("diffusion_pytorch_model.fp16.safetensors"))
    with pytest.raises(ModelError, match=r'missing: vae/.*another variant: "fp16"'):
        locate(folder)
    assert locate(folder, variant="fp16").folder


def test_pickled_weights_are_refused(folder: Path, tmp_path: Path) -> None:
    weights = folder / "text_encoder" / "model.safetensors"
    weights.rename(weights.with_name("pytorch_model.bin"))
    with pytest.raises(ModelError, match=r"there is text_encoder/pytorch_model\.bin, .* run code"):
        locate(folder)
    (tmp_path / "lora.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(ModelError, match=r"not a \.safetensors file.*run code"):
        locate(bundled_path("postcard-sdxl"), lora=str(tmp_path / "lora.bin"))


@pytest.mark.parametrize("name", ["unet/config.json", "tokenizer/vocab.txt", "config.json"])
def test_a_pipe_among_the_files_is_refused_and_waits_for_nobody(folder: Path, name: str) -> None:
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    with pytest.raises(ModelError, match=f"{name}: not a regular file"):
        locate(folder)


def test_a_lora_of_several_files_has_to_be_named(tmp_path: Path) -> None:
    from numpy import zeros
    from safetensors.numpy import save_file

    for name in ("one", "two"):
        save_file({"a": zeros(2)}, tmp_path / f"{name}.safetensors")
    backend = get_backend("diffusers")
    settings = {"path": "bundled:postcard-sdxl", "lora": str(tmp_path)}
    checked = backend.settings.model_validate(settings)
    with pytest.raises(ModelError, match=r"several files: one\.safetensors, two\.safetensors"):
        backend.load(checked, backend.locate(checked))


def test_a_model_with_code_of_its_own_is_refused(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(bundled_path("postcard-llava"), tmp_path / "model"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(
        json.dumps({**config, "model_type": "mine", "auto_map": {"AutoConfig": "mine.Config"}})
    )
    (folder / "mine.py").write_text("raise SystemExit('it ran')")
    with pytest.raises(ModelError, match=r"Python code of its own.*does not run"):
        play("captioner", str(folder))
    with pytest.raises(ModelError, match=r"Python code of its own.*does not run"):
        play("encoder", str(folder))


def test_a_home_that_nobody_has_is_told() -> None:
    for path in ("~nobody-here/model", "a" * 300, "nul\0l"):
        with pytest.raises(ModelError, match="no model at"):
            _files.locate(path, Wanted("captioner"))
