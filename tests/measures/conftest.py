"""Planted worlds are those of the simulations in benchmarks/."""

import importlib.util
import sys
from pathlib import Path

# By its file: another folder of tests has a module of that name.
FILE = Path(__file__).parents[2] / "benchmarks" / "worlds.py"
spec = importlib.util.spec_from_file_location("planted", FILE)
assert spec is not None
assert spec.loader is not None
sys.modules["planted"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["planted"])
