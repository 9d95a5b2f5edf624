"""Scheduler, LoRA, parts left out, offload, compilation: they do something, or say why not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("diffusers")
pytest.importorskip("transformers")

import diffusers as df
import torch
from tiny_generators import FAMILIES, checker, save, sd, sight

from driftloop.errors import ModelError
from driftloop.models import check_invariance, get_backend


def load(folder: Path, **settings: Any) -> Any:
    backend = get_backend("diffusers")
    settings = {"path": str(folder), "steps": 3, "dtype": "float32", **settings}
    checked = backend.settings.model_validate(settings)
    return backend.load(checked, backend.locate(checked))


def drawn(player: Any) -> bytes:
    (output,) = player.play(["A ship on the sea."], [1])
    return output.content.tobytes()


@pytest.fixture(scope="module")
def sdxl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdxl")
    FAMILIES["SDXL"](folder)
    return folder


@pytest.mark.parametrize(
    "name", ["DDIMScheduler", "EulerAncestralDiscreteScheduler", "DPMSolverMultistepScheduler"]
)
def test_a_scheduler_takes_the_place_of_the_models_own(sdxl: Path, name: str) -> None:
    own, other = load(sdxl), load(sdxl, scheduler=name, batch_size=2)
    assert own.weights is other.weights
    assert other.limits()["scheduler"] == name
    assert own.limits()["scheduler"] == "EulerDiscreteScheduler"
    assert own.resized(2).fingerprint != other.fingerprint
    before = drawn(own)
    assert drawn(other) != before
    assert drawn(own) == before
    assert check_invariance(other).verdict == "bit-exact"


def test_lcm_takes_the_place_of_another(sdxl: Path) -> None:
    assert drawn(load(sdxl, scheduler="LCMScheduler")) != drawn(load(sdxl))


@pytest.mark.parametrize("name", ["EulerDiscrete", "FlowMatchEulerDiscreteScheduler", "Nonsense"])
def test_a_scheduler_that_does_not_fit_is_refused(sdxl: Path, name: str) -> None:
    with pytest.raises(ModelError, match="cannot take the place of its EulerDiscreteSchedul") as e:
        load(sdxl, scheduler=name)
    assert "DDIMScheduler" in str(e.value)
    assert "LCMScheduler" in str(e.value)
    assert ("Did you mean 'EulerDiscreteScheduler'?" in str(e.value)) == (name != "Nonsense")


def test_flow_matching_keeps_to_its_own_schedulers(tmp_path: Path) -> None:
    FAMILIES["SD3"](tmp_path)
    heun = load(tmp_path, scheduler="FlowMatchHeunDiscreteScheduler")
    assert drawn(heun) != drawn(load(tmp_path))
    with pytest.raises(ModelError, match="Compatible: FlowMatchEuler"):
        load(tmp_path, scheduler="DDIMScheduler")


def test_a_negative_prompt_changes_a_picture(sdxl: Path) -> None:
    negative = load(sdxl, negative_prompt="A red house.", batch_size=2)
    assert drawn(negative) != drawn(load(sdxl))
    assert check_invariance(negative).verdict == "bit-exact"


@pytest.fixture(scope="module")
def lora(sdxl: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    peft = pytest.importorskip("peft")
    unet = df.StableDiffusionXLPipeline.from_pretrained(sdxl).unet
    unet.add_adapter(peft.LoraConfig(r=2, target_modules=["to_q", "to_v"]))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, weight in unet.named_parameters():
            if "lora_" in name:
                weight.normal_(0, 0.5, generator=generator)
    folder = tmp_path_factory.mktemp("lora")
    weights = peft.get_peft_model_state_dict(unet)
    df.StableDiffusionXLPipeline.save_lora_weights(folder, unet_lora_layers=weights)
    return folder


def test_a_lora_is_added_by_its_scale(sdxl: Path, lora: Path) -> None:
    plain, whole = load(sdxl), load(sdxl, lora=str(lora))
    file = next(lora.glob("*.safetensors"))
    assert drawn(whole) != drawn(plain)
    assert drawn(load(sdxl, lora=str(file))) == drawn(whole)
    assert drawn(load(sdxl, lora=str(lora), lora_scale=0.0)) == drawn(plain)
    assert drawn(load(sdxl, lora=str(lora), lora_scale=0.5)) not in {drawn(plain), drawn(whole)}


def test_a_lora_is_part_of_what_a_model_is(sdxl: Path, lora: Path) -> None:
    plain, whole = load(sdxl), load(sdxl, lora=str(lora))
    half = load(sdxl, lora=str(lora), lora_scale=0.5)
    assert len({plain.located.identity, whole.located.identity}) == 2
    assert len({plain.fingerprint, whole.fingerprint, half.fingerprint}) == 3


def test_a_lora_that_is_not_there_or_does_not_fit_is_told(
    sdxl: Path, lora: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=r"lora '\./nowhere': no model at"):
        load(sdxl, lora="./nowhere")
    FAMILIES["SD3"](tmp_path)
    with pytest.raises(ModelError, match="does not fit it"):
        load(tmp_path, lora=str(lora))
    with pytest.raises(ValueError, match="lora_scale is set, but no lora"):
        load(sdxl, lora_scale=0.5)


def test_a_part_can_be_left_out(tmp_path: Path) -> None:
    FAMILIES["SD3"](tmp_path / "sd3")
    small = load(tmp_path / "sd3", without=["text_encoder_3"], batch_size=2)
    assert small.limits()["prompt tokens"] == 75
    assert check_invariance(small).verdict == "bit-exact"
    save(sd(safety_checker=checker(blocks=True), feature_extractor=sight()), tmp_path / "sd")
    (blank,) = load(tmp_path / "sd").play(["A ship."], [1])
    (free,) = load(tmp_path / "sd", without=["safety_checker"]).play(["A ship."], [1])
    assert (blank.flags, free.flags) == (("flat", "filtered"), ())
    with pytest.raises(ModelError, match=r"it has no 'safety_cheker'. Did you mean 'safety_chec"):
        load(tmp_path / "sd", without=["safety_cheker"])


def test_offloading_needs_an_accelerator(sdxl: Path) -> None:
    with pytest.raises(ModelError, match="keeps weights off an accelerator"):
        load(sdxl, offload="model", device="cpu")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an accelerator")
@pytest.mark.parametrize("offload", ["model", "sequential"])
def test_offloading_draws_the_same(sdxl: Path, offload: str) -> None:
    assert drawn(load(sdxl, offload=offload)) == drawn(load(sdxl))


@pytest.mark.skipif(not os.environ.get("DRIFTLOOP_LONG"), reason="compiles for a minute")
def test_a_compiled_network_draws_the_same_to_the_eye(sdxl: Path) -> None:
    compiled, plain = load(sdxl, compile=True), load(sdxl)
    one, other = (
        torch.tensor(list(drawn(player)), dtype=torch.float) for player in (compiled, plain)
    )
    assert compiled.fingerprint != plain.fingerprint
    assert (one - other).abs().mean() < 1
    assert compiled.pipeline.unet._compiled_call_impl is not None
    assert plain.pipeline.unet._compiled_call_impl is None
