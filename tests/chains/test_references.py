"""How sources name their pictures: which file of the folder is meant, and that none other is."""

from __future__ import annotations

import base64
import json
import os
import unicodedata
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sources import Write, paint, told
from typer.testing import CliRunner

from driftloop.chains import import_chains
from driftloop.chains._references import Finder, fold, take_apart
from driftloop.chains._rows import BadCellError
from driftloop.cli import app
from driftloop.store import open_run

NAMES = st.lists(
    st.text(
        st.characters(categories=("L", "N"), include_characters=" -_%"), min_size=1, max_size=8
    ),
    min_size=1,
    max_size=3,
).map(tuple)  # fmt: skip


def find(table: Write, out: Path, name: str) -> tuple[int, list[str]]:
    source = table(f'chain,round,text,image\na,1,a boat,"{name}"\n')
    found = import_chains(source, out)
    return found.pictures, [*found.notes, *(reject.reason for reject in found.rejected)]


@pytest.mark.parametrize(
    ("name", "form"),
    [
        (r"images\step 1.png", "a Windows path"),
        (r".\images\step 1.png", "a Windows path"),
        ("images/Step 1.PNG", "in another case"),
        ("source/images/step 1.png", "by the end of the path"),
        ("step 1.png", "by the end of the path"),
        ("/data/run7/images/step 1.png", "an absolute path, by the end of the path"),
        (r"C:\data\images\step 1.png", "an absolute Windows path, by the end of the path"),
        (r"\\server\share\images\step 1.png", "an absolute Windows path, by the end of the path"),
        ("file:///data/images/step%201.png", "a file address, by the end of the path"),
        ("file:///C:/data/images/step%201.png", "a file address, by the end of the path"),
        ("images/step%201.png", "a path with percent escapes"),
        ("images/step 1", "without its ending"),
        ("../elsewhere/images/step 1.png", "by the end of the path"),
        (r"D:\IMAGES\STEP 1", "without its ending, in another case"),
    ],
)
def test_a_picture_is_found_in_every_form_of_its_path(
    table: Write, out: Path, name: str, form: str
) -> None:
    paint(table("").parent / "images" / "step 1.png", "red")
    paint(table("").parent / "images" / "step 2.png", "blue")
    pictures, notes = find(table, out, name)
    assert pictures == 1
    assert any("in another form: 1 " in note and note.endswith(form) for note in notes)
    with open_run(out) as run:
        assert run.image(run.steps()["image"][0].as_py()).getpixel((0, 0)) == (255, 0, 0)


def test_an_accent_may_be_one_letter_or_two(table: Write, out: Path) -> None:
    paint(table("").parent / unicodedata.normalize("NFD", "café.png"), "red")
    pictures, notes = find(table, out, unicodedata.normalize("NFC", "café.png"))
    assert pictures == 1
    assert "another normal form of its letters" in notes[0]


@pytest.mark.parametrize(
    ("files", "name", "part"),
    [
        (["A.png", "a.png"], r".\x\..\A.PNG", "fits more than one file"),
        (["x/1.png", "y/1.png"], "1.png", "fits more than one file"),
        (["1.png", "1.jpg"], "1", "fits more than one file"),
        (["run_7/1.png"], "run_8/1.png", "is not there: run_8"),
        (["run_7/1.png"], r"C:\run_8\1.png", "is not there, by an absolute Windows path"),
        (["1.png"], "2.png", "is not there: 2.png"),
        (["1.png"], "1.jpg", "is not there: 1.jpg"),
        (["1.png"], "s3://bucket/1.png", "nothing is fetched"),
        (["1.png"], "..", "names no file"),
    ],
)
def test_a_path_that_fits_no_file_or_several_finds_none(
    table: Write, out: Path, files: list[str], name: str, part: str
) -> None:
    for number, file in enumerate(files):
        paint(table("").parent / file, (number, 0, 0))
    pictures, notes = find(table, out, name)
    assert pictures == 0
    assert any(part in note for note in notes)


def test_two_places_of_another_machine_are_not_one_picture(table: Write, out: Path) -> None:
    paint(table("").parent / "1.png", "red")
    source = table("chain,round,text,image\na,1,x,/data/a/1.png\nb,1,y,/data/b/1.png\n")
    found = import_chains(source, out)
    assert found.pictures == 1
    assert "two paths would mean one file" in told(out)["3"]


def test_no_file_outside_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paint(tmp_path / "secret.png", "red")
    base = tmp_path / "source"
    base.mkdir()
    (base / "out.png").symlink_to(tmp_path / "secret.png")
    (base / "up").symlink_to(tmp_path)
    seen: list[Path] = []
    exists = Path.exists
    monkeypatch.setattr(Path, "exists", lambda path: seen.append(path) or exists(path))
    for name in (
        "../secret.png", str(tmp_path / "secret.png"), "out.png", "up/secret.png", "OUT.png",
        "x/../../secret.png", (tmp_path / "secret.png").as_uri(), "%2e%2e/secret.png", "secret",
    ):  # fmt: skip
        with pytest.raises(BadCellError, match=r"leads out|is not there"):
            Finder(base).find(name)
    assert all(path.is_relative_to(base) for path in seen)


