"""A run as a table."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from driftloop_toys.studies import toy_study
from PIL import Image
from typer.testing import CliRunner

from driftloop.cli import app
from driftloop.errors import StoreError
from driftloop.runners import run
from driftloop.store import export_steps


def test_parquet_holds_every_step_and_its_picture(tmp_path: Path) -> None:
    with run(toy_study(), tmp_path / "run") as played:
        table = pq.read_table(export_steps(played, tmp_path / "out" / "steps.parquet"))
        steps = played.steps()
        assert len(table) == len(steps)
        assert table.column_names == [*steps.column_names, "picture"]
        for name in steps.column_names:
            assert table[name].to_pylist() == steps[name].to_pylist()
        for digest, cell in zip(
            table["image"].to_pylist(), table["picture"].to_pylist(), strict=True
        ):
            assert (digest is None) == (cell is None)
            if cell:
                assert list(Image.open(io.BytesIO(cell["bytes"])).get_flattened_data()) == list(
                    played.image(digest).get_flattened_data()
                )
    features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    assert features["picture"] == {"_type": "Image"}
    assert not list(tmp_path.rglob("*.part"))


def test_csv_and_the_command(tmp_path: Path) -> None:
    with run(toy_study(), tmp_path / "run") as played:
        steps = played.steps()
    words = ["export", str(tmp_path / "run"), "--steps", "--to", str(tmp_path / "steps.csv")]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    with (tmp_path / "steps.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["seed"]) for row in rows] == steps["seed"].to_pylist()
    assert [row["text"] or None for row in rows] == steps["text"].to_pylist()
    assert [json.loads(row["readings"]) for row in rows] == steps["readings"].to_pylist()


def test_some_trajectories_only(tmp_path: Path) -> None:
    with run(toy_study(), tmp_path / "run") as played:
        steps = played.steps().to_pylist()
        name = played.trajectories()[-1]
        theirs = [row for row in steps if (row["arm"], row["prompt"], row["twin"]) == name]
        assert 0 < len(theirs) < len(steps)
        assert played.steps([name]).to_pylist() == theirs
        assert len(played.steps([])) == 0
    words = ["export", str(tmp_path / "run"), "--steps", "--to", str(tmp_path / "steps.csv")]
    result = CliRunner().invoke(app, [*words, "--trajectory", f"{name.prompt}/{name.twin}"])
    assert result.exit_code == 0, result.output
    with (tmp_path / "steps.csv").open(newline="", encoding="utf-8") as stream:
        rows = [(row["prompt"], row["twin"]) for row in csv.DictReader(stream)]
    assert set(rows) == {(name.prompt, str(name.twin))}
    assert CliRunner().invoke(app, [*words, "--trajectory", "nobody"]).exit_code != 0


def test_other_endings_and_places_are_refused(tmp_path: Path) -> None:
    with run(toy_study(), tmp_path / "run") as played:
        with pytest.raises(StoreError, match=r"\.parquet or \.csv"):
            export_steps(played, tmp_path / "steps.xlsx")
        (tmp_path / "file").write_text("")
        with pytest.raises(StoreError, match="cannot be written there"):
            export_steps(played, tmp_path / "file" / "steps.csv")
