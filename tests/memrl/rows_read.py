"""What a language model is given to read while something runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def rows_read(policy: Any, during: Callable[[], object]) -> list[list[int]]:
    """The rows of ids, in order, padding cut off."""
    rows: list[list[int]] = []

    def note(_module: object, _args: object, kwargs: dict[str, Any]) -> None:
        for ids, mask in zip(kwargs["input_ids"], kwargs["attention_mask"], strict=True):
            rows.append(ids[mask.bool()].tolist())

    policy.shares_starts = False  # row by row, so that each can be looked at
    hook = policy.model.register_forward_pre_hook(note, with_kwargs=True)
    during()
    hook.remove()
    return rows
