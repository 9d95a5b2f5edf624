"""Studies with a mistake in them, many: each is played or refused in words, and soon.

    python benchmarks/mutants.py [COUNT] [SEED]

Every mutant is a study file with one or two values, keys or lines exchanged for something that no
study should have there. It is loaded and cast as ``driftloop plan`` does it, without the hub.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

BASE = """\
title = "a study"
seed = 7
rounds = 3
twins = 2
overlong = "cut"
prompts = ["a ship at sea", { id = "cats", text = "two cats", source = "free" }]
[models.draw]
backend = "diffusers"
path = "bundled:postcard-sdxl"
steps = 2
guidance = 1.5
width = 64
height = 64
[models.look]
backend = "transformers"
path = "bundled:postcard-llava"
temperature = 0.5
words = 12
instruction = "Say it in {words} words."
[models.served]
backend = "openai"
role = "captioner"
path = "a-model"
base_url = "http://127.0.0.1:9/v1"
extra = { top_k = 5 }
[models.same]
backend = "controls"
kind = "fixed"
[[arms]]
name = "base"
network = ["draw", "look"]
sweep = { "look.words" = [5, 9], "draw.steps" = [1, 2] }
[[arms]]
name = "other"
network = ["draw", ["look", "served"]]
settings = { look = { temperature = 1.0 } }
"""
VALUES = [
    "true", "false", "nan", "-inf", "1e400", "-1", "0", "0.5", "9" * 5000, "9" * 300, '""', '" "',
    "[]", "[[]]", "[" * 60 + "]" * 60, "[" * 2000, "{}", "{ x = nan }", "2026-01-01", "'''\n'''",
    '"' + "x" * 300 + '"', '"' + "x" * 100_000 + '"', '"~nobody/x"', '"~"', '"/"', '"."', '".."',
    '"/dev/null"', '"/dev/zero"', '"\\u0000"', '"a\\u0000b"', '"\\ud800"', '"postcards-24"',
    '["postcards-24"]', '["prompts.txt"]', '["a", "a"]', '"C:\\Users\\x"', '"C:\\temp"', "“x”",
    '"http://127.0.0.1:99999/v1"', '"http://[::1/v1"', '"http://host:port"', '"owner/name"',
    '"owner/name/more"', '"bundled:none"', '"draw"', '["look", "draw"]', '["draw"]', "None", "0x7f",
    f'{{ {", ".join(f"""{chr(34)}look.s{n}{chr(34)} = {list(range(100))}""" for n in range(5))} }}',
    '{ "look.words" = [] }', '{ "look" = [1] }', '{ "look.nothing" = [1] }', "1_000_000_000_000",
    '"\\uD83D\\uDE00"', '"猫が座っている"', "[1, 2, 3]", "[true]", '{ image = "/" }',
    '{ image = "~nobody" }', '[{ image = "\\u0000" }]', '[{ text = "a", image = "b" }]',
]  # fmt: skip
LINES = [
    "", "]", "[models]", "[[arms]]", "[models.draw]", "x = ", "\ufeff", "\t", "a = b", "rounds: 3",
    "[models.'']", "[models.'../x']", "\x00", "# comment", "rounds = 3\nrounds = 4", "[a.b.c]",
]  # fmt: skip


def mutants(count: int, seed: int) -> Iterator[str]:
    """Study files with one or two mistakes, the same for the same seed."""
    chance = random.Random(seed)
    for _ in range(count):
        lines = BASE.splitlines()
        for _ in range(chance.choice([1, 1, 2])):
            at = chance.randrange(len(lines))
            how = chance.random()
            if how < 0.75 and " = " in lines[at]:
                lines[at] = f"{lines[at].split(' = ')[0]} = {chance.choice(VALUES)}"
            elif how < 0.85:
                del lines[at]
            elif how < 0.95:
                lines.insert(at, chance.choice(LINES))
            else:
                lines[at] = lines[at][: chance.randrange(len(lines[at]) + 1)]
        yield "\n".join(lines)


def try_out(text: str, folder: Path) -> tuple[str, float]:
    """Load and cast a study: how it ended (played, refused or a traceback) and in what time."""
    from driftloop.errors import DriftloopError
    from driftloop.runners import make_plan

    file = folder / "study.toml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    started = time.perf_counter()
    try:
        make_plan(str(file))
        ended = "played"
    except DriftloopError as error:
        ended = "refused" if str(error).strip() else "no words"
    except Exception:
        ended = traceback.format_exc()
    return ended, time.perf_counter() - started


def main() -> None:
    os.environ["HF_HUB_OFFLINE"] = "1"
    count, seed = (int(word) for word in [*sys.argv[1:3], "900", "1"][:2])
    ended: dict[str, int] = {}
    slowest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for number, text in enumerate(mutants(count, seed)):
            how, seconds = try_out(text, Path(folder))
            ended[how.splitlines()[-1]] = ended.get(how.splitlines()[-1], 0) + 1
            slowest = max(slowest, seconds)
            if how not in {"played", "refused"} or seconds > 5:
                print(f"--- mutant {number}, {seconds:.1f} s\n{text[:3000]}\n{how}")
    print(f"{count} mutants of seed {seed}: {ended}; the slowest took {slowest:.2f} s")


if __name__ == "__main__":
    main()
