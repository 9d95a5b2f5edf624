"""Put every family of models through its contract, and write docs/models.md.

python docs/families.py
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
TESTS = HERE.parent / "tests"
CONTRACTS = {
    "Generators": "models/test_contract_generators.py",
    "Editors, from image to image": "models/test_contract_editors.py",
    "Captioners": "models/test_contract_captioners.py",
    "Encoders": "encoders/test_contract_encoders.py",
}
LIBRARIES = ("torch", "diffusers", "transformers", "sentence-transformers")
HEAD = """# Families of models, and what they were tested for

This page is written by `python docs/families.py`, which builds a small checkpoint of each family
from its library's own classes, with random weights, saves it as any other, loads it by its folder,
and puts it through the contract of its role: answers come one an input and in order, do not depend
on the company in a micro-batch (bit for bit), are decided by their seed, and match a plain
computation; what was not read, cut, or left unfinished is told. What a full-sized model *draws*
or *says* is not tested here; `driftloop check MODEL` tests the one you have.

With {versions}.
"""


class Result(NamedTuple):
    """What became of one family's tests."""

    passed: int
    failed: int
    reasons: list[str]
    """Why some were left out."""


def contract(file: Path) -> dict[str, Result]:
    """Run a contract's tests, and sort what came of them by family."""
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "told.xml"
        call = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", f"--junitxml={told}"]
        subprocess.run([*call, str(file)], check=False, stdout=sys.stderr)
        cases = ET.parse(told).iter("testcase")
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for case in cases:
        name = case.get("name", "")
        if "[" not in name:
            continue
        family = (
            name.split("[", 1)[1].removesuffix("]").removesuffix(", text").removesuffix(", image")
        )
        bad = next((part for part in case if part.tag in ("failure", "error", "skipped")), None)
        kind = "passed" if bad is None else bad.tag
        found[family].append((kind, "" if bad is None else bad.get("message", "")))
    return {
        family: Result(
            sum(kind == "passed" for kind, _ in told),
            sum(kind in ("failure", "error") for kind, _ in told),
            sorted({_short(message) for kind, message in told if kind == "skipped"}),
        )
        for family, told in found.items()
        if len(told) > 1  # The rest are single cases of something that is refused.
    }


def _short(message: str) -> str:
    if "could not import" in message:
        return (
            f"all: they need {message.split(chr(39))[1]} (extra `video`), which was not installed"
        )
    return message


def main() -> None:
    """Run the contracts and write the page beside this file."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    page = [HEAD.format(versions=", ".join(f"{name} {version(name)}" for name in LIBRARIES))]
    for title, file in CONTRACTS.items():
        page.append(
            f"\n## {title}\n"
            "| family | tests passed | failed | left out, and why |\n|---|---|---|---|\n"
        )
        page += [
            f"| {family} | {result.passed} | {result.failed} | {'; '.join(result.reasons)} |\n"
            for family, result in contract(TESTS / file).items()
        ]
    (HERE / "models.md").write_text("".join(page))


if __name__ == "__main__":
    main()
