"""An export into a folder goes on after whatever ended it, and never touches another's files."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from driftloop_toys.studies import toy_study

import driftloop
from driftloop.chains import _shards, export_run, import_chains
from driftloop.errors import ChainError, StoreError
from driftloop.files import exported

FULL = """
import resource, signal
import driftloop.files as files
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
opened = files._opened
def limited(path):
    if {word!r} in path.name:
        resource.setrlimit(resource.RLIMIT_FSIZE, (900, 900))
    return opened(path)
files._opened = limited
"""
"""From the file of some name on, no file may be longer: a disk that becomes full."""


@pytest.fixture
def played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of 32 rounds, of which four are a shard."""
    monkeypatch.setattr("driftloop.chains._parquet.GROUP_ROWS", 4)
    driftloop.run(toy_study(), tmp_path / "run", progress=False).close()
    return tmp_path / "run"


@pytest.fixture
def whole(played: Path, tmp_path: Path) -> list[Any]:
    """What a whole export holds."""
    return rows(export_run(played, tmp_path / "whole", shard_bytes=1))


def rows(files: list[Path]) -> list[Any]:
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def export(run: Path, target: Path, before: str = "") -> subprocess.Popen[str]:
    """An export in a process of its own, after some lines."""
    code = (
        f"import time, sys\nimport driftloop.chains._parquet as parquet\nparquet.GROUP_ROWS = 4\n"
        f"from driftloop.chains import export_run\n{before}\n"
        f"export_run({str(run)!r}, {str(target)!r}, shard_bytes=1)"
    )
    return subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)


def killed(run: Path, target: Path, after: int) -> None:
    """An export that is killed while it writes a picture."""
    slow = (
        "picture, seen = parquet._picture, []\n"
        "def slow(*args):\n    seen.append(0)\n"
        f"    if len(seen) == {after}: print('here', file=sys.stderr, flush=True); time.sleep(60)\n"
        "    return picture(*args)\nparquet._picture = slow"
    )
    process = export(run, target, slow)
    assert process.stderr is not None
    assert process.stderr.readline() == "here\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("after", [1, 6, 13])
def test_an_export_that_was_killed_goes_on(
    after: int, played: Path, whole: list[Any], tmp_path: Path
) -> None:
    target = tmp_path / "out"
    killed(played, target, after)
    parts = sorted(target.glob("data/.train-?????.parquet"))
    kept = [path.stat().st_mtime_ns for path in parts]
    assert len(kept) == (after - 1) // 4
    with pytest.raises(ChainError):
        import_chains(target, tmp_path / "half")
    files = export_run(played, target, shard_bytes=1)
    assert rows(files) == whole
    assert [file.stat().st_mtime_ns for file in files[: len(kept)]] == kept
    assert sorted(target.glob("data/*")) == files
    assert [path.name for path in target.iterdir() if path.is_file()] == [_shards.MANIFEST]
    assert import_chains(target, tmp_path / "back").rejected == []


@pytest.mark.skipif(sys.platform != "linux", reason="limits of a process")
def test_an_export_into_a_full_disk_says_so_and_goes_on(
    played: Path, whole: list[Any], tmp_path: Path
) -> None:
    process = export(played, tmp_path / "out", FULL.format(word="00002"))
    _, errors = process.communicate(timeout=60)
    assert "the shards that are complete are kept, and the same command goes on" in errors
    assert len(list(tmp_path.glob("out/data/.train-*.parquet"))) == 2
    assert not list(tmp_path.glob("out/data/*.part"))
    assert rows(export_run(played, tmp_path / "out", shard_bytes=1)) == whole


@pytest.mark.parametrize("when", ["naming", "first", "last"])
def test_wherever_it_ends_it_goes_on(
    when: str, played: Path, whole: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, saved = Path.replace, _shards._save
    count = 0

    def third(path: Path, target: Path) -> Path:
        nonlocal count
        count += path.name.startswith(".train") and target.name.startswith("train")
        if count == 3:
            raise OSError(5, "no more")
        return replace(path, target)

    def save(manifest: Any, file: Path) -> None:
        if (when == "last") == manifest.whole:
            raise OSError(28, "full")
        saved(manifest, file)

    with monkeypatch.context() as patch:
        if when == "naming":
            patch.setattr(Path, "replace", third)
        else:
            patch.setattr(_shards, "_save", save)
        with pytest.raises(StoreError, match="full$" if when == "first" else "goes on"):
            export_run(played, tmp_path / "out", shard_bytes=1)
    assert (tmp_path / "out").exists() == (when != "first")
    files = export_run(played, tmp_path / "out", shard_bytes=1)
    assert rows(files) == whole
    assert sorted(tmp_path.glob("out/data/*")) == files


def test_the_same_again_writes_nothing(played: Path, tmp_path: Path) -> None:
    files = export_run(played, tmp_path / "out", shard_bytes=1)
    before = [file.stat().st_mtime_ns for file in files]
    assert export_run(played, tmp_path / "out", shard_bytes=1) == files
    assert [file.stat().st_mtime_ns for file in files] == before


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"PAR1")])
def test_a_shard_that_is_gone_is_written_again(
    damage: Any, played: Path, whole: list[Any], tmp_path: Path
) -> None:
    files = export_run(played, tmp_path / "out", shard_bytes=1)
    damage(files[2])
    again = export_run(played, tmp_path / "out", shard_bytes=1)
    assert again == files
    assert rows(again) == whole