def test_a_pipe_among_the_files_hangs_nothing(table: Write, out: Path) -> None:
    for name in ("pipe.png", "step.png"):
        os.mkfifo(table("").parent / name)
    for name in ("pipe.png", "PIPE.png", "step"):
        pictures, notes = find(table, out / name, name)
        assert pictures == 0
        assert any("is no file" in note or "is not there" in note for note in notes)


@given(NAMES, NAMES, st.sampled_from(["{}", "/{}", "C:\\{}", "file:///{}"]))
def test_taking_a_path_apart_gives_the_parts_it_was_made_of(
    above: tuple[str, ...], parts: tuple[str, ...], form: str
) -> None:
    from urllib.parse import quote

    whole = [*above, *parts]
    joined = ("\\" if form.startswith("C") else "/").join(
        quote(part, safe="") if form.startswith("file") else part.replace("%", "_")
        for part in whole
    )  # fmt: skip
    expected = whole if form.startswith("file") else [part.replace("%", "_") for part in whole]
    assert list(take_apart(form.format(joined)).parts) == expected


@given(st.text(max_size=20))
def test_a_folded_name_stays_the_same_when_it_is_folded_again(name: str) -> None:
    assert fold(fold(name)) == fold(name)


def test_pictures_that_stand_in_the_cell(tmp_path: Path, out: Path) -> None:
    data = paint(tmp_path / "in" / "x.png", "red").read_bytes()
    (tmp_path / "x.png").write_bytes(data)
    plain = base64.b64encode(data).decode()
    cells = [
        plain, plain.rstrip("="), base64.urlsafe_b64encode(data).decode(),
        f"data:image/png;base64,{plain}", {"bytes": plain, "path": None},
        {"bytes": None, "path": "x.png"}, ["x.png"], [{"path": "x.png"}], [*data],
        repr(data), repr({"bytes": data, "path": "x.png"}),
    ]  # fmt: skip
    rows = [
        json.dumps({"chain": "a", "round": n, "text": f"{n}", "image": cell})
        for n, cell in enumerate(cells, 1)
    ]
    (tmp_path / "t.jsonl").write_text("\n".join(rows))
    found = import_chains(tmp_path / "t.jsonl", out)
    assert (found.pictures, found.rejected) == (len(cells), [])
    with open_run(out) as run:
        assert len({*run.steps()["image"].drop_null().to_pylist()}) == 1


@pytest.mark.parametrize(
    ("cell", "part"),
    [
        (["x.png", "y.png"], "holds 2 pictures, and a step has one"),
        ([], "holds 0 pictures"),
        ([[[1, 2, 3]]], "array of numbers"),
        ({"width": 8}, "neither bytes nor a path"),
        ("<PIL.PngImagePlugin.PngImageFile image mode=RGB size=8x8>", "Python shows of an object"),
        ("data:image/png;base64", "without data"),
        ("b'\\x89PNG...", "Python shows of an object, cut off"),
        (base64.b64encode(b"\x89PNG" + bytes(200)).decode(), "none of PNG"),
        (base64.b64encode(b"\x89PNG" + bytes(200)).decode() + "A", "base64 is damaged"),
        (3, "neither a path nor the bytes"),
    ],
)
def test_a_cell_that_holds_no_picture_says_why(
    tmp_path: Path, out: Path, cell: object, part: str
) -> None:
    row = {"chain": "a", "round": 1, "text": "x", "image": cell}
    (tmp_path / "t.jsonl").write_text(json.dumps(row))
    (reject,) = import_chains(tmp_path / "t.jsonl", out).rejected
    assert part in reject.reason


def test_a_list_of_one_picture_in_parquet_is_that_picture(tmp_path: Path, out: Path) -> None:
    data = paint(tmp_path / "x.png", "red").read_bytes()
    kind = pa.list_(pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    images = pa.array([[{"bytes": data, "path": "x.png"}]], kind)
    pq.write_table(
        pa.table({"chain": ["a"], "round": [1], "images": images}), tmp_path / "t.parquet"
    )
    found = import_chains(tmp_path / "t.parquet", out, columns={"image": "images"})
    assert (found.pictures, found.rejected) == (1, [])


def test_paths_that_are_not_found_are_one_line(table: Write, out: Path) -> None:
    rows = "".join(rf"a,{n},x,C:\runs\{n}.png" + "\n" for n in range(1, 40))
    source = table("chain,round,text,image\n" + rows)
    done = CliRunner().invoke(app, ["import", str(source), "-o", str(out), "-q"])
    assert done.exit_code == 1
    (line,) = [line for line in done.output.splitlines() if "times, the first picture" in line]
    assert "by an absolute Windows path" in line
    assert line.startswith("kept out 39 times")
    assert "kept out in all: 39" in done.output
