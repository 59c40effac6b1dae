"""Rows of a data set from the Hugging Face hub, or from a folder or cache that ``datasets`` reads."""

from __future__ import annotations

from typing import Any

from memrl.contracts.errors import DataError, MissingExtra


def rows(id: str, split: str, config: str | None = None) -> list[dict[str, Any]]:
    """All rows of a split.

    Raises:
        MissingExtra: ``datasets`` is not installed.
        DataError: the hub cannot be reached, or has no such data set, config or split.
    """
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise MissingExtra("reading from the hub needs the package datasets: pip install datasets") from error
    try:
        return [dict(row) for row in load_dataset(id, config, split=split)]
    except (OSError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        way_out = "with no hub at hand, take the official files and name them with --from"
        raise DataError(f"hub data set {id!r}, split {split!r}: {type(error).__name__}: {reason}; {way_out}") from error
