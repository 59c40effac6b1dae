"""Rows of like length together: within the budget, and with the least work."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from memrl.algos.lengths import least_work, like_length


def work(lengths: list[int], batches: list[list[int]], price: int) -> int:
    return sum(price + len(batch) * max(lengths[i] for i in batch) for batch in batches)


def test_by_hand():
    # Together 4 x 10 = 40; apart 2 x 10 + 2 x 2 = 24, and a batch more.
    assert least_work([2, 10, 2, 10], 100, price=15) == [[1, 3], [0, 2]]
    assert least_work([2, 10, 2, 10], 100, price=17) == [[1, 3, 0, 2]]
    assert least_work([2, 10, 2, 10], 25, price=17) == [[1, 3], [0, 2]]
    assert least_work([30, 2], 25, price=100) == [[0], [1]]
    assert least_work([], 10, 1) == []


@given(st.lists(st.integers(1, 12), min_size=1, max_size=7), st.integers(8, 60), st.integers(0, 20))
def test_no_other_way_of_cutting_the_sorted_rows_is_less_work(lengths: list[int], budget: int, price: int):
    found = least_work(lengths, budget, price)
    assert sorted(i for batch in found for i in batch) == list(range(len(lengths)))
    assert all(len(b) == 1 or len(b) * max(lengths[i] for i in b) <= budget for b in found)
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    for cuts in product([False, True], repeat=len(lengths) - 1):
        ends = [*(k + 1 for k, cut in enumerate(cuts) if cut), len(lengths)]
        batches = [order[a:b] for a, b in zip([0, *ends], ends, strict=False)]
        if all(len(b) == 1 or len(b) * lengths[b[0]] <= budget for b in batches):
            assert work(lengths, found, price) <= work(lengths, batches, price)
    assert work(lengths, found, price) <= work(lengths, like_length(lengths, budget), price)
