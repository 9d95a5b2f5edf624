"""Do the oldest versions that pyproject.toml allows work together? Run it after a bound has moved.

It makes an environment of its own with them (by uv, which has to be on the path: pip install uv),
and there imports everything that the package imports anywhere, and runs some of its tests:

    python benchmarks/lowest.py                         # in a folder that is deleted afterwards
    python benchmarks/lowest.py --torch 2.13.0+cpu --find-links /wheels tests/test_cli.py

Torch's oldest version comes with gigabytes of CUDA on Linux; --torch takes another one.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
# All but the video extra, since torchvision comes built for one torch, and bitsandbytes.
EXTRAS = "diffusers,lora,transformers,openai,report,minilm,sentence,film"
TOOLS = ("pytest", "pytest-timeout", "hypothesis", "fastapi", "uvicorn", "jsonschema")
TESTS = (
    "tests/test_imports.py", "tests/test_layers.py", "tests/test_cli.py", "tests/store",
    "tests/chains/test_export.py", "tests/models/test_contract_generators.py",
    "tests/models/test_contract_captioners.py", "tests/models/test_transformers.py",
)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tests", nargs="*", default=TESTS)
    parser.add_argument("--torch", help="its version, where not the oldest")
    parser.add_argument("--find-links", action="append", default=[], help="a folder of wheels")
    parser.add_argument("--folder", type=Path, help="keep the environment there")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.folder or Path(temporary, "lowest")
        python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
        uv = ["uv", "pip", "install", "--python", str(python)]
        uv += [word for place in chosen.find_links for word in ("--find-links", place)]
        if chosen.torch:
            overrides = Path(temporary, "overrides.txt")
            overrides.write_text(f"torch=={chosen.torch}\n")
            uv += ["--override", str(overrides)]
        if not python.exists():
            subprocess.run(["uv", "venv", "--python", sys.executable, str(folder)], check=True)
        project = f"{ROOT}[{EXTRAS}]"
        subprocess.run([*uv, "--resolution", "lowest-direct", "-e", project], check=True)
        # What is there already stays; the tools of the tests may be new ones.
        subprocess.run([*uv, *TOOLS, "pandas==2.2.0"], check=True)
        done = subprocess.run([python, "-m", "pytest", "-q", *chosen.tests], cwd=ROOT, check=False)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
