"""How commands end: what they say on the error stream, what they exit with, what they leave."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from subprocess import Popen

import pytest
import typer
from driftloop_toys.studies import toy_study
from test_study import BASE

import driftloop
from driftloop.cli import app, main
from driftloop.encoders.lexical import LexicalEncoder
from driftloop.ending import exits
from driftloop.errors import Exits, ModelError, StoreError
from driftloop.models._torch import import_torch
from driftloop.store import open_run
from driftloop.unexpected import write_traceback

DOCS = Path(__file__).parents[1] / "docs"
KEY = "a-key-of-the-lab-0815"


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("DRIFTLOOP_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("SOME_API_KEY", KEY)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))


@pytest.fixture
def played(tmp_path: Path) -> Path:
    driftloop.run(toy_study(), tmp_path / "run", progress=False).close()
    return tmp_path / "run"


Ended = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ended:
    """A command in which a function raises: what it exits with, and its error stream."""

    def call(
        broken: Callable[[], object], *words: str | Path, where: str = "driftloop.store.examine"
    ) -> tuple[int, list[str]]:
        monkeypatch.setattr(where, lambda *args, **kwargs: broken())
        monkeypatch.setattr(sys, "argv", ["driftloop", *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            main()
        lines = capsys.readouterr().err.splitlines()
        assert not any("Traceback" in line for line in lines), lines
        return stopped.value.code, lines

    return call


def raising(error: BaseException) -> Callable[[], object]:
    def broken() -> object:
        raise error

    return broken


class UnsayableError(Exception):
    def __str__(self) -> str:
        raise ValueError


class PanicException(BaseException):
    """As libraries in Rust raise it."""


def recursive() -> object:
    return recursive()


UNEXPECTED = {
    "a mistake": (raising(TypeError("no\n\x1b[31mway")), r"TypeError: no \\x1b\[31mway"),
    "without words": (raising(KeyError()), "KeyError"),
    "recursion": (recursive, "RecursionError: maximum recursion depth"),
    "an exit of a library's": (raising(SystemExit(0)), "SystemExit: 0"),
    "an end of file": (raising(EOFError()), "EOFError"),
    "somebody else's pipe": (raising(BrokenPipeError(32, "gone")), "BrokenPipeError"),
    "no Exception": (raising(PanicException("x")), "PanicException: x"),
    "words that cannot be had": (raising(UnsayableError()), r"UnsayableError: \(it has no words\)"),
    "our own module": (lambda: __import__("driftloop.nowhere"), "ModuleNotFoundError"),
}


@pytest.mark.parametrize("name", UNEXPECTED)
def test_what_nobody_foresaw_has_a_code_a_line_and_a_file(
    name: str, played: Path, ended: Ended
) -> None:
    error, told = UNEXPECTED[name]
    code, (line,) = ended(error, "doctor", played)
    assert code == 70
    assert re.match(rf"error unexpected: {told}.*; what was played is kept; the traceback", line)
    (file,) = played.glob("error-*.txt")
    assert line.endswith(str(file))
    text = file.read_text("utf-8")
    assert "Traceback" in text
    assert f"driftloop {driftloop.__version__}" in text
    assert f"doctor {played}" in text


def test_a_traceback_is_never_written_over_another(played: Path, ended: Ended) -> None:
    for count in range(1, 4):
        assert ended(raising(TypeError()), "doctor", played)[0] == 70
        assert len(list(played.glob("error-*.txt"))) == count


def test_without_a_run_folder_the_traceback_is_kept_elsewhere(
    tmp_path: Path, ended: Ended, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = "driftloop.runners.study_schema"
    code, (line,) = ended(raising(TypeError("no")), "schema", where=where)
    (file,) = (tmp_path / "state" / "driftloop").glob("error-*.txt")
    assert code == 70
    assert line == f"error unexpected: TypeError: no; the traceback, to be reported, is in {file}"
    # Where nothing can be written at all, the line is what is left.
    monkeypatch.setattr("driftloop.unexpected._write", lambda *_: raising(OSError(28, "full"))())
    assert ended(raising(TypeError("no")), "schema", where=where) == (
        70,
        ["error unexpected: TypeError: no"],
    )


def test_a_traceback_has_no_keys(
    played: Path, ended: Ended, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRIFTLOOP_KEYS", "LAB=http://lab:80")
    monkeypatch.setenv("LAB", "sesame opens")
    secrets = [
        "sk-abcdefghijklmnopqrst", "sesame opens", "https://me:mypassword@example.org", KEY,
        "Bearer tttttttttt", {"api_key": "kkkkkkkk"}, "?token=vvvvvvvv&n=7",
    ]  # fmt: skip
    kept = "KeyError: 'round', key=call.key, n=7"
    code, (line,) = ended(raising(TypeError(*secrets, kept)), "doctor", played)
    assert code == 70
    (file,) = played.glob("error-*.txt")
    text = file.read_text("utf-8").rpartition("Traceback")[2]
    for told in (line, text):
        for secret in ("abcdefghij", "sesame", "mypassword", KEY, "tttttt", "kkkkkk", "vvvvv"):
            assert secret not in told
    assert kept in text.replace('"', "")
    monkeypatch.setattr(sys, "argv", ["driftloop", "check", "--set", "api_key=wwwwwwww"])
    assert "wwwwwwww" not in write_traceback(TypeError(), played).read_text("utf-8")


FULL = OSError(errno.ENOSPC, "No space left on device")


def told_by_another() -> object:
    try:
        raise FULL
    except OSError as error:
        raise RuntimeError("cannot save") from error


def lazily() -> object:
    """As transformers and diffusers tell of what they cannot import."""
    try:
        return import_module("nowhere_at_all.pipelines")
    except ImportError as error:
        raise RuntimeError("Failed to import (look up to see its traceback)") from error


MENDABLE = {
    "full": (raising(OSError(*FULL.args, "/x/y")), "/x/y: no space left on device; make room"),
    "full, told by another": (told_by_another, "no space left on device; make room"),
    "quota": (raising(OSError(errno.EDQUOT, "Disk quota exceeded")), "disk quota exceeded; make"),
    "read-only": (raising(OSError(errno.EROFS, "Read-only", "r")), "r: read-only; choose"),
    "forbidden": (raising(OSError(errno.EACCES, "Denied", "p")), "p: denied; change its rights"),
    "files": (raising(OSError(errno.EMFILE, "Too many open files")), "ulimit -n"),
    "memory": (raising(MemoryError("9 GB")), r"too little memory \(9 GB\)"),
    "a GPU's memory": (raising(RuntimeError("CUDA out of memory. Tried 9 GiB")), "Tried 9 GiB"),
    "no words": (raising(StoreError("")), "error StoreError"),
    "extra": (lambda: __import__("nowhere_at_all"), "the package nowhere_at_all is missing"),
    "an extra, told by another": (lazily, "the package nowhere_at_all is missing"),
    "half an extra": (
        lambda: exec("from numpy import nothing_such"), "the package numpy is missing, broken",
    ),
    "a broken extra": (
        lambda: import_module("broken_extra.part"),
        "the package broken_extra is .*: RuntimeError: no nms; pip install .* traceback is in",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MENDABLE)
def test_what_the_machine_lacks_is_told_with_its_fix(
    name: str, played: Path, tmp_path: Path, ended: Ended, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = tmp_path / "broken_extra"
    extra.mkdir()
    (extra / "__init__.py").write_text("")
    (extra / "part.py").write_text("def check(): raise RuntimeError('no nms')\ncheck()\n")
    monkeypatch.syspath_prepend(tmp_path)
    error, told = MENDABLE[name]
    code, (line,) = ended(error, "doctor", played)
    assert code == 2
    assert line.startswith("error ")
    assert re.search(told, line)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_dies_is_told_and_the_code_says_so(played: Path, ended: Ended) -> None:
    def broken() -> object:
        thread = threading.Thread(target=raising(ValueError("alone")), name="reader")
        thread.start()
        thread.join()
        return []

    code, (line,) = ended(broken, "doctor", played)
    assert code == 70
    assert line.startswith("error unexpected in the thread 'reader': ValueError: alone; what was")
    assert "in broken" in next(played.glob("error-*.txt")).read_text("utf-8")


def test_a_library_that_exits_while_a_model_plays_ends_no_run_as_if_it_were_done(
    tmp_path: Path, ended: Ended
) -> None:
    study = tmp_path / "mine.toml"
    study.write_text(BASE, "utf-8")
    code, lines = ended(
        raising(SystemExit(0)), "run", study, "-o", tmp_path / "run",
        where="driftloop.runners._session.play_batch",
    )  # fmt: skip
    assert code == 70
    assert "SystemExit: 0" in lines[-1]


def test_an_error_is_told_even_where_it_cannot_be_printed(
    played: Path, ended: Ended, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[bytes] = []
    monkeypatch.setattr("driftloop.ending.os.write", lambda _, data: said.append(data))
    monkeypatch.setattr("driftloop.printing.err.print", lambda *_, **__: raising(RuntimeError())())
    code, _ = ended(raising(TypeError("é")), "doctor", played)
    assert code == 70
    assert said[0].startswith(b"error unexpected: TypeError: \\xe9; what was played is kept;")


def test_an_error_that_cannot_even_be_told_has_its_code(
    played: Path, ended: Ended, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("driftloop.ending.in_a_line", lambda _: raising(RuntimeError())())
    code, (line,) = ended(raising(TypeError()), "doctor", played)
    assert (code, line) == (70, "error unexpected: TypeError, and then RuntimeError")


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """A study that takes half a minute."""
    study = tmp_path / "slow.toml"
    text = BASE.replace("rounds = 3", "rounds = 400")
    study.write_text(text.replace('role = "generator"', 'role = "generator"\ndelay = 0.2'), "utf-8")
    return study


def begun(words: list[str | Path], sign: Callable[[], bool], before: str = "") -> Popen[str]:
    """A command in a process of its own that has come to where there is a sign of it."""
    code = f"import sys\n{before}\nfrom driftloop.cli import main\nmain()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    for _ in range(600):
        time.sleep(0.1)
        if sign():
            return process
    process.kill()
    pytest.fail("it did not begin")


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize(
    ("numbers", "code"),
    [
        ([signal.SIGINT], 130),
        ([signal.SIGTERM], 143),
        ([signal.SIGTERM, signal.SIGTERM], 143),  # as timeout(1) sends it: to it and to its group
        ([signal.SIGHUP], 129),
    ],
)
def test_a_signal_ends_a_run_as_orderly_as_ctrl_c(
    numbers: list[int], code: int, slow: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    words = ["run", slow, "-o", folder, "--no-report"]
    process = begun(words, lambda: any(folder.glob("images/*/*.png")))
    for number in numbers:
        process.send_signal(number)
        time.sleep(0.02)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == code, (out, errors)
    assert "stopping after what is in play" in errors
    assert f"stopped; what was played is in {folder}" in errors
    with open_run(folder) as run:
        assert len(run)
        assert run.sessions()[-1]["outcome"] == "stopped"


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_signal_ends_other_commands_and_leaves_nothing_half(played: Path, tmp_path: Path) -> None:
    films, sign = tmp_path / "films", tmp_path / "sign"
    wait = (
        "import pathlib, time, driftloop.chains._film as film\n"
        f"film._write_gif = lambda *a: pathlib.Path({str(sign)!r}).touch() or time.sleep(60)"
    )
    process = begun(["export", played, "--to", films / "x.gif"], sign.exists, wait)
    process.terminate()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 143
    assert errors == ""
    assert not films.exists()


COMMANDS = typer.main.get_command(app).commands
TABLE = re.findall(
    r"^\| `driftloop (\w+)` \| (.*?) \|$", (DOCS / "exit-codes.md").read_text("utf-8"), re.M
)


def test_help_and_documentation_say_the_same_codes() -> None:
    assert [name for name, _ in TABLE] == list(COMMANDS)
    for name, meaning in TABLE:
        assert COMMANDS[name].epilog == exits(meaning.replace("never", ""))
    for code in Exits:
        assert f"| {code:d} |" in (DOCS / "exit-codes.md").read_text("utf-8")


def test_codes_of_usage_errors(ended: Ended) -> None:
    for words in (["nope"], ["run", "--nope"], ["doctor"], []):
        assert ended(raising(AssertionError()), *words)[0] == 2
    for words in (["--help"], ["run", "--help"], ["--version"]):
        assert ended(raising(AssertionError()), *words)[0] == 0


@pytest.mark.parametrize(
    ("package", "extra", "use"),
    [
        ("torch", "all", import_torch),
        ("sklearn.feature_extraction.text", "report", lambda: LexicalEncoder().encode(["a"])),
    ],
)
def test_an_extra_that_is_missing_or_broken_is_told_with_the_reason(
    package: str, extra: str, use: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModelError, match=rf"driftloop\[{extra}\]': import of {package} halted"):
        use()
