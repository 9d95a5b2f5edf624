"""The commands in training/README.md, as make hands them on."""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from training.all import STAGES

ROOT = Path(__file__).parents[2]
COMMANDS = re.findall(r"`(make postcards-train [^`]+)`", (ROOT / "training/README.md").read_text())


@pytest.mark.skipif(shutil.which("make") is None, reason="no make")
@pytest.mark.parametrize("command", COMMANDS)
def test_make_hands_on_what_is_said(command: str) -> None:
    tools = [*shlex.split(command), "--dry-run", "--no-print-directory"]
    # Under `make test` this make would take over the options of that one.
    env = {k: v for k, v in os.environ.items() if k not in {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}}
    told = subprocess.run(
        tools, cwd=ROOT, check=True, capture_output=True, text=True, env=env
    ).stdout
    words = shlex.split(told.splitlines()[-1])
    assert words[1:3] == ["-m", "training.all"]
    stages = {stage.command for stage in STAGES}
    kept = words[words.index("--keep") + 1 :] if "--keep" in words else []
    assert set(kept) <= stages


def test_one_command_keeps_parts() -> None:
    assert any("--keep" in command for command in COMMANDS)
