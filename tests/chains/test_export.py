"""What leaves a run comes back as it was, and opens where it should."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from driftloop_toys.studies import toy_study, without_captioner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import driftloop
from driftloop.chains import export_run, import_chains
from driftloop.errors import ChainError, ModelError, StoreError
from driftloop.steps import Content, Failure, Recorded, Role, Trajectory, image_digest
from driftloop.store import Run, create_run, examine, open_run
from driftloop.study import load_study


@pytest.fixture
def played(tmp_path: Path) -> Path:
    driftloop.run(toy_study(), tmp_path / "run", progress=False).close()
    return tmp_path / "run"


def states(folder: Path) -> list[Any]:
    """Everything of a run that is a state, or names one."""
    names = ["arm", "prompt", "twin", "step", "round", "role", "model", "text", "image", "seed"]
    with open_run(folder) as run:
        prompts = sorted((p["id"], p["kind"], p["value"]) for p in run.prompts())
        return [run.steps().select(names).to_pylist(), prompts]


def test_a_played_run_comes_back(played: Path, tmp_path: Path) -> None:
    for target in (tmp_path / "t.parquet", tmp_path / "shards"):
        export_run(played, target)
        found = import_chains(target, tmp_path / f"back-{target.stem}")
        assert found.rejected == []
        assert states(found.folder) == states(played)
        assert examine(found.folder) == []


def test_pictures_of_pictures_come_back(tmp_path: Path) -> None:
    driftloop.run(load_study(without_captioner()), tmp_path / "run", progress=False).close()
    export_run(tmp_path / "run", tmp_path / "t.parquet")
    found = import_chains(tmp_path / "t.parquet", tmp_path / "back")
    assert found.rejected == []
    assert states(found.folder) == states(tmp_path / "run")
    export_run(tmp_path / "run", tmp_path / "all.gif")


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
rounds = st.tuples(st.none() | texts, st.integers(0, 3), st.none() | st.integers(0, 2**63 - 1))


@settings(
    max_examples=25, deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(
    chains=st.lists(
        st.tuples(st.booleans(), st.lists(rounds, min_size=1, max_size=4), st.booleans()),
        min_size=1, max_size=4,
    )
)  # fmt: skip
def test_whatever_was_recorded_comes_back(tmp_path_factory: Any, chains: list[Any]) -> None:
    """Gaps, missing pictures, missing captions, odd texts, starts of both kinds, failures."""
    folder: Path = tmp_path_factory.mktemp("round-trip")
    with create_run(folder / "run") as run:
        pictures = {
            image_digest(image): image for n in range(5) if (image := Image.new("RGB", (2, n + 1)))
        }
        run.put_images(pictures)
        digests = list(pictures)
        starts = [
            Content("image", digests[4]) if from_picture else Content("text", f"prompt {number}")
            for number, (from_picture, _, _) in enumerate(chains)
        ]
        run.begin(
            study="{}", digest="d", environment={},
            prompts=[(f"p{n}", start, "x") for n, start in enumerate(starts)],
        )  # fmt: skip
        for number, (from_picture, parts, fails) in enumerate(chains):
            steps: list[Recorded] = []
            for at, (text, picture, seed) in enumerate(parts, 1):
                whole = [Recorded(at, Role.GENERATOR, "g", "gf", None, Content("image", d), seed)
                         for d in digests[:picture][-1:]]  # fmt: skip
                said = [] if text is None else [text]
                whole[0 if from_picture else len(whole) :] = [
                    Recorded(at, Role.CAPTIONER, "c", "cf", None, Content("text", t), seed)
                    for t in said
                ]
                steps += whole
            if fails:
                outcome = Failure("out of luck")
                steps.append(Recorded(9, Role.GENERATOR, "g", "gf", None, outcome))
            run.record(Trajectory("arm", f"p{number}", 0), steps)
        empty = not any(step["image"] for step in run.steps().to_pylist())
        if empty:
            return  # chains of texts alone have another role, see test_import.py
        failed = len(run.failures())
    export_run(folder / "run", folder / "t.parquet")
    found = import_chains(folder / "t.parquet", folder / "back")
    assert found.rejected == []
    kept, prompts = states(folder / "run")
    back, prompts_back = states(folder / "back")
    assert back == kept
    assert set(prompts_back) <= set(prompts)
    with open_run(folder / "back") as run:
        assert len(run.failures()) == failed


def test_the_datasets_library_opens_it_with_pictures(
    played: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    files = export_run(played, tmp_path / "shards", shard_bytes=1)
    assert files[0].name == f"train-00000-of-{len(files):05}.parquet"
    table = datasets.load_dataset(
        str(tmp_path / "shards"), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert isinstance(table.features["image"], datasets.Image)
    assert isinstance(table.features["prompt_image"], datasets.Image)
    with open_run(played) as run:
        steps = [row for row in run.steps().to_pylist() if row["image"]]
        assert len(table) == len(steps)
        for row, step in zip(table, steps, strict=True):
            assert row["image"].tobytes() == run.image(step["image"]).tobytes()
            assert row["generator_seed"] == step["seed"]
            assert row["generator_readings"] == step["readings"]


def test_every_column_is_described() -> None:
    from driftloop.chains._wide import COLUMNS
    from driftloop.report._losses import MEANINGS

    text = (Path(__file__).parents[2] / "docs" / "export.md").read_text("utf-8")
    assert [name for name in COLUMNS if f"`{name}`" not in text] == []
    # What follows a colon is a number.
    assert [flag for flag in MEANINGS if f"`{flag}" not in text] == []


def test_shards_end_where_they_should(
    played: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("driftloop.chains._parquet.GROUP_ROWS", 4)
    files = export_run(played, tmp_path / "out", shard_bytes=1)
    assert len(files) > 1
    assert all(pq.ParquetFile(file).metadata.num_rows <= 4 for file in files)
    assert sorted(tmp_path.glob("out/data/*")) == sorted(files)


def test_a_picture_that_is_gone_leaves_no_half_table(played: Path, tmp_path: Path) -> None:
    target = export_run(played, tmp_path / "t.parquet")[0]
    before = target.read_bytes()
    next((played / "images").glob("*/*.png")).unlink()
    with pytest.raises(StoreError, match="see driftloop doctor"):
        export_run(played, target)
    assert target.read_bytes() == before
    assert list(tmp_path.glob(".*")) == []


def test_films(played: Path, tmp_path: Path) -> None:
    with open_run(played) as run:
        name = run.trajectories()[0]
        shown = max(step["round"] for step in run.steps_of(name))
        export_run(run, tmp_path / "one.gif", trajectories=["/".join(map(str, name))])
        export_run(run, tmp_path / "all.gif", rate=10)
    with Image.open(tmp_path / "one.gif") as film:
        assert film.n_frames == shown + 1
        assert film.info["duration"] == pytest.approx(333, abs=5)
        film.seek(1)
        frame = film.convert("RGB").crop((20, 48, 404, 432))
        assert len(frame.getcolors(1 << 20) or []) > 1
    with Image.open(tmp_path / "all.gif") as mosaic:
        assert mosaic.n_frames == shown + 1
        assert mosaic.info["duration"] == 100


def test_a_film_in_h264(played: Path, tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    export_run(played, tmp_path / "all.mp4")
    with av.open(str(tmp_path / "all.mp4")) as film:
        assert film.streams.video[0].codec_context.name == "h264"
        assert sum(1 for _ in film.decode(video=0)) == toy_study().rounds + 1


def test_without_the_library_the_error_says_what_to_install(
    played: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ModelError, match=r"driftloop\[film\]"):
        export_run(played, tmp_path / "all.mp4")
    assert list(tmp_path.glob("*.mp4")) == []


def test_a_film_of_texts(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("chain,round,text\na,0,cat\na,1,dog\nb,0,fox\nb,1,owl\n")
    import_chains(tmp_path / "t.csv", tmp_path / "run")
    with pytest.raises(ChainError, match="no pictures for a mosaic"):
        export_run(tmp_path / "run", tmp_path / "all.gif")
    with open_run(tmp_path / "run") as run:
        (prompt, *_) = run.prompts()
    export_run(tmp_path / "run", tmp_path / "one.gif", trajectories=[prompt["id"]])
    with Image.open(tmp_path / "one.gif") as film:
        assert film.n_frames == 2


def test_what_cannot_be_exported(played: Path, tmp_path: Path) -> None:
    for change, match in (
        ({"target": "x.avi"}, "a run is written as .parquet, .gif or .mp4"),
        ({"target": "x.gif", "trajectories": ["nobody"]}, "has no trajectory 'nobody'"),
        ({"target": "x.gif", "rate": 0.0}, "between 0.1 and 50"),
    ):
        arguments: dict[str, Any] = dict(change)
        with pytest.raises(ChainError, match=match):
            export_run(played, tmp_path / arguments.pop("target"), **arguments)
    with create_run(tmp_path / "nothing") as run, pytest.raises(ChainError, match="nothing has"):
        export_run(run, tmp_path / "x.gif")


def test_memory_does_not_grow_with_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One trajectory's steps and one row group's pictures are held, never the table."""
    held: list[int] = []
    import driftloop.chains._parquet as module

    monkeypatch.setattr(module, "GROUP_BYTES", 20_000)
    noise = random.Random(0)
    with create_run(tmp_path / "run") as run:
        run.begin(study="{}", digest="d", prompts=[], environment={})
        for number in range(12):
            image = Image.frombytes("RGB", (50, 50), noise.randbytes(7_500))
            run.put_images({image_digest(image): image})
            content = Content("image", image_digest(image))
            run.record(
                Trajectory("a", f"p{number}", 0),
                [Recorded(1, Role.GENERATOR, "g", "f", None, content)],
            )
        monkeypatch.setattr(Run, "steps", lambda _: pytest.fail("the whole table was read"))
        picture: Callable[..., Any] = module._picture
        monkeypatch.setattr(
            module, "_picture", lambda *a: held.append(len((cell := picture(*a))["bytes"])) or cell
        )
        (file,) = export_run(run, tmp_path / "t.parquet")
    assert pq.ParquetFile(file).metadata.num_row_groups >= sum(held) // 30_000
