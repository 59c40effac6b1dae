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


def least_work(lengths: Sequence[int], budget: int, price: int) -> list[list[int]]:
    """Indices of rows in batches, longest first, each within ``budget`` tokens, such that the tokens of all batches,
    padding included, and ``price`` tokens for each batch are as few as can be.

    A row longer than the budget is a batch of its own. Takes time that grows with rows times the rows of a batch.
    """
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    least, start = [0] + [0] * len(order), [0] * (len(order) + 1)
    for end in range(1, len(order) + 1):
        options = []
        for begin in range(end - 1, -1, -1):
            tokens = (end - begin) * lengths[order[begin]]
            if tokens > budget and end - begin > 1:
                break
            options.append((least[begin] + tokens + price, begin))
        least[end], start[end] = min(options)
    batches: list[list[int]] = []
    end = len(order)
    while end:
        batches.append(order[start[end] : end])
        end = start[end]
    return batches[::-1]
