"""CSV files that leave the project run nothing, and come back as they were."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftloop.cells import escaped, restored, write_csv
from driftloop.chains import REJECTED, import_chains
from driftloop.steps import Content, Recorded, Role, Trajectory
from driftloop.store import create_run, export_steps, open_run

BEGINS = "=+-@\t\r\n＝＋－＠"
TEXTS = [
    "=1+1", '=HYPERLINK("http://x","y")', "+1", "-5", "-0.5 degrees", "@sum", "\ttab", "\rback",
    "\n=2", "＝1", "'=1", "''=1", "'tis a ship", "'", "NA", 'a, "b"', "x\r\ny", "=", "plain",
]  # fmt: skip
texts = st.text(st.sampled_from(f"{BEGINS}'a1, ") | st.characters(exclude_categories=["Cs"]))


@given(texts)
def test_every_text_comes_back_and_none_begins_like_a_formula(text: str) -> None:
    cell = escaped(text)
    assert restored(cell) == text
    assert cell[:1] not in [*BEGINS]
    assert cell in (text, f"'{text}")
    assert (cell == text) == (text.lstrip("'")[:1] not in [*BEGINS])


def test_numbers_stay_numbers() -> None:
    stream = io.BytesIO()
    write_csv(stream, ["text", "whole", "part", "none"], [("-5", -5, -0.5, None)])
    assert stream.getvalue() == b"text,whole,part,none\r\n'-5,-5,-0.5,\r\n"


def test_the_line_for_pandas_takes_the_apostrophes_off() -> None:
    page = (Path(__file__).parents[1] / "docs" / "export.md").read_text("utf-8")
    (pattern,) = re.findall(r'replace\(r"(.*?)", ""', page)
    assert [re.sub(pattern, "", escaped(text)) for text in TEXTS] == TEXTS


def states(folder: Path) -> list[Any]:
    with open_run(folder) as run:
        return [(row["arm"], row["model"], row["text"]) for row in run.steps().to_pylist()]


def test_a_table_of_steps_comes_back_with_the_same_texts(tmp_path: Path) -> None:
    with create_run(tmp_path / "run") as run:
        run.begin(study="{}", digest="d", prompts=[], environment={})
        for number, text in enumerate(TEXTS):
            steps = [
                Recorded(n, Role.WRITER, "-w", "wf", None, Content("text", told), -number)
                for n, told in enumerate((text, TEXTS[-1 - number]), 1)
            ]
            run.record(Trajectory("=arm", f"p{number:02}", 0), steps)
        export_steps(run, tmp_path / "steps.csv")
    with (tmp_path / "steps.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    texts = [row[name] for row in rows for name in ("arm", "model", "text", "prompt")]
    assert [text for text in texts if text[:1] in [*BEGINS] and text] == []
    assert {row["seed"] for row in rows} == {str(-number) for number in range(len(TEXTS))}
    found = import_chains(tmp_path / "steps.csv", tmp_path / "back")
    assert found.rejected == []
    assert states(found.folder) == states(tmp_path / "run")
    assert any("no apostrophe any more" in note for note in found.notes)


def test_tables_of_others_are_taken_as_they_stand(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("chain,round,text\na,0,'=1\na,1,=2\na,2,cat\n")
    found = import_chains(tmp_path / "t.csv", tmp_path / "run")
    assert [text for _, _, text in states(found.folder)] == ["=2", "cat"]
    with open_run(found.folder) as run:
        assert run.prompts()[0]["value"] == "'=1"


@pytest.mark.parametrize("begin", "=+-@")
def test_what_was_kept_out_is_safe_in_every_column(begin: str, tmp_path: Path) -> None:
    table = tmp_path / f"{begin}t.csv"
    table.write_text(f"chain,round,text\na,{begin}x,{begin}cmd\na,0,cat\na,1,dog\n")
    found = import_chains(table, tmp_path / "run")
    with (found.folder / REJECTED).open(encoding="utf-8", newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert row["file"] == f"'{begin}t.csv"
    assert not any(cell.startswith(begin) for cell in row.values())
    assert restored(row["content"]) == found.rejected[0].content
