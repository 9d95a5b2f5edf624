"""Parts of tiny checkpoints and runs made by hand can be imported from where they are."""

import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / part) for part in ("encoders", "models", "report")]
