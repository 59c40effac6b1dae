"""Test helpers in ``tests`` and ``tests/memrl`` import each other by name."""

import sys
from pathlib import Path

for folder in (".", "memrl"):
    sys.path.insert(0, str(Path(__file__).parent / folder))
