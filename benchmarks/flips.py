"""Runs with something changed in their SQLite file: is it told, and in words?

    python benchmarks/flips.py [FLIPS] [VALUES] [SEED]

Two small runs are made, one that is played (of planted models) and one that is imported. A flip is
one bit of a file, on a fresh copy: the doctor has to tell it where it changed what the run holds. A
value is one field of one row that is replaced by something that should not be there: the doctor has
to tell it; report, export and the next run of the same study have to take it, or to refuse it in
words.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

DATABASE = "driftloop.sqlite"
STUDY = """
title = "planted"
seed = 7
rounds = 4
twins = 2
prompts = ["a ship at sea", { id = "cats", text = "two cats", source = "free" }]
[models.draw]
backend = "planted"
role = "generator"
[models.look]
backend = "planted"
role = "captioner"
[[arms]]
name = "base"
network = ["draw", "look"]
[[arms]]
name = "pull"
network = ["draw", "look"]
settings = { look = { pull = 0.9 } }
"""
CHAINS = "chain,round,text,error,captioner\n" + "".join(
    f"{chain},{round},{'' if (chain, round) == ('b', 3) else f'{chain} says {round}'},"
    f"{'timeout' if (chain, round) == ('b', 3) else ''},someone\n"
    for chain in "abc"
    for round in range(1, 6)
)
VALUES: list[Any] = [
    None, "", "x", b"x", b"\xff\xfe", -1, 0, 1, 2**62, -(2**63), 1.5, -3.0, 1e300, 9e999, -9e999,
    "nan", "[]", "{}", "[1]", '{"a": 1}', "null", "[" * 2000, "{", '"text"', "1" * 6000,
    "[[1, 2, 3, 4]]", '{"settings": 1, "invariance": [], "limits": "x"}', '[{"a": 1}]', "../x",
    "ab" * 32, "AB" * 32, "editor", "text", "image", "\x00", "\x1b[31m", "😀", 10**9, 999_999,
    '{"versions": 3, "memory_bytes": "much"}', '{"prompts": 3}', '{"imported": []}',
    '{"prompts": [{"image": 5}]}', '{"invariance": {"verdict": 5, "largest": "x"}}', 10**15,
]  # fmt: skip
"""What is put in the place of a value."""


FINE = {"done", "refused", "as it was", "not possible"}


def make(folder: Path) -> list[tuple[Path, Path | None]]:
    """A run that is played and one that is imported, each with the study it goes on with."""
    import driftloop
    from driftloop.chains import import_chains
    from driftloop.encoders import embed, get_encoder
    from driftloop.store import open_run

    study, chains = folder / "study.toml", folder / "chains.csv"
    study.write_text(STUDY, "utf-8")
    chains.write_text(CHAINS, "utf-8")
    driftloop.run(str(study), folder / "played", progress=False).close()
    import_chains(chains, folder / "imported")
    for name in ("played", "imported"):
        with open_run(folder / name) as run:
            embed(run, get_encoder("lexical"), filter(None, run.steps()["text"].to_pylist()))
    return [(folder / "played", study), (folder / "imported", None)]


def contents(folder: Path) -> object:
    """Everything that a run's file holds, or that it cannot be read."""
    db = sqlite3.connect(f"file:{folder / DATABASE}?mode=ro", uri=True)
    db.text_factory = bytes
    try:
        tables = db.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
        wanted = [name.decode() for name, sql in tables if sql and b"CREATE TABLE" in sql]
        return [
            (table, db.execute(f'SELECT * FROM "{table}" ORDER BY 1, 2').fetchall())
            for table in wanted
        ], [name for name, _ in tables]
    except (sqlite3.Error, UnicodeDecodeError) as error:
        return str(error)
    finally:
        db.close()


def attempt(work: Callable[[], object]) -> str:
    """How it ended: as it says itself, ``done``, ``refused`` in words, or a traceback."""
    from driftloop.errors import DriftloopError

    try:
        said = work()
    except DriftloopError as error:
        return "refused" if str(error).strip() else "no words"
    except Exception:
        return traceback.format_exc()
    return said if isinstance(said, str) else "done"


def is_told(folder: Path) -> tuple[bool, str]:
    """Whether the doctor says that something is wrong, and how it ended."""
    from driftloop.store import examine

    found: list[Any] = []
    ended = attempt(lambda: found.extend(examine(folder)))
    return bool(found) or ended != "done", ended


def steps(folder: Path) -> Any:
    """What was played, without when."""
    from driftloop.store import open_run

    with open_run(folder) as run:
        return run.steps().drop_columns(["started", "seconds", "shared"])


def repair(folder: Path, study: Path | None, original: Path) -> str:
    """How a repair ended: what it can mend is gone after it, and played again as it was."""
    import driftloop
    from driftloop.store import examine

    found: list[Any] = []
    ended = attempt(lambda: found.extend(examine(folder, repair=True)))
    if ended != "done" or not found or not all(f.mendable or f.kind == "orphan" for f in found):
        return ended if ended != "done" else "not possible"
    if any(f.kind != "orphan" for f in examine(folder)):
        return "LEFT SOMETHING"
    if study is not None:
        driftloop.run(str(study), folder, progress=False).close()
    return "as it was" if steps(folder).equals(steps(original)) else "OTHERWISE"


def flip(folder: Path, chance: random.Random) -> str:
    """Turn one bit of a run's file over; which."""
    data = bytearray((folder / DATABASE).read_bytes())
    at, bit = chance.randrange(len(data)), chance.randrange(8)
    data[at] ^= 1 << bit
    (folder / DATABASE).write_bytes(data)
    return f"byte {at}, bit {bit}"


