"""Encoders that a user chooses: in a report, and to be checked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("jinja2")

from tiny_encoders import CASES
from typer.testing import CliRunner
from worlds import make_run

import driftloop
from driftloop.cli import app
from driftloop.errors import ModelError
from driftloop.runners import check_encoders
from driftloop.store import open_run

runner = CliRunner()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoders") / "tiny-clip"
    CASES["CLIP"].build(folder)
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    make_run(tmp_path / "run", rounds=3).close()
    return tmp_path / "run"


def test_a_report_measures_with_what_is_chosen(clip: Path, run: Path) -> None:
    words = [
        "report",
        run,
        "--encoder",
        f"clip:{clip}",
        "-e",
        "lexical",
        "-e",
        f"{clip}#text",
        "-q",
    ]
    result = runner.invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    page = (run / "report.html").read_text("utf-8")
    for part in (f"clip:{clip}#text", f"clip:{clip}#image", "Captions: words in common",
                 "Captions: meaning, by tiny-clip", "Pictures: content, by tiny-clip"):  # fmt: skip
        assert part in page
    assert "colours in the same places" not in page
    assert "minilm" not in page
    # Two spellings of one encoder are measured once.
    assert page.count(f"<dt>clip:{clip}#text</dt>") == 1
    assert f"<dt>{clip}#text</dt>" not in page
    with open_run(run) as opened:
        kept = opened._db.execute("SELECT encoder, count(*) FROM embeddings GROUP BY 1").fetchall()
    assert len(kept) == 3


def test_captions_that_are_longer_than_it_reads_are_counted(clip: Path, run: Path) -> None:
    driftloop.write_report(run, encoders=[f"{clip}#text"], progress=False)
    page = (run / "report.html").read_text("utf-8")
    assert f"{clip}#text (encoder)" in page
    assert "longer than it reads" in page


def test_a_mistake_is_told_before_anything_is_embedded(run: Path) -> None:
    with pytest.raises(ModelError, match=r"no model at '\./nowhere'"):
        driftloop.write_report(run, encoders=["lexical", "dino:./nowhere"], progress=False)
    assert not (run / "report.html").exists()
    with open_run(run) as opened:
        assert opened._db.execute("SELECT count(*) FROM embeddings").fetchone() == (0,)


def test_check_tells_what_an_encoder_is(clip: Path) -> None:
    result = runner.invoke(app, ["check", str(clip)])
    assert result.exit_code == 0, result.output
    for part in ("encoder of texts", "encoder of pictures", "24 tokens", "bit-exact", "12",
                 "seconds a content"):  # fmt: skip
        assert part in result.output
    data = json.loads(runner.invoke(app, ["check", f"{clip}#image", "--json"]).output)
    (only,) = data["encoders"]
    assert (data["role"], only["kind"], only["dimensions"]) == ("encoder", "image", 12)
    assert only["invariance"]["verdict"] == "bit-exact"
    told = runner.invoke(app, ["check", "lexical", "--set", "words=3"])
    assert told.exit_code == 2


def test_check_finds_an_encoder_that_heeds_its_company(monkeypatch: pytest.MonkeyPatch) -> None:
    from driftloop.encoders.lexical import LexicalEncoder

    honest = LexicalEncoder.encode
    for by, verdict in ((1e-4, "within"), (0.5, "no")):

        def swayed(self, contents, by=by):  # type: ignore[no-untyped-def]
            vectors = honest(self, contents)
            vectors[:, 0] += by * len(contents) / 24
            return vectors / (vectors**2).sum(axis=1, keepdims=True) ** 0.5

        monkeypatch.setattr(LexicalEncoder, "encode", swayed)
        (found,) = check_encoders("lexical")
        assert found.invariance.verdict == verdict
        assert found.invariance.different == 2
