"""Pictures of a run: under the name of their pixels, in the run's own folder, or refused."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from PIL import Image
from toys_store import SECRET, lay

from driftloop.chains import export_run
from driftloop.errors import StoreError
from driftloop.report import write_report
from driftloop.steps import image_digest
from driftloop.store import ImageFiles, Run, examine, export_steps, open_run
from driftloop.store import _images as module


def pictures(run: Run) -> list[str]:
    return [row["image"] for row in run.steps().to_pylist() if row["image"]]


def test_a_picture_under_anothers_name_is_noticed_when_it_is_read(tmp_path: Path) -> None:
    with lay(tmp_path / "run") as run:
        one, other, *_ = pictures(run)
        run.images.path(one).write_bytes(run.images.path(other).read_bytes())
    with open_run(tmp_path / "run") as run:
        with pytest.raises(StoreError, match=f"{one}.png: the file holds another picture"):
            run.image(one)
        for name in ("out.parquet", "film.gif"):
            with pytest.raises(StoreError, match="holds another picture"):
                export_run(run, tmp_path / name)
        with pytest.raises(StoreError, match="holds another picture"):
            export_steps(run, tmp_path / "steps.parquet")
        assert "could not be read from the run" in write_report(run, encoders=[]).read_text("utf-8")
    assert [finding.kind for finding in examine(tmp_path / "run")] == ["picture"]


@pytest.mark.parametrize("place", ["file", "folder"])
def test_no_link_is_followed_to_read_export_or_delete_a_picture(tmp_path: Path, place: str) -> None:
    with lay(tmp_path / "run") as run:
        digest = pictures(run)[0]
        path = run.images.path(digest)
    outside = tmp_path / "outside"
    if place == "file":
        path.rename(outside)
        path.symlink_to(outside)
        held = outside
    else:
        path.parent.rename(outside)
        path.parent.symlink_to(outside)
        held = outside / path.name
        (outside / ".mine.part").write_text("mine")
    before = held.read_bytes()
    with open_run(tmp_path / "run") as run:
        for read in (run.image, run.images.file):
            with pytest.raises(StoreError, match="damaged"):
                read(digest)
        with pytest.raises(StoreError, match="damaged"):
            export_run(run, tmp_path / "t.parquet")
        assert digest not in write_report(run, encoders=[]).read_text("utf-8").split("<script")[0]
    assert "picture" in {finding.kind for finding in examine(tmp_path / "run", repair=True)}
    assert held.read_bytes() == before
    if place == "folder":
        assert (outside / ".mine.part").exists()
        with open_run(tmp_path / "run") as run, pytest.raises(StoreError, match="is a link"):
            run.put_images({digest: Image.new("RGB", (1, 1))})


@pytest.mark.timeout(30)
def test_a_pipe_in_a_pictures_place_is_not_waited_for(tmp_path: Path) -> None:
    with lay(tmp_path / "run") as run:
        digest = pictures(run)[0]
        run.images.path(digest).unlink()
        os.mkfifo(run.images.path(digest))
    with open_run(tmp_path / "run") as run, pytest.raises(StoreError, match="no file"):
        run.image(digest)
    assert [finding.kind for finding in examine(tmp_path / "run")] == ["picture"]


@pytest.mark.parametrize(
    "form", ["{0}/secret", "../../secret", "ab", "", "A" * 64, "a" * 64 + "\n"]
)
def test_a_row_can_name_no_file_but_a_picture_of_the_run(tmp_path: Path, form: str) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(SECRET)
    with lay(tmp_path / "run") as run:
        name = form.format(tmp_path)
        run._db.execute("UPDATE calls SET output = ? WHERE output = ?", (name, pictures(run)[0]))
    with open_run(tmp_path / "run") as run:
        for read in (run.image, run.images.file, run.images.path):
            with pytest.raises(StoreError, match="is no name of a picture"):
                read(name)
        for name_of_table in ("out.parquet", "film.gif"):
            with pytest.raises(StoreError, match="is no name of a picture"):
                export_run(run, tmp_path / name_of_table)
        write_report(run, encoders=[])
    found = examine(tmp_path / "run", repair=True)
    assert any("is no name of a picture" in finding.what for finding in found)
    assert secret.read_bytes() == SECRET
    # One picture is of no step any more, as its step was taken out.
    assert {finding.kind for finding in examine(tmp_path / "run")} <= {"orphan"}


def test_images_may_be_a_link_to_a_larger_disk(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "images").symlink_to(tmp_path / "disk")
    lay(tmp_path / "run").close()
    assert examine(tmp_path / "run") == []
    with open_run(tmp_path / "run") as run:
        page = write_report(run, encoders=[]).read_text("utf-8")
        assert all(f"images/{digest[:2]}/{digest}.png" in page for digest in pictures(run))
        export_run(run, tmp_path / "out.parquet")


def test_pictures_in_memory_are_bounded_by_their_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CACHED_BYTES", 3 * 40 * 40 * 3)
    files = ImageFiles(tmp_path)
    images = [Image.new("RGB", (40, 40), (level, 0, 0)) for level in range(8)]
    large = Image.new("RGB", (200, 200))
    names = [image_digest(image) for image in images]
    files.put(dict(zip(names, images, strict=True)))
    assert list(files._recent) == names[-3:]
    files.put({image_digest(large): large})
    assert list(files._recent) == [image_digest(large)]
    assert files.get(names[0]).tobytes() == images[0].tobytes()
    assert list(files._recent) == [names[0]]
    assert files._size == 40 * 40 * 3


def test_files_have_the_rights_of_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with lay(tmp_path / "run") as run:
            written = [run.images.path(digest) for digest in pictures(run)]
            written.append(write_report(run, encoders=[]))
            written += export_run(run, tmp_path / "out.parquet")
            written.append(export_steps(run, tmp_path / "steps.parquet"))
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in written} == {0o640}
