"""What cells mean, in whatever kind of file they are: nothing, a text, a picture, a failure."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sources import Write, paint, states, told

from driftloop.chains import import_chains
from driftloop.chains._cells import FINE, NOTHING, WORDS, failure_of, is_missing
from driftloop.errors import ChainError, listed, printable
from driftloop.store import open_run

NAN = float("nan")


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    """A table in the form that the ending says."""
    frame = pd.DataFrame(rows)
    match path.name.split(".", 1)[1]:
        case "csv":
            frame.to_csv(path, index=False)
        case "parquet":
            frame.to_parquet(path)
        case "jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        case orient:
            path.write_text(frame.to_json(orient=orient.split(".")[0]), "utf-8")
    return path


ENDINGS = ["csv", "parquet", "jsonl", "records.json", "columns.json", "split.json", "index.json"]


@pytest.mark.parametrize("ending", [*ENDINGS, "table.json"])
def test_the_same_chains_from_each_kind_of_file(tmp_path: Path, out: Path, ending: str) -> None:
    rows = [
        {"chain": c, "round": n, "caption": f"{c} says {n}", "score": n / 3}
        for c in ("a", "b") for n in (1, 2, 3)
    ]  # fmt: skip
    found = import_chains(written(tmp_path / f"t.{ending}", rows), out)
    assert list(states(out).values()) == [
        {n: f"{c} says {n}" for n in (1, 2, 3)} for c in ("a", "b")
    ]
    assert (found.counts.rows, found.counts.used, found.rejected) == (6, 6, [])
    assert any("not used: " in note and "score" in note for note in found.notes)


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl", "records.json"])
@pytest.mark.parametrize("nothing", [None, NAN, "", "nan", "NaN", "None", "null", "<NA>", "N/A"])
def test_what_is_missing_is_missing_in_every_column_of_every_file(
    tmp_path: Path, out: Path, ending: str, nothing: Any
) -> None:
    rows = [
        {"chain": "a", "round": 1, "caption": "a boat", "error": nothing, "twin": nothing},
        {"chain": "a", "round": 2, "caption": nothing, "error": "out of memory", "twin": nothing},
        {"chain": "a", "round": 3, "caption": "a lake", "error": nothing, "twin": nothing},
    ]
    more = {"image": nothing, "prompt": nothing, "seed_text": nothing, "model": nothing}
    source = written(tmp_path / f"t.{ending}", [{**row, **more} for row in rows])
    found = import_chains(source, out)
    assert list(states(out).values()) == [{1: "a boat", 3: "a lake"}]
    assert (found.counts.used, found.rejected) == (3, [])
    with open_run(out) as run:
        (failure,) = run.failures()
        assert (failure["round"], failure["reason"]) == (2, "out of memory")
        assert {row["model"] for row in run.players()} == {"unknown writer"}


@pytest.mark.parametrize(
    "fine", [False, 0, 0.0, "false", "0", "0.0", "ok", "OK", "None", "success", [], {}, " - "]
)
def test_a_column_of_failures_may_say_that_nothing_failed(
    table: Write, out: Path, fine: Any
) -> None:
    rows = [{"chain": "a", "round": n, "caption": f"t{n}", "error": fine} for n in (1, 2)]
    found = import_chains(table("\n".join(map(json.dumps, rows)), "t.jsonl"), out)
    assert (found.texts, found.rejected) == (2, [])
    with open_run(out) as run:
        assert run.failures() == []


@given(st.sampled_from(sorted(FINE)), st.text(" \t", max_size=2))
def test_words_for_nothing_are_known_in_any_case(word: str, blank: str) -> None:
    for form in (word, word.upper(), word.title()):
        assert failure_of(f"{blank}{form}{blank}") is None
        assert is_missing(f"{blank}{form}") == (word in WORDS)
    assert not is_missing(f"{word} at all")
    assert NOTHING < WORDS


def test_a_failure_beside_what_is_there_is_told_and_is_none(table: Write, out: Path) -> None:
    source = table(
        "chain,round,caption,error\na,1,x,slow answer\na,2,,timeout\na,2,y,\na,3,,timeout\n"
    )
    found = import_chains(source, out)
    assert [(r.place.line, r.what) for r in found.rejected] == [(2, "failure"), (3, "row")]
    with open_run(out) as run:
        assert [row["round"] for row in run.failures()] == [3]
    assert list(states(out).values()) == [{1: "x", 2: "y"}]


def test_a_text_or_a_name_that_is_a_word_for_nothing_is_told(table: Write, out: Path) -> None:
    source = table("arm,chain,round,caption\nnone,a,1,x\nnone,a,2,None\nhint,a,1,nan\nhint,a,2,y\n")
    found = import_chains(source, out)
    assert {arm for arm, _, _ in states(out)} == {"none", "hint"}
    assert any("texts that say 'None' and nothing else" in note for note in found.notes)
    assert any("'none' is kept as the name of the arm: 2" in note for note in found.notes)
    assert sorted(told(out)) == ["3", "4"]


LOG = [
    {"n": 0, "content_type": "text", "content": "a cat"},
    {"n": 1, "content_type": "image", "content": "1.png"},
    {"n": 2, "content_type": "text", "content": "see 3.png"},
    {"n": 3, "content_type": "image/png", "content": "3.png"},
    {"n": 4, "content_type": "text", "content": "9.png"},
]


@pytest.mark.parametrize("kind", ["content_type", "type", "modality", "kind"])
@pytest.mark.parametrize("name", ["log.jsonl", "log.json", "log.csv"])
def test_a_column_of_kinds_decides(table: Write, out: Path, kind: str, name: str) -> None:
    for number in (1, 3):
        paint(table("").parent / f"{number}.png", (number * 60, 0, 0))
    rows = [{"step": r["n"], kind: r["content_type"], "content": r["content"]} for r in LOG]
    frame = pd.DataFrame(rows)
    text = {
        "log.jsonl": "\n".join(map(json.dumps, rows)), "log.json": json.dumps(rows),
        "log.csv": frame.to_csv(index=False),
    }[name]  # fmt: skip
    found = import_chains(table(text, name), out)
    # Texts and pictures alternate, so they are steps. What is said to be a text is one.
    assert list(states(out).values()) == [{1: "see 3.png", 2: "9.png"}]
    assert (found.pictures, found.rejected) == (2, [])
    assert any("count steps" in note for note in found.notes)


def test_a_file_name_never_becomes_a_caption(table: Write, out: Path) -> None:
    paint(table("").parent / "img" / "1.png", "red")
    source = table(
        "chain,step,output\na,0,a cat\na,1,img/1.png\na,2,A sign that says cat.png\na,3,gone.JPG\n"
        "a,4,end\n"
    )
    found = import_chains(source, out)
    assert list(states(out).values()) == [{1: "A sign that says cat.png", 2: "end"}]
    assert [r.reason for r in found.rejected] == ["the picture is not there: gone.JPG"]
    assert any("pictures that stand in a column of texts: 2" in note for note in found.notes)
    assert (found.counts.used, found.counts.kept_out) == (4, 1)


def test_columns_of_their_own_are_not_mixed_up(table: Write, out: Path) -> None:
    paint(table("").parent / "1.png", "red")
    source = table(
        "chain,round,type,caption,image\na,1,image,a boat,\na,1,text,,1.png\na,2,text,a lake,\n"
    )
    found = import_chains(source, out)
    assert list(states(out).values()) == [{1: "a boat", 2: "a lake"}]
    assert (found.pictures, found.rejected) == (1, [])


def test_texts_and_pictures_as_bytes(tmp_path: Path, out: Path) -> None:
    data = paint(tmp_path / "x.png", "red").read_bytes()
    cells = pa.array(["a café".encode(), data, b"a boat"], pa.binary())
    pq.write_table(pa.table({"step": [0, 1, 2], "content": cells}), tmp_path / "t.parquet")
    found = import_chains(tmp_path / "t.parquet", out)
    assert list(states(out).values()) == [{1: "a boat"}]
    assert (found.pictures, found.rejected) == (1, [])


def test_documents_of_chains(table: Write, out: Path, tmp_path: Path) -> None:
    chains = [
        {"prompt": "a cat", "steps": [{"caption": "x"}, {"caption": "y"}]},
        {"prompt": "a cat", "steps": [{"caption": "z"}]},
    ]
    found = import_chains(table(json.dumps({"model": "m", "chains": chains}), "a.json"), out)
    assert list(states(out).values()) == [{1: "x", 2: "y"}, {1: "z"}]
    assert any("numbered in their order: 3" in note for note in found.notes)
    lines = "\n".join(map(json.dumps, chains))
    import_chains(table(lines, "b.jsonl"), tmp_path / "b")
    assert states(tmp_path / "b") == states(out)
    rows = [{"chain": "a", "round": n, "text": "t", "readings": [{"k": 1}]} for n in (1, 2)]
    found = import_chains(table(json.dumps(rows), "c.json"), tmp_path / "c")
    assert found.counts.rows == 2


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_damaged_json_costs_its_rows(table: Write, out: Path, name: str) -> None:
    rows = [json.dumps({"chain": "a", "round": n, "text": f"t{n}"}) for n in (1, 2, 3, 4, 5)]
    rows[1] = rows[1].replace('"t2"', "t2")
    rows[2] = rows[2].replace('"t3"', '"\\ud800"')
    rows[3] = rows[3].replace('"text"', '"round": 9, "text"')
    text = (
        "\n".join(rows) if name == "a.jsonl" else f"[{','.join(f'{row}{chr(10)}' for row in rows)}"
    )
    found = import_chains(table(text, name), out)
    assert list(states(out).values()) == [{1: "t1", 5: "t5"}]
    assert found.counts[:3] == (5, 2, 3)
    reasons = "; ".join(reject.reason for reject in found.rejected)
    assert "no JSON" in reasons
    assert "half a character" in reasons
    assert "the key 'round' comes twice" in reasons


def test_huge_and_hostile_tables_are_answered(table: Write, out: Path, tmp_path: Path) -> None:
    names = [f"c{n}" for n in range(30_000)]
    start = time.perf_counter()
    with pytest.raises(ChainError, match=r"no column says the round.* and 29,980 more") as caught:
        import_chains(table(",".join(names) + "\n"), out)
    assert time.perf_counter() - start < 5
    assert len(str(caught.value)) < 1_000
    with pytest.raises(ChainError, match="nested too deeply"):
        import_chains(table("[" * 100_000, "deep.json"), out)
    digits = '{"chain":"a","round":1,"text":"x","n":' + "9" * 5_000 + "}\n"
    deep = '{"a":' * 100_000 + "\n"
    long = digits.replace(":1,", f":{'9' * 5_000},")
    found = import_chains(table(digits + deep + long, "a.jsonl"), out)
    assert found.counts[:3] == (3, 1, 2)
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "zero.csv").symlink_to("/dev/zero")
    for name in ("pipe.csv", "zero.csv"):
        with pytest.raises(ChainError, match="a pipe, a device or a folder"):
            import_chains(tmp_path / name, tmp_path / "none")


def test_cells_of_parquet_that_python_has_no_form_for(tmp_path: Path, out: Path) -> None:
    offsets = pa.py_buffer(pa.array([0, 1, 3, 4], pa.int32()).buffers()[1])
    broken = pa.Array.from_buffers(pa.string(), 3, [None, offsets, pa.py_buffer(b"x\xff\xfez")])
    field = pa.field("a", pa.int64())
    numbers = pa.array([1, 2, 3])
    double = pa.StructArray.from_arrays([numbers, numbers], fields=[field, field])
    late = pa.array([0, 1, 2**62], pa.timestamp("us"))
    columns = {"round": numbers, "caption": broken, "image": double, "model": late}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    found = import_chains(tmp_path / "t.parquet", out)
    assert list(states(out).values()) == [{1: "x"}]
    assert found.counts[:3] == (3, 1, 2)
    assert "a cell of 'caption' is not UTF-8" in told(out)["2"]
    assert "a cell of 'model' cannot be read" in told(out)["3"]


def test_nothing_of_a_table_reaches_a_terminal_as_it_is(table: Write, out: Path) -> None:
    source = table(
        "chain,round,caption,\x1b[31mevil\x07\n\x1b]0;x\x07,q\x1b[2J,c,d\na,1,x,e\n", "a\x1b[1m.csv"
    )
    found = import_chains(source, out)
    shown = "".join([*found.notes, *(f"{r.reason}{r.content}" for r in found.rejected)])
    assert printable(shown) == shown
    assert "\\x1b[31mevil" in shown
    with pytest.raises(ChainError) as caught:
        import_chains(source, out.parent / "other", columns={"text": "\x1b[2J"})
    assert printable(str(caught.value)) == str(caught.value)
    assert listed([str(n) for n in range(1_000)]).endswith("and 980 more")
