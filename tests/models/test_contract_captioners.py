"""What every captioner does, whatever its family: the same contract for each tiny checkpoint."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import tiny_captioners  # noqa: F401  (it registers families)
import tiny_chatters  # noqa: F401
import torch
import transformers as tf
from driftloop_toys.studies import toy_data
from PIL import Image
from safetensors.torch import save_file
from tiny_parts import FAMILIES, PICTURE_ONLY, tokenizer

from driftloop.errors import ModelError, StudyError
from driftloop.models import _telling as telling
from driftloop.models import check_invariance, get_backend
from driftloop.models._torch import quietly
from driftloop.runners import cast_study
from driftloop.steps import Output, Role
from driftloop.study import load_study

BUDGET = "Describe this picture in at most {words} words."
TOKENS = 24


def load(folder: Path, **settings: Any) -> Any:
    backend = get_backend("transformers")
    checked = backend.settings.model_validate({"path": str(folder), **settings})
    return backend.load(checked, backend.locate(checked))


@pytest.fixture(scope="module", params=FAMILIES)
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("captioner")
    family = FAMILIES[request.param]
    for package in family.needs:
        pytest.importorskip(package)
    family.build(folder)
    return folder


@pytest.fixture(scope="module")
def told(checkpoint: Path) -> dict[str, Any]:
    return {} if telling.model_type(checkpoint) in PICTURE_ONLY else {"instruction": BUDGET}


@pytest.fixture(scope="module")
def player(checkpoint: Path, told: dict[str, Any]) -> Any:
    return load(
        checkpoint, **told, words=50, max_tokens=TOKENS, temperature=1.0, batch_size=3,
        dtype="float32",
    )  # fmt: skip


def test_it_says_what_it_is(player: Any, told: dict[str, Any]) -> None:
    limits = player.limits()
    assert player.role is Role.CAPTIONER
    assert limits["parameters"] == sum(weight.numel() for weight in player.model.parameters())
    assert limits["instruction"] == ("Describe this picture in at most 50 words." if told else "")


def test_one_answer_a_picture_in_order(player: Any) -> None:
    pictures = player.samples(3)
    together = [output.content for output in player.play(pictures, [1, 2, 3])]
    assert len(set(together)) == 3
    assert [player.play([pictures[at]], [at + 1])[0].content for at in range(3)] == together
    assert [output.content for output in player.play(pictures[:2], [1, 2])] == together[:2]


def test_answers_do_not_depend_on_company(player: Any) -> None:
    assert check_invariance(player).verdict == "bit-exact"


def test_a_seed_is_one_caption(player: Any) -> None:
    picture = player.samples(1)[0]
    a, b, c = (output.content for output in player.play([picture] * 3, [5, 6, 5]))
    assert a == c
    assert a != b


def test_pictures_of_other_sizes_are_no_other_company(player: Any) -> None:
    wide, tall = Image.new("RGB", (96, 40), "red"), Image.new("RGB", (40, 72), "blue")
    square = player.samples(1)[0]
    together = player.play([wide, square, tall], [1, 2, 3])
    assert together == [
        player.play([picture], [seed])[0] for picture, seed in [(wide, 1), (square, 2), (tall, 3)]
    ]


def test_a_full_micro_batch_is_all_that_it_takes(player: Any) -> None:
    with pytest.raises(ValueError, match="4 inputs for a micro-batch of 3"):
        player.play(player.samples(4), [1, 2, 3, 4])


def test_the_answer_is_what_the_network_says(checkpoint: Path, told: dict[str, Any]) -> None:
    """Greedy captions against the plain forward pass on everything told and answered so far."""
    player = load(checkpoint, **told, words=50, max_tokens=TOKENS, batch_size=2, dtype="float32")
    model = player.model
    pictures = player.samples(2)
    with quietly():
        features = telling.features(model, player.processor, pictures, player.instruction)
    answers = []
    written = torch.empty(2, 0, dtype=torch.long)
    ends = telling.end_tokens(model, player.weights.tokenizer)
    for _ in range(TOKENS):
        with torch.inference_mode():
            logits = plain_forward(model, dict(features), written)
        written = torch.cat([written, logits.argmax(dim=-1, keepdim=True)], dim=1)
    for row in written.tolist():
        length = next((at for at, token in enumerate(row) if token in ends), len(row))
        text = player.weights.tokenizer.decode(row[:length], skip_special_tokens=True)
        answers.append((" ".join(text.split()), length))
    outputs = player.play(pictures, [1, 2])
    assert [(output.content, output.tokens_written) for output in outputs] == answers


def plain_forward(model: Any, features: dict[str, Any], written: torch.Tensor) -> torch.Tensor:
    """Logits of the next token, without cache and without ``generate``. Shape (2, vocabulary)."""
    kind = model.config.model_type
    if model.config.is_encoder_decoder or getattr(
        model.config.get_text_config(decoder=True), "is_encoder_decoder", False
    ):
        start = model.generation_config.decoder_start_token_id
        if start is None:
            start = model.config.get_text_config(decoder=True).decoder_start_token_id
        first = torch.full((2, 1), start)
        answer = model(**features, decoder_input_ids=torch.cat([first, written], dim=1))
        return answer.logits[:, -1]
    if kind == "blip":
        features["input_ids"] = features["input_ids"][:, :-1].clone()
        features["input_ids"][:, 0] = model.config.text_config.bos_token_id
        sight = model.vision_model(features["pixel_values"]).last_hidden_state
        tokens = torch.cat([features["input_ids"], written], dim=1)
        return model.text_decoder(tokens, encoder_hidden_states=sight).logits[:, -1]
    for name in ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids"):
        if name in features:
            # PaliGemma's type 0 is the prefix, which is read both ways; an answer is not.
            value = int(name == "attention_mask" or kind == "paligemma")
            more = written if name == "input_ids" else torch.full_like(written, value)
            features[name] = torch.cat([features[name], more], dim=1)
    return model(**features).logits[:, -1]


def test_a_budget_cuts_and_keeps_what_it_cut(checkpoint: Path) -> None:
    settings: dict[str, Any] = {"max_tokens": 60, "temperature": 3.0, "batch_size": 20}
    free, held = load(checkpoint, **settings), load(checkpoint, **settings, words=3)
    pictures, seeds = free.samples(20), list(range(20))
    cut = 0
    for whole, short in zip(free.play(pictures, seeds), held.play(pictures, seeds), strict=True):
        assert f"{short.content} {short.cut_text}".split() == whole.content.split()
        assert len(short.content.split()) <= 3
        assert ("over budget" in short.flags) == bool(short.cut_text)
        cut += bool(short.cut_text)
    assert cut > 0


def test_a_word_budget_is_told_where_one_can_ask_and_kept_anyway(
    checkpoint: Path, told: dict[str, Any]
) -> None:
    plain = load(checkpoint, max_tokens=TOKENS, temperature=1.0, **({"words": 9} if told else {}))
    held = plain.within(4)
    assert held.fingerprint != plain.fingerprint
    assert ("at most 4 words" in held.instruction) == (held.weights.way == "chat")
    assert held.weights.way == "chat" or held.instruction == plain.instruction
    (output,) = held.play(held.samples(1), [1])
    assert len(output.content.split()) <= 4
    # A budget of the study that is tighter stays.
    assert load(checkpoint, words=2).within(4).options["words"] == 2


def test_a_caption_without_an_end_is_told(player: Any) -> None:
    for output in player.play(player.samples(3), [1, 2, 3]):
        assert isinstance(output, Output)
        assert ("unfinished" in output.flags) == (output.tokens_written == TOKENS)


def test_what_it_is_told_decides_what_it_says(checkpoint: Path, told: dict[str, Any]) -> None:
    if not told:
        with pytest.raises(ModelError, match="takes a picture and no text: leave out 'instr"):
            load(checkpoint, instruction=BUDGET, words=20)
        return
    said = []
    for instruction in ("Describe this picture.", "A ship"):
        player = load(checkpoint, instruction=instruction, max_tokens=TOKENS, temperature=1.0)
        said.append(player.play(player.samples(1), [1])[0].content)
        assert player.limits()["instruction"] == instruction
    assert said[0] != said[1]


@pytest.mark.skipif(find_spec("torchvision") is not None, reason="torchvision is installed")
def test_a_processor_of_videos_names_the_extra_before_weights_are_read(tmp_path: Path) -> None:
    tf.Qwen2_5_VLConfig().save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    names = {
        "processor_class": "Qwen2_5_VLProcessor",
        "image_processor_type": "Qwen2VLImageProcessor",
    }
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(names), "utf-8")
    # Whole as a file, and no weights of this model.
    save_file({"nothing": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match=r"needs torchvision: pip install 'driftloop\[video\]'"):
        load(tmp_path)


def test_a_study_that_tells_what_cannot_be_told_is_refused(tmp_path: Path) -> None:
    FAMILIES["ViT-GPT2"].build(tmp_path)
    look = {"backend": "transformers", "path": str(tmp_path), "words": 20}
    study = toy_data()
    study["models"]["look"] = look
    cast_study(load_study(study))
    study["arms"][0]["sweep"] = {"look.instruction": [BUDGET]}
    with pytest.raises(StudyError, match=r"my\.toml: models\.look.*leave out 'instruction'"):
        cast_study(load_study(study), "my.toml")


def test_positions_are_not_overrun(checkpoint: Path) -> None:
    player = load(checkpoint, max_tokens=5000, batch_size=1)
    text = player.model.config.get_text_config(decoder=True)
    positions = getattr(text, "max_position_embeddings", None)
    if positions is None:
        pytest.skip("the test of its limit of positions: it has none, they are relative")
    output = player.play(player.samples(1), [1])[0]
    assert output.tokens_written <= positions
