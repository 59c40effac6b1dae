"""How a failure is told: in one line, the same each time."""

from __future__ import annotations

import re

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def steady(text: str) -> str:
    """Without addresses, which are others each time."""
    return _ADDRESS.sub(" at 0x0", text)


LONGEST = 1000
"""Characters of an error that are told."""


def told(error: BaseException) -> str:
    """An error in one line that can be shown: not endless, and nothing in it that UTF-8 has not."""
    try:
        said = str(error)
    except Exception as inner:
        said = f"(its text cannot be had: {type(inner).__name__})"
    line = steady(" ".join(said.split())).encode(errors="replace").decode()
    line = line if len(line) <= LONGEST else f"{line[:LONGEST]}…"
    return f"{type(error).__name__}: {line}" if line else type(error).__name__
