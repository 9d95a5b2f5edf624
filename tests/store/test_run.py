"""A run folder: what goes in comes out, and what is foreign is left alone."""

from __future__ import annotations

import itertools
import json
import os
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from driftloop.errors import StoreError
from driftloop.steps import (
    Call,
    Content,
    Failure,
    Output,
    Reading,
    Recorded,
    Role,
    Step,
    Trajectory,
    image_digest,
)  # fmt: skip
from driftloop.store import ImageFiles, Run, create_run, is_run, open_run
from driftloop.store._schema import MIGRATIONS

WHERE = Trajectory("a", "p", 0)


def make_step(index: int, outcome: Output | Failure | None, seed: int = 5) -> Step:
    role = Role.CAPTIONER if index % 2 else Role.GENERATOR
    call = Call("m", "f", (Content("text", f"input {index}"),), seed)
    return Step(WHERE, index, index // 2 + 1, role, call, outcome)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    opened = create_run(tmp_path / "run")
    opened.begin(
        study="{}", digest="d", prompts=[("p", Content("text", "x"), "free")], environment={}
    )
    return opened


pixels = arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3)))


@given(pixels=pixels)
def test_pictures_come_back_as_they_were(tmp_path_factory, pixels) -> None:
    files = ImageFiles(tmp_path_factory.mktemp("images"))
    image = Image.fromarray(pixels)
    digest = image_digest(image)
    files.put({digest: image})
    again = ImageFiles(files.folder)
    assert np.array_equal(np.asarray(again.get(digest)), pixels)
    assert again.intact(digest)
    assert list(again.digests()) == [digest]


@given(a=pixels, b=pixels)
def test_digests_name_pixels(a, b) -> None:
    same = a.shape == b.shape and np.array_equal(a, b)
    assert same == (image_digest(Image.fromarray(a)) == image_digest(Image.fromarray(b)))


def test_steps_come_back(run: Run) -> None:
    image = Image.new("RGB", (4, 4), "red")
    readings = (Reading(3, 2, "cut words", "one"), Reading(5, text_encoder="two"))
    picture = Output(image, readings, flags=("flat",))
    caption = Output("A caption.", tokens_written=4, cut_text="And more.")
    run.commit([make_step(0, picture), make_step(1, caption)], started=5.0, seconds=2.0)
    with open_run(run.folder) as again:
        first, second = again.steps().to_pylist()
        assert again.image(first["image"]).tobytes() == image.tobytes()
    assert first["arm"] == "a"
    assert first["readings"] == [reading._asdict() for reading in readings]
    assert (first["tokens_written"], first["cut_text"]) == (None, "")
    assert (second["tokens_written"], second["cut_text"]) == (4, "And more.")
    assert second["readings"] == []
    assert first["flags"] == ["flat"]
    assert (first["text"], first["input_text"], first["seconds"]) == (None, "input 0", 1.0)
    assert (second["text"], second["image"], second["role"]) == ("A caption.", None, "captioner")


def test_an_empty_run_has_an_empty_table(run: Run) -> None:
    assert run.steps().num_rows == 0
    assert "arm" in run.steps().column_names


def test_a_failure_is_open_until_its_step_is_played(run: Run) -> None:
    run.commit([make_step(0, Failure("broken", "trace"))])
    run.commit([make_step(0, Failure("broken again", "trace"))])
    (failure,) = run.failures()
    assert failure["reason"] == "broken again"
    run.commit([make_step(0, Output("x"))])
    assert run.failures() == []
    assert len(run.failures(open_only=False)) == 2


def test_a_commit_is_whole_or_not_at_all(run: Run) -> None:
    run.commit([make_step(0, Output("x"))])
    with pytest.raises(StoreError, match="UNIQUE"):
        run.commit([make_step(1, Output("y")), make_step(0, Output("x"))])
    assert len(run) == 1
    run.commit([make_step(1, Output("y"))])
    assert len(run) == 2


def test_a_failure_says_its_round_whatever_a_round_is_made_of(run: Run) -> None:
    told = [Recorded(n, Role.WRITER, "w", "g", None, Content("text", "x")) for n in (1, 2, 5)]
    run.record(WHERE, [*told, Recorded(6, Role.WRITER, "w", "g", None, Failure("no answer"))])
    (failure,) = run.failures()
    assert (failure["step"], failure["round"]) == (3, 6)


