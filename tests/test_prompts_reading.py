"""Files of prompts: read as what they are, and named alike in each form."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftloop.errors import StudyError
from driftloop.prompts import Prompt, load_prompts

TEXTS = ["a lighthouse, at night", 'a "red" boat', "#1 fan; café", "ein\u2028Fluß"]


def table(texts: list[str], mark: str) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=mark).writerows([["ID", "Prompt", "Category"]])
    csv.writer(out, delimiter=mark).writerows([[at, text, "x"] for at, text in enumerate(texts, 1)])
    return out.getvalue()


FORMS: dict[str, Callable[[list[str]], str]] = {
    "a.txt": lambda texts: "\n\n".join(["# ours", *(t.replace("#", "\\#", 1) for t in texts)]),
    "lines": lambda texts: "\r\n".join(t.replace("#", "\\#", 1) for t in texts) + "\r\n",
    "a.csv": lambda texts: table(texts, ","),
    "semicolons.csv": lambda texts: "sep=;\r\n" + table(texts, ";"),
    "German.csv": lambda texts: table(texts, ";"),
    "a.tsv": lambda texts: table(texts, "\t"),
    "a.json": json.dumps,
    "objects.json": lambda texts: json.dumps({"prompts": [{"prompt": text} for text in texts]}),
    "a.jsonl": lambda texts: "\n".join(
        json.dumps({"id": at, "text": text}) for at, text in enumerate(texts)
    ),
    "a.toml": lambda texts: f"prompts = {json.dumps(texts)}",
}


def read(path: Path) -> list[Prompt]:
    return load_prompts(str(path), Path())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("form", FORMS)
def test_the_same_prompts_are_the_same_in_each_form(
    form: str, encoding: str, tmp_path: Path
) -> None:
    file = tmp_path / form
    file.write_bytes(FORMS[form](TEXTS).encode(encoding))
    assert read(file) == [Prompt.model_validate(text) for text in TEXTS]


words = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=30
)


@given(texts=st.lists(words.map(str.strip).filter(bool), min_size=1, max_size=4, unique=True))
def test_a_table_holds_any_text(texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("forms")
    for form in ("a.csv", "a.tsv", "a.json", "a.jsonl"):
        (folder / form).write_text(FORMS[form](texts), "utf-8", newline="")
        assert [prompt.text for prompt in read(folder / form)] == texts


def test_names_of_its_own_are_kept_and_numbers_of_rows_are_none(tmp_path: Path) -> None:
    file = tmp_path / "named.csv"
    file.write_text("id,source,prompt\nsea,free,a ship\nmeadow,,two cats\n")
    assert [(p.id, p.source) for p in read(file)] == [("sea", "free"), ("meadow", "")]


def test_western_text_without_a_mark_is_read_and_other_text_is_not_guessed(tmp_path: Path) -> None:
    file = tmp_path / "old.txt"
    file.write_bytes("ein café am Fluß – “alt”\n".encode("cp1252"))
    assert read(file)[0].text == "ein café am Fluß – “alt”"
    for text, encoding in (("海辺の古い灯台", "shift_jis"), ("маяк у моря ночью", "cp1251")):
        file.write_bytes(f"a ship\n{text}\n".encode(encoding))
        with pytest.raises(StudyError, match=r"old\.txt: line 2 is not UTF-8 text: save the file"):
            read(file)


def test_pictures_stand_in_tables_too(tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "p.csv").write_text("image,prompt\na.png,\n,a ship\n")
    image, text = read(tmp_path / "p.csv")
    assert image.image == str((tmp_path / "a.png").resolve())
    assert text.text == "a ship"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "number,title\n1,a ship\n", "no column is named 'prompt'.*number, title"),
        ("a.csv", "Satz\na ship\na red boat\n", "is 'Satz' the name of the column or a prompt"),
        ("a.csv", "prompt\na ship, at sea\n", r"line 2: 2 cells.*header has 1.*double quotes"),
        ("a.csv", 'prompt\n"a ship\n', "line 2: unexpected end of data"),
        ("a.csv", "prompt,text\na,b\n", "both 'prompt' and 'text' may be the prompt"),
        ("a.csv", "id,prompt\nx,\n", "line 2: the prompt is empty"),
        ("a.csv", "prompt,prompt\na,b\n", "two columns are named 'prompt'"),
        ("a.json", '{"a": 1}', "expected a list of prompts"),
        ("a.json", "[1]", r"prompts\[0\]: neither a text nor an object"),
        ("a.json", "[" * 100_000, "not valid JSON"),
        ("a.jsonl", '{"prompt": "a"}\n{"prompt"}\n', "line 2: not valid JSON"),
        ("a.txt", "# only\n\n", "no prompt in it"),
        ("a.xlsx", "PK", r"prompts are not read from \.xlsx files: save them as \.csv"),
        ("a.txt", "a\0b", "line 1 holds a NUL"),
    ],
)
def test_mistakes_are_told_with_their_place(
    name: str, content: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(content, "utf-8")
    with pytest.raises(StudyError, match=said) as told:
        read(tmp_path / name)
    assert name in str(told.value)
