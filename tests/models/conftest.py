"""Builders of tiny checkpoints can be imported; torch keeps to one thread, as they are tiny."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
