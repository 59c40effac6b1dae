"""How a failure is told: in one line, the same each time."""

from __future__ import annotations

import re

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def steady(text: str) -> str:
    """Without addresses, which are others each time."""
    return _ADDRESS.sub(" at 0x0", text)


def told(error: BaseException) -> str:
    """An error in one line."""
    line = steady(" ".join(str(error).split()))
    return f"{type(error).__name__}: {line}" if line else type(error).__name__
