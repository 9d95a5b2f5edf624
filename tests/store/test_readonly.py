"""A run that may be read and not written: a real user without rights, in a process of its own."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from driftloop_toys.studies import toy_study

import driftloop
import driftloop.store
from driftloop.errors import StoreError
from driftloop.store import create_run, open_run

PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1
READ = """
import sys
from pathlib import Path
import driftloop
from driftloop.errors import DriftloopError
run, out = Path(sys.argv[1]), Path(sys.argv[2])
with driftloop.open(run) as opened:
    table = opened.steps()
    digest = next(d for d in table["image"].to_pylist() if d)
    print(len(opened), opened.image(digest).size)
for act in (
    lambda: driftloop.write_report(run, out / "report.html", encoders=["lexical"], progress=False),
    lambda: driftloop.export_run(run, out / "export.parquet"),
):
    act()
for act in (
    lambda: driftloop.write_report(run, progress=False),
    lambda: driftloop.store.create_run(run),
    lambda: driftloop.examine(run, repair=True),
):
    try:
        act()
    except DriftloopError as error:
        print(error)
print(sorted(p.name for p in out.iterdir()))
"""


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    for path in [tmp_path, *tmp_path.rglob("*")]:
        if path.is_dir():
            path.chmod(0o755)


def forbid(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        path.chmod(0o555 if path.is_dir() else 0o444)


def obey() -> None:
    """Let root be refused what the owner of a file is refused."""
    if os.geteuid() == 0 and ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0):
        os._exit(77)


def read(run: Path, out: Path) -> str:
    out.mkdir()
    done = subprocess.run(
        [sys.executable, "-B", "-c", READ, str(run), str(out)],
        capture_output=True, text=True, timeout=100, check=False, preexec_fn=obey,
    )  # fmt: skip
    if done.returncode == 77:
        pytest.skip("root cannot give up its rights here")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("how", ["closed", "killed", "open"])
def test_a_run_of_others_is_read_whole_and_left_as_it_is(how: str, places: Path) -> None:
    played = driftloop.run(toy_study(), places / "played", progress=False)
    steps = len(played)
    if how == "closed":
        played.close()
    else:
        # What was committed last is in the log alone until somebody closes it.
        played.add_player("f" * 64, "late", "captioner", 1, {})
        assert (played.folder / "driftloop.sqlite-wal").stat().st_size
    run = places / "run"
    if how == "killed":
        shutil.copytree(places / "played", run, ignore=shutil.ignore_patterns("*-shm"))
    else:
        run = places / "played"
    forbid(run)
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    said = read(run, places / "out")
    assert said.startswith(f"{steps} (")
    assert said.count(str(run)) >= 3
    assert "--out" in said
    assert "export.parquet" in said
    assert "report.html" in said
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before
    played.close()


def test_an_empty_file_is_no_empty_run(tmp_path: Path) -> None:
    (tmp_path / "driftloop.sqlite").touch()
    with pytest.raises(StoreError, match=r"an empty file, and no run.*put back a whole copy"):
        open_run(tmp_path)
    assert (tmp_path / "driftloop.sqlite").stat().st_size == 0
    create_run(tmp_path).close()
    assert len(open_run(tmp_path)) == 0


def test_a_run_that_lost_its_rows_is_not_begun_anew(tmp_path: Path) -> None:
    driftloop.run(toy_study(), tmp_path, progress=False).close()
    (tmp_path / "driftloop.sqlite").write_bytes(b"")
    with pytest.raises(StoreError, match="its rows are lost"):
        driftloop.run(toy_study(), tmp_path, progress=False)


@pytest.mark.skipif(sys.platform != "linux", reason="names of bytes are Linux's")
def test_a_folder_whose_name_is_no_text_is_played_into_reported_and_exported(
    tmp_path: Path,
) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/r\xfcn"))
    driftloop.run(toy_study(), folder, progress=False).close()
    # The command below finds the vectors that this one keeps, and loads no encoder.
    assert driftloop.write_report(folder, progress=False).stat().st_size
    driftloop.export_run(folder, tmp_path / "out.parquet")
    for command in (["doctor"], ["report", "-q"], ["export", "--to", str(tmp_path / "b.parquet")]):
        done = subprocess.run(
            [sys.executable, "-m", "driftloop", command[0], str(folder), *command[1:]],
            capture_output=True, check=False, timeout=100,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert b"Traceback" not in done.stderr