def test_another_export_is_refused_and_nothing_of_the_first_is_touched(
    played: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out"
    some = export_run(played, target, trajectories=["0"], shard_bytes=1)
    held = {path: path.read_bytes() for path in target.rglob("*") if path.is_file()}
    with pytest.raises(ChainError, match="holds another export, of other trajectories"):
        export_run(played, target, shard_bytes=1)
    driftloop.run(toy_study(rounds=6), played, progress=False).close()
    with pytest.raises(ChainError, match="of the run as it was before it was played on"):
        export_run(played, target, trajectories=["0"], shard_bytes=1)
    assert {path: path.read_bytes() for path in target.rglob("*") if path.is_file()} == held
    assert some[0].exists()


def test_shards_of_others_are_never_mixed_with_these(played: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "out" / "data" / "train-00000-of-00001.parquet"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"theirs")
    with pytest.raises(ChainError, match="not empty"):
        export_run(played, tmp_path / "out")
    export_run(played, tmp_path / "mine", shard_bytes=1)
    theirs.replace(tmp_path / "mine" / "data" / theirs.name)
    with pytest.raises(ChainError, match=r"train-00000-of-00001\.parquet is not of this"):
        export_run(played, tmp_path / "mine", shard_bytes=1)
    assert (tmp_path / "mine" / "data" / theirs.name).read_bytes() == b"theirs"
    (tmp_path / "mine" / "data" / theirs.name).unlink()
    (tmp_path / "mine" / _shards.MANIFEST).write_text("{")
    with pytest.raises(ChainError, match="damaged"):
        export_run(played, tmp_path / "mine", shard_bytes=1)


def test_two_exports_at_a_time_do_not_meet(played: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with _shards._alone(tmp_path / "out"), pytest.raises(ChainError, match="another process"):
        export_run(played, tmp_path / "out")
    export_run(played, tmp_path / "out")


@pytest.mark.skipif(sys.platform == "win32", reason="locks of Unix")
def test_what_a_killed_export_left_is_taken_away_and_what_is_being_written_is_not(
    played: Path, tmp_path: Path
) -> None:
    for name in ("t.parquet", "t.gif"):
        waits = (
            "from driftloop.files import exported\nfrom pathlib import Path\n"
            f"with exported(Path({str(tmp_path / name)!r})):\n"
            "    print('here', file=sys.stderr, flush=True); time.sleep(60)"
        )
        process = export(played, tmp_path / name, waits)
        assert process.stderr is not None
        assert process.stderr.readline() == "here\n"
        # Alive: not touched, and neither is that of a file with a longer name.
        with exported(tmp_path / f"{name}.x"):
            export_run(played, tmp_path / name)
            assert len(list(tmp_path.glob(f".{name}.*.part"))) == 2
        process.kill()
        process.communicate()
        other = tmp_path / f".{name}.x.0123456789ab.part"
        other.write_text("of a file with a longer name")
        export_run(played, tmp_path / name)
        assert list(tmp_path.glob(f".{name}.*.part")) == [other]


@pytest.mark.skipif(sys.platform != "linux", reason="limits of a process")
@pytest.mark.parametrize("name", ["t.parquet", "t.gif", "t.mp4", "t.csv", "steps.parquet"])
def test_a_full_disk_leaves_no_half_file(name: str, played: Path, tmp_path: Path) -> None:
    if name.endswith("mp4"):
        pytest.importorskip("av")
    target = tmp_path / "new" / name
    steps = ["--steps"] if name in ("t.csv", "steps.parquet") else []
    code = f"{FULL.format(word='')}\nfrom driftloop.cli import main\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", code, "export", str(played), "--to", str(target), *steps],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error ")
    assert "File too large" in done.stderr
    assert not target.parent.exists()
