"""Rows of like length together, so that little is padded."""

from __future__ import annotations

from collections.abc import Sequence


def like_length(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Indices of rows in batches, longest first, each batch within ``budget`` tokens, padding included.

    A row longer than the budget is a batch of its own.
    """
    batches: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batches and (len(batches[-1]) + 1) * lengths[batches[-1][0]] <= budget:
            batches[-1].append(i)
        else:
            batches.append([i])
    return batches
