"""How encoders are named, and what is said of a name that cannot be used."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import transformers as tf
from tiny_encoders import CASES, LIMIT, bert_words, text_tower
from tiny_parts import SIDE, clip_vision, tokenizer

from driftloop.encoders import _checkpoint as checkpoints
from driftloop.encoders import embed, find_encoders, get_encoder, is_encoder
from driftloop.encoders._checkpoint import read_spelling, split_kind
from driftloop.errors import ModelError
from driftloop.store import create_run


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("named") / "my-clip"
    CASES["CLIP"].build(folder)
    return folder


@pytest.fixture(scope="module")
def dino(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dino")
    CASES["DINOv3"].build(folder)
    return folder


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("clip:openai/clip-vit-base-patch32", ("clip", "openai/clip-vit-base-patch32", None)),
        ("openai/clip-vit-base-patch32@v1", (None, "openai/clip-vit-base-patch32", "v1")),
        ("bundled:postcard-clip", (None, "bundled:postcard-clip", None)),
        ("clip:bundled:postcard-clip", ("clip", "bundled:postcard-clip", None)),
        ("auto:./a:b", ("auto", "./a:b", None)),
        ("c:/models/clip", (None, "c:/models/clip", None)),
    ],
)
def test_spellings(name: str, parts: tuple[str | None, ...]) -> None:
    assert tuple(read_spelling(name)) == parts
    assert split_kind(f"{name}#text") == (name, "text")


def test_marks_in_the_names_of_folders(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("clip#2", "clip@home", "sea:clip"):
        shutil.copytree(clip, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    for name in ("clip#2", "clip@home", "sea:clip"):
        assert [encoder.kind for encoder in find_encoders(f"{name}#image")] == ["image"]


def test_a_path_says_what_it_is(clip: Path, dino: Path) -> None:
    assert [e.kind for e in find_encoders(str(clip))] == ["text", "image"]
    assert [e.kind for e in find_encoders(f"{clip}#image")] == ["image"]
    assert get_encoder(str(clip), "text").identity == get_encoder(f"clip:{clip}#text").identity
    assert get_encoder(str(dino)).title == f"appearance, by {dino.name}"


@pytest.mark.parametrize(
    ("spelled", "said"),
    [
        ("clpi:{clip}", r"no family 'clpi'\. Did you mean 'clip'\? Families: clip, siglip, dino"),
        ("minilmm", r"no encoder 'minilmm'\. Did you mean 'minilm'\?.*owner/name on the hub"),
        ("clip:./nowhere", r"no model at './nowhere': it is not a folder"),
        ("clip:", r"say which model, e\.g\. clip:openai"),
        ("bundled:postcard-clop", r"no bundled model 'postcard-clop'"),
        ("{clip}#img", r"'#img' is no kind\. Did you mean 'image'\? Kinds: #text, #image"),
        ("lexical#image", r"encoder 'lexical' takes texts only, not pictures"),
        ("{dino}#text", r"takes pictures only, not texts"),
        ("siglip:{clip}", r"a checkpoint of family 'clip', not 'siglip': say clip:"),
        ("sentence:{clip}", r"of family 'clip', not 'sentence': say clip:"),
        ("bundled:postcard-sdxl", r"neither a config\.json with a model_type nor a modules\.json"),
        ("bundled:postcard-llava", r"LlavaModel is a captioner, not an encoder"),
    ],
)
def test_mistakes_are_told(spelled: str, said: str, clip: Path, dino: Path) -> None:
    with pytest.raises(ModelError, match=said):
        find_encoders(spelled.format(clip=clip, dino=dino))


def test_an_encoder_of_two_sides_has_to_be_told_which(clip: Path) -> None:
    with pytest.raises(ModelError, match=r"each of text and image: say .*#text or .*#image"):
        get_encoder(str(clip))
    with pytest.raises(ModelError, match=r"not pictures and texts"):
        get_encoder(f"{clip}#text", "image")


@pytest.mark.parametrize("library", ["torch", "transformers", "sentence_transformers"])
def test_a_library_that_is_missing_is_told(
    library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sentence_transformers")
    CASES["sentence: first token"].build(tmp_path)
    there = checkpoints.find_spec
    monkeypatch.setattr(
        checkpoints, "find_spec", lambda name: None if name == library else there(name)
    )
    extra = "sentence" if library == "sentence_transformers" else "transformers"
    with pytest.raises(ModelError, match=rf"needs {library.replace('_', '-')}: .*\[{extra}\]"):
        get_encoder(f"sentence:{tmp_path}")


def test_a_side_that_nothing_prepares_is_told(clip: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(clip, copy)
    for file in copy.glob("*token*"):
        file.unlink()
    for file in (*copy.glob("vocab*"), *copy.glob("merges*")):
        file.unlink()
    with pytest.raises(ModelError, match=r"no tokenizer beside the weights.*alone: '.*#image'"):
        find_encoders(str(copy))
    assert get_encoder(f"{copy}#image").kind == "image"


def test_weights_that_would_be_random_are_told(tmp_path: Path) -> None:
    config = clip_vision(tf.ViTConfig)
    tf.ViTForImageClassification(config).save_pretrained(tmp_path)
    tf.ViTImageProcessorPil(size={"height": SIDE, "width": SIDE}).save_pretrained(tmp_path)
    encoder = get_encoder(f"auto:{tmp_path}")
    with pytest.raises(ModelError, match=r"lacks 2 of the weights.*pooler\.dense.*random numbers"):
        encoder.encode(pictures())


def pictures() -> list[Any]:
    from PIL import Image

    return [Image.new("RGB", (SIDE, SIDE), "red")]


def test_a_model_that_pools_nothing_is_told(tmp_path: Path) -> None:
    words = tokenizer()
    config = tf.DistilBertConfig(
        vocab_size=len(words), dim=32, hidden_dim=32, n_layers=1, n_heads=2,
        max_position_embeddings=LIMIT,
    )  # fmt: skip
    tf.DistilBertModel(config).save_pretrained(tmp_path)
    words.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="DistilBertModel gives no pooled output"):
        get_encoder(str(tmp_path)).encode(["a ship"])


def test_sound_is_neither_text_nor_picture(tmp_path: Path) -> None:
    config = tf.WhisperConfig(
        d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, vocab_size=100,
        pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1,
    )  # fmt: skip
    tf.WhisperModel(config).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="reads input_features, neither texts nor pictures"):
        get_encoder(str(tmp_path))


def test_two_spellings_share_their_vectors(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(clip.parent)
    with create_run(tmp_path / "run") as run:
        assert embed(run, get_encoder(f"clip:{clip}", "text"), ["a ship"]).computed == 1
        assert embed(run, get_encoder("./my-clip#text"), ["a ship", "a cat"]).computed == 1


def test_what_is_an_encoder(clip: Path, dino: Path, tmp_path: Path) -> None:
    for name in ("lexical", "clip:anything", str(clip), str(dino), f"{clip}#text"):
        assert is_encoder(name)
    words = bert_words()
    tf.BertModel(tf.BertConfig(vocab_size=len(words), **text_tower())).save_pretrained(tmp_path)
    assert not is_encoder(str(tmp_path))
    assert is_encoder(f"auto:{tmp_path}")
    assert not is_encoder("bundled:postcard-llava")
    assert not is_encoder("bundled:postcard-sdxl")
