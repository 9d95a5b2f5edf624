"""What a person hands in: paths, and TOML in whatever form a program wrote it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from driftloop.errors import DriftloopError, StudyError
from driftloop.given import expand
from driftloop.study import load_study

STUDY = """
rounds = 2
prompts = ["a ship — at sea"]
[models.draw]
backend = "toy"
role = "generator"
path = "toy"
[models.look]
backend = "toy"
role = "captioner"
path = "toy"
[[arms]]
name = "base"
network = ["draw", "look"]
"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_study_with_a_mark_of_its_encoding_is_the_same_study(
    encoding: str, end: str, tmp_path: Path
) -> None:
    mark = "\ufeff" if encoding == "utf-16-le" else ""
    (tmp_path / "a.toml").write_bytes((mark + STUDY).replace("\n", end).encode(encoding))
    (tmp_path / "b.toml").write_text(STUDY, "utf-8")
    assert load_study(tmp_path / "a.toml") == load_study(tmp_path / "b.toml")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (r'prompts = "C:\Users\me\prompts.txt"', r"in single quotes: 'C:\\Users\\me\\prompts.txt'"),
        (r'prompts = "D:\data\p.txt"', r"in single quotes: 'D:\\data\\p.txt'"),
        ("title = “a title”", "quotes as a word processor"),
        ("title =\u00a0'x'", "a blank of a web page"),
        ("rounds: 3", "a key is followed by ="),
        ("greedy = True", "write true or false"),
        ("title = 'open", "a quote or a bracket that is opened somewhere"),
        ('{"rounds": 3}', "this looks like JSON"),
        ("seed = " + "9" * 5000, "a number is too long"),
        ("title = " + "[" * 3000, "nested too deep|not valid TOML"),
        ("rounds = 2\nrounds = 3", r"\(at line 2, column \d+\): rounds = 3$"),
    ],
)
def test_what_is_no_toml_is_shown_with_its_line_and_a_fix(
    line: str, said: str, tmp_path: Path
) -> None:
    file = tmp_path / "study.toml"
    file.write_text(line + "\n" + STUDY, "utf-8")
    with pytest.raises(StudyError, match=said) as told:
        load_study(file)
    assert str(told.value).startswith(f"{file}: not valid TOML: ")
    prompts = tmp_path / "study.toml"
    with pytest.raises(StudyError, match=said):
        load_study({"prompts": str(prompts)})


def test_text_of_another_encoding_names_its_line(tmp_path: Path) -> None:
    file = tmp_path / "latin.toml"
    file.write_bytes('title = "x"\nseed = 1 # für später\n'.encode("latin-1"))
    with pytest.raises(StudyError, match=r"latin\.toml: line 2 is not UTF-8 text: save the file"):
        load_study(file)


def test_what_is_no_file_of_text_is_told_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    with pytest.raises(StudyError, match="a pipe, not a file"):
        load_study(tmp_path / "pipe.toml")
    with pytest.raises(StudyError, match="cannot be read: Is a directory"):
        load_study(tmp_path)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("~nobody-here/x", "no user of that name"),
        ("a\0b", "NUL"),
        ("x" * 300, "300 characters are too long"),
        ("é" * 200, "200 characters are too long"),
        ("a/" * 3000, "too long"),
        ("C:\temp", "a path with a tab"),
    ],
)
def test_a_path_that_no_file_can_have_is_told(path: str, said: str) -> None:
    with pytest.raises(DriftloopError, match=said):
        expand(path)
    with pytest.raises(StudyError, match=said):
        load_study(path)
    with pytest.raises(StudyError, match=said):
        load_study({"prompts": path})