def places(folder: Path) -> list[tuple[str, str]]:
    """Every column that a table of a run has."""
    db = sqlite3.connect(folder / DATABASE)
    tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    found = [
        (table, row[1])
        for table in tables
        for row in db.execute(f"PRAGMA table_info({table})")
        if row[1] != "checksum" and db.execute(f"SELECT 1 FROM {table}").fetchone()
    ]
    db.close()
    return found


def replace(folder: Path, table: str, column: str, value: Any, chance: random.Random) -> bool:
    """Put a value into one row; whether SQLite took it and the row is another now."""
    db = sqlite3.connect(folder / DATABASE, isolation_level=None)
    keys = [row[1] for row in db.execute(f"PRAGMA table_info({table})") if row[5]]
    rows = db.execute(f"SELECT {', '.join(keys)} FROM {table}").fetchall()
    where = " AND ".join(f"{key} IS ?" for key in keys)
    row = chance.choice(rows)
    try:
        before = db.execute(f"SELECT {column} FROM {table} WHERE {where}", row).fetchone()
        db.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (value, *row))
        if column in keys:
            return bool(rows != db.execute(f"SELECT {', '.join(keys)} FROM {table}").fetchall())
        return bool(
            before != db.execute(f"SELECT {column} FROM {table} WHERE {where}", row).fetchone()
        )
    except sqlite3.IntegrityError:
        return False
    finally:
        db.close()


def readers(folder: Path, study: Path | None) -> Iterator[tuple[str, Callable[[], object]]]:
    """What is done with a run, by name."""
    import driftloop
    from driftloop.chains import import_chains
    from driftloop.report._gather import gather
    from driftloop.report._provenance import describe_players, describe_sessions, study_text
    from driftloop.store import export_steps, open_run

    def read() -> None:
        with open_run(folder) as run:
            material = gather(run)
            describe_players(material), describe_sessions(material), study_text(material)
            _ = material.asked, material.rounds, material.twins, material.kinds, material.roles

    def table() -> None:
        with open_run(folder) as run:
            export_steps(run, folder / "steps.parquet")

    yield "report", read
    yield "export of steps", table
    yield "export", lambda: driftloop.export_run(folder, folder / "out.parquet", progress=False)
    if study is None:
        chains = folder.parent / "chains.csv"
        yield "import again", lambda: import_chains(chains, folder, progress=False)
    else:
        yield "go on", lambda: driftloop.run(str(study), folder, progress=False).close()


def try_flips(runs: list[tuple[Path, Path | None]], count: int, seed: int) -> Counter[str]:
    """Flip bits: how many changed nothing, were told, or not."""
    chance, ended = random.Random(seed), Counter[str]()
    for number in range(count):
        run, _ = runs[number % len(runs)]
        before = contents(run)
        with tempfile.TemporaryDirectory() as temporary:
            copy = Path(shutil.copytree(run, Path(temporary, run.name)))
            where = flip(copy, chance)
            after = contents(copy)
            told, how = is_told(copy)
        if how not in {"done", "refused"}:
            ended["traceback"] += 1
            print(f"--- flip {number} of {run.name}, {where}\n{how}")
        elif after == before:
            ended["changed nothing"] += 1
        else:
            ended["told" if told else "NOT TOLD"] += 1
            if not told:
                print(f"--- flip {number} of {run.name}, {where}: not told")
    return ended


def try_values(
    runs: list[tuple[Path, Path | None]], count: int, seed: int, whole: int = 20
) -> Counter[str]:
    """Replace values: how doctor and the others took it; every so many a whole report too."""
    import driftloop

    chance, ended = random.Random(seed), Counter[str]()
    for number in range(count):
        run, study = runs[number % len(runs)]
        with tempfile.TemporaryDirectory() as temporary:
            copy = Path(shutil.copytree(run, Path(temporary, run.name)))
            shutil.copy(run.parent / "chains.csv", temporary)
            table, column = chance.choice(places(copy))
            value = chance.choice(VALUES)
            name = f"{number} of {run.name}: {table}.{column} = {value!r:.60}"
            if not replace(copy, table, column, value, chance):
                ended["not possible"] += 1
                continue
            told, how = is_told(copy)
            ended["doctor: told" if told else "doctor: NOT TOLD"] += 1
            if not told or how not in {"done", "refused"}:
                print(f"--- {name}: told {told}\n{how}")
                ended["doctor: traceback"] += how not in {"done", "refused"}
            mended = Path(shutil.copytree(copy, copy.with_name("mended")))
            works = [("repair", partial(repair, mended, study, run)), *readers(copy, study)]
            if whole and number % whole == 0:
                page = copy / "page.html"
                write = partial(driftloop.write_report, encoders=["lexical"], progress=False)
                works.append(("whole report", partial(write, copy, page)))
            for what, work in works:
                how = attempt(work)
                if how not in FINE:
                    print(f"--- {name}: {what}\n{how}")
                    how = "TRACEBACK" if "\n" in how else how
                ended[f"{what}: {how}"] += 1
    return ended


def main() -> None:
    """Make both, and say what came out."""
    given = [int(word) for word in sys.argv[1:4]]
    flips, values, seed = [*given, *[300, 500, 1][len(given) :]]
    with tempfile.TemporaryDirectory() as temporary:
        runs = make(Path(temporary))
        started = time.process_time()
        print(f"{flips} flips of seed {seed}: {dict(try_flips(runs, flips, seed))}")
        found = try_values(runs, values, seed)
        print(f"{values} values of seed {seed}:")
        for what, times in sorted(found.items()):
            print(f"  {what}: {times}")
        print(f"{time.process_time() - started:.0f} s of computing")


if __name__ == "__main__":
    main()
