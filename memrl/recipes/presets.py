"""A preset's axes as knobs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any


def plain_axes(theta: Any) -> dict[str, Any]:
    """A preset's axes as a config keeps them: lists for tuples."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(theta).items()}