def test_the_file_is_complete_before_its_row(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    replace, execute = Path.replace, run._insert
    monkeypatch.setattr(Path, "replace", lambda a, b: (order.append("file"), replace(a, b))[1])
    monkeypatch.setattr(run, "_insert", lambda *a: (order.append("row"), execute(*a))[1])
    run.commit([make_step(0, Output(Image.new("RGB", (2, 2))))])
    assert order == ["file", "row"]


def test_a_full_disk_keeps_what_was_there(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.commit([make_step(0, Output(Image.new("RGB", (2, 2), "blue")))])

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Image.Image, "save", full)
        with pytest.raises(StoreError, match="No space left on device"):
            run.commit([make_step(2, Output(Image.new("RGB", (2, 2), "red")))])
    assert len(run) == 1
    assert list(run.images.leftovers()) == []
    run.commit([make_step(2, Output(Image.new("RGB", (2, 2), "red")))])
    assert len(run) == 2


def test_a_missing_and_a_damaged_picture_are_told(run: Run) -> None:
    image = Image.new("RGB", (2, 2), "blue")
    run.commit([make_step(0, Output(image))])
    digest = image_digest(image)
    path = run.images.path(digest)
    path.write_bytes(path.read_bytes()[:30])
    with open_run(run.folder) as again, pytest.raises(StoreError, match="damaged"):
        again.image(digest)
    path.unlink()
    with open_run(run.folder) as again, pytest.raises(StoreError, match="missing"):
        again.image(digest)


def test_foreign_files_are_left_alone(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    db = sqlite3.connect(foreign / "driftloop.sqlite")
    db.execute("CREATE TABLE mine (x)")
    db.commit()
    db.close()
    before = (foreign / "driftloop.sqlite").read_bytes()
    for opener in (create_run, open_run):
        with pytest.raises(StoreError, match="not a run of driftloop"):
            opener(foreign)
    assert (foreign / "driftloop.sqlite").read_bytes() == before

    text = tmp_path / "text"
    text.mkdir()
    (text / "driftloop.sqlite").write_text("my diary")
    with pytest.raises(StoreError, match="not an SQLite file"):
        create_run(text)
    assert (text / "driftloop.sqlite").read_text() == "my diary"


def test_a_newer_schema_is_told(run: Run) -> None:
    run._db.execute("PRAGMA user_version = 999")
    run.close()
    with pytest.raises(StoreError, match="newer driftloop"):
        open_run(run.folder)


def test_the_study_asked_for_last_is_last(run: Run) -> None:
    for name in ("short", "long", "short"):
        run.begin(study=json.dumps({"title": name}), digest=name, prompts=[], environment={})
    assert [study.get("title") for study in run.studies()] == [None, "long", "short"]


def test_players_are_known_by_fingerprint_and_name(run: Run) -> None:
    for model in ("a", "b", "a"):
        run.add_player("f", model, "captioner", 5, {"by": model})
    assert [(row["model"], row["details"]["by"]) for row in run.players()] == [
        ("a", "a"), ("b", "b"),
    ]  # fmt: skip
    assert run.batch_size("b") == 5


def test_an_older_schema_is_brought_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("driftloop.store._schema.MIGRATIONS", MIGRATIONS[:1])
    old = create_run(tmp_path / "run")
    old._db.execute("INSERT INTO sessions VALUES (1, 'd', 1.0, NULL, NULL, '{}')")
    old._db.execute("INSERT INTO players VALUES ('f', 'm', 'generator', 4, '{}')")
    old._db.execute("INSERT INTO prompts VALUES ('old', 'image', 'cd', 'mine')")
    picture = ("f", "text", "in", 5, "image", "ab", 3, 2, "cut words", '["flat"]', 1, 5.0, 1.0)
    silent = ("f", "text", "in", 5, "image", "cd", None, 0, "", "[]", 1, 5.0, 1.0)
    caption = ("f", "image", "ab", 5, "text", "y", 4, 0, "and more", "[]", 1, 5.0, 1.0)
    old._db.execute("INSERT INTO trajectories VALUES (1, 'a', 'p', 0)")
    for index, call in enumerate((picture, caption, silent)):
        old._db.execute(
            f"INSERT INTO calls VALUES ({', '.join('?' * 14)})", (f"call {index}", *call)
        )
        old._db.execute(
            "INSERT INTO steps VALUES (1, ?, ?, 'generator', 'm', ?, 0)",
            (index, index + 1, f"call {index}"),
        )
    old._db.execute("INSERT INTO failures VALUES (1, 1, 3, 'm', 'stuck', '', 1, 0)")
    old.close()
    monkeypatch.undo()
    with open_run(tmp_path / "run") as run:
        rows = run.steps().to_pylist()
        assert [row["image"] or row["text"] for row in rows] == ["ab", "y", "cd"]
        assert [row["flags"] for row in rows] == [["flat"], [], []]
        assert rows[0]["readings"] == [Reading(3, 2, "cut words")._asdict()]
        assert [row["readings"] for row in rows[1:]] == [[], []]
        assert [row["tokens_written"] for row in rows] == [None, 4, None]
        assert [row["cut_text"] for row in rows] == ["", "and more", ""]
        assert run.players()[0]["batch_size"] == 4
        # One role plays one step a round.
        assert [row["round"] for row in run.failures()] == [run.steps_of(WHERE)[-1]["round"] + 1]
        content = Content("text", "known")
        seen = [("p", Content("image", "ab"), "mine")]
        run.begin(study="{}", digest="d", prompts=seen, environment={}, flags={"p": ["turned"]})
        assert [row["flags"] for row in run.prompts()] == [[], ["turned"]]
        elsewhere = [Recorded(1, Role.WRITER, "w", "g", None, content)]
        run.record(Trajectory("b", "p", 0), elsewhere)
        assert run.steps_of(Trajectory("b", "p", 0))[0]["seed"] is None


@pytest.mark.parametrize("added", [False, True])
def test_a_run_that_kept_texts_with_their_calls_is_brought_up_to_date_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, added: bool
) -> None:
    def another(db: sqlite3.Connection) -> None:
        db.execute("ALTER TABLE calls ADD COLUMN extra TEXT NOT NULL DEFAULT 'none'")

    texts_once = next(m for m in MIGRATIONS if m.__name__ == "_m008_texts_once")
    before = MIGRATIONS[: MIGRATIONS.index(texts_once)]
    after = MIGRATIONS[MIGRATIONS.index(texts_once) :]
    monkeypatch.setattr("driftloop.store._schema.MIGRATIONS", before)
    old = create_run(tmp_path / "run")
    columns = (
        "key, fingerprint, input_kind, input, seed, output_kind, output, readings, tokens_written,"
        " cut_text, flags, session, started, seconds"
    )
    known = [
        ("f", "text", "a boat", 5, "image", "ab", '[[3, 0, ""]]', None, "", "[]", 1, 5.0, 1.0),
        ("g", "image", "ab", 5, "text", "a lake", "[]", 4, "cut", '["odd"]', 1, 6.0, 1.0),
        ("f", "text", "a lake", 5, "image", "cd", "[]", None, "", "[]", 1, 7.0, 1.0),
        ("g", None, None, None, "text", "a boat", "[]", None, "", "[]", 1, None, None),
        ("g", "image", "cd", 5, "text", "", "[]", 0, "", '["empty"]', 1, 8.0, 1.0),
    ]
    old._db.execute("INSERT INTO trajectories VALUES (1, 'a', 'p', 0)")
    for index, call in enumerate(known):
        old._db.execute(
            f"INSERT INTO calls ({columns}) VALUES ({', '.join('?' * 14)})",
            (f"call {index}", *call),
        )
        old._db.execute(
            "INSERT INTO steps VALUES (1, ?, ?, 'generator', 'm', ?, 0)",
            (index, index + 1, f"call {index}"),
        )
    old.close()
    middle = [another] if added else []
    monkeypatch.setattr("driftloop.store._schema.MIGRATIONS", [*before, *middle, *after])
    with open_run(tmp_path / "run") as run:
        rows = run.steps().to_pylist()
        assert [(r["input_text"], r["input_image"], r["text"], r["image"]) for r in rows] == [
            tuple(
                value if kind == wanted else None
                for kind, value in ((c[1], c[2]), (c[4], c[5])) for wanted in ("text", "image")
            )
            for c in known
        ]  # fmt: skip
        assert [(r["seed"], r["cut_text"], r["flags"], r["started"]) for r in rows] == [
            (c[3], c[8], json.loads(c[9]), c[11]) for c in known
        ]
        assert rows[0]["readings"] == [Reading(3, 0, "")._asdict()]
        assert [content.value for *_, content in run.played()] == [c[5] for c in known]
        kept = sorted(value for (value,) in run._db.execute("SELECT value FROM texts"))
        assert kept == ["", "a boat", "a lake"]
        if added:
            found = {value for (value,) in run._db.execute("SELECT extra FROM calls")}
            assert found == {"none"}
        run.begin(study="{}", digest="d", prompts=[], environment={})
        run.commit([make_step(5, Output("a lake"))])
        assert run.steps()["text"][-1].as_py() == "a lake"
        assert len([*run._db.execute("SELECT 1 FROM texts")]) == 4
    with open_run(tmp_path / "run") as run:
        assert len(run) == 6


def test_a_run_that_is_brought_up_to_date_gives_back_the_room_that_its_texts_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts_once = next(at for at, m in enumerate(MIGRATIONS) if m.__name__ == "_m008_texts_once")
    monkeypatch.setattr("driftloop.store._schema.MIGRATIONS", MIGRATIONS[:texts_once])
    old = create_run(tmp_path / "run")
    story = os.urandom(1000).hex()
    old._db.executemany(
        "INSERT INTO calls (key, fingerprint, input_kind, input, output_kind, output, readings,"
        " cut_text, flags, session) VALUES (?, 'f', 'text', ?, 'text', ?, '[]', '', '[]', 1)",
        [(f"call {at}", story, story) for at in range(200)],
    )
    old.close()
    file = tmp_path / "run" / "driftloop.sqlite"
    before = file.stat().st_size
    monkeypatch.undo()
    open_run(tmp_path / "run").close()
    assert file.stat().st_size < before / 4


@settings(deadline=None)  # A disk may be busy.
@given(st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=20), max_size=8))
def test_texts_come_back_as_they_were_and_each_is_kept_once(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    run = create_run(tmp_path_factory.mktemp("run"))
    run.begin(study="{}", digest="d", prompts=[], environment={})
    given = [Content("text", text) for text in ["start", *texts]]
    steps = [
        Step(WHERE, at, at + 1, Role.WRITER, Call("w", "f", (before,), at), Output(after.value))
        for at, (before, after) in enumerate(itertools.pairwise(given))
    ]
    run.commit(steps)
    assert run.steps()["input_text"].to_pylist() == ["start", *texts][: len(texts)]
    assert run.steps()["text"].to_pylist() == texts
    if texts:
        assert run.steps_of(WHERE)[-1]["text"] == texts[-1]
    kept = [value for (value,) in run._db.execute("SELECT value FROM texts")]
    assert sorted(kept) == sorted({"start", *texts} if texts else [])
    run.close()


def test_a_run_of_long_texts_is_about_as_large_as_they_are(run: Run) -> None:
    story = Content("text", "once upon a time")
    written = 0
    for at in range(300):
        told = Content("text", f"{at} {os.urandom(700).hex()}")
        written += len(told.value)
        run.commit(
            [Step(WHERE, at, at + 1, Role.WRITER, Call("w", "f", (story,), at), Output(told.value))]
        )
        story = told
    run.close()
    assert (run.folder / "driftloop.sqlite").stat().st_size < 2 * written


def test_a_recorded_trajectory_is_whole_or_not_there(run: Run) -> None:
    steps = [Recorded(1, Role.WRITER, "w", "g", None, Content("text", "x"))] * 2
    run.record(WHERE, steps)
    assert [row["text"] for row in run.steps_of(WHERE)] == ["x", "x"]
    with pytest.raises(StoreError, match="UNIQUE"):
        run.record(WHERE, steps)
    assert len(run) == 2


def test_a_corrupt_file_is_told(run: Run) -> None:
    run.commit([make_step(i, Output(f"caption {i} " * 300)) for i in range(50)])
    run._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    run.close()
    path = run.folder / "driftloop.sqlite"
    data = bytearray(path.read_bytes())
    data[100:4096] = os.urandom(3996)
    path.write_bytes(data)
    with pytest.raises(StoreError, match=r"driftloop\.sqlite: cannot be opened"):
        open_run(run.folder)
    assert path.read_bytes() == bytes(data)


READERS: dict[str, Callable[[Run], object]] = {
    "len": len,
    "steps": Run.steps,
    "trajectories": Run.trajectories,
    "steps of one": lambda run: run.steps_of(WHERE),
    "prompts": Run.prompts,
    "players": Run.players,
    "sessions": Run.sessions,
    "studies": Run.studies,
    "failures": Run.failures,
    "played": lambda run: list(run.played()),
    "batch size": lambda run: run.batch_size("m"),
    "embeddings": lambda run: run.embeddings("e", ["x"]),
    "embeddings to write": lambda run: run.put_embeddings("e", [("x", np.zeros(2, np.float32))]),
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_damaged_pages_are_told_with_what_to_do(run: Run, read: Callable[[Run], object]) -> None:
    run.commit([make_step(0, Output("x"))])
    pages = run._db.execute("SELECT rootpage FROM sqlite_master WHERE rootpage > 0").fetchall()
    ((size,),) = run._db.execute("PRAGMA page_size")
    run._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    run.close()
    with (run.folder / "driftloop.sqlite").open("r+b") as file:
        for (page,) in pages:
            file.seek((page - 1) * size)
            file.write(b"\xff" * size)
    told = rf"driftloop\.sqlite: .*see driftloop doctor {re.escape(str(run.folder))}$"
    with open_run(run.folder) as again, pytest.raises(StoreError, match=told):
        read(again)


def test_no_run_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no run there"):
        open_run(tmp_path)
    assert not is_run(tmp_path)
    create_run(tmp_path / "run").close()
    assert is_run(tmp_path / "run")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be made a run folder"):
        create_run(tmp_path / "file" / "run")
