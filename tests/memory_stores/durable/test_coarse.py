"""A table of many vectors finds what looking at every one finds, whatever they are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from memory_stores.durable import vectors as module
from memory_stores.durable.coarse import Coarse
from memory_stores.durable.vectors import VectorTable

DIM = 48
"""FAISS has one way for multiples of 16, and another for the rest."""
Rows = NDArray[np.float32]


def units(rows: NDArray[np.floating]) -> Rows:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def cloud(rng: np.random.Generator, count: int) -> Rows:
    return units(rng.standard_normal((count, DIM)))


def near_copies(rng: np.random.Generator, count: int) -> Rows:
    """Some hundred points and tiny steps away from them: codes tell few of them apart."""
    return units(cloud(rng, 100)[rng.integers(100, size=count)] + 1e-4 * rng.standard_normal((count, DIM)))


def spikes(rng: np.random.Generator, count: int) -> Rows:
    """A cloud, and late in it rows of one large number each, for which the scale was not made."""
    rows = cloud(rng, count)
    rows[count // 2 :: 7] = np.eye(DIM, dtype=np.float32)[rng.integers(DIM, size=len(rows[count // 2 :: 7]))]
    return rows


def all_alike(rng: np.random.Generator, count: int) -> Rows:
    return np.repeat(cloud(rng, 1), count, axis=0)


def by_hand(rows: Rows, query: Rows, k: int, allowed: Callable[[int], bool]) -> list[tuple[str, float]]:
    scored = [(f"i{i}", round(float(rows[i] @ query), 6)) for i in range(len(rows)) if allowed(i)]
    return sorted(scored, key=lambda pair: (-pair[1], int(pair[0][1:])))[:k]


def same(found: list[tuple[str, float]], right: list[tuple[str, float]]) -> bool:
    """Equal but for the last digit of a cosine, and for the order of those that it decides."""
    close = np.allclose([score for _, score in found], [score for _, score in right], atol=3e-6)
    missed = {id for id, score in right if score > right[-1][1] + 3e-6} - {id for id, _ in found}
    return len(found) == len(right) and close and not missed


@pytest.mark.parametrize("made", [cloud, near_copies, spikes, all_alike])
def test_it_finds_what_a_look_at_every_row_finds(monkeypatch: pytest.MonkeyPatch, made: Callable[..., Rows]):
    monkeypatch.setattr(module, "MANY", 256)
    rng = np.random.default_rng(0)
    rows, table = made(rng, 5000), VectorTable(DIM)
    for start in range(0, 5000, 700):
        ids = [f"i{i}" for i in range(start, min(start + 700, 5000))]
        table.extend(ids, list(rows[start : start + 700]))
        query = rows[rng.integers(len(table))] if start % 1400 else cloud(rng, 1)[0]
        assert same(table.rank(query, 10), by_hand(rows[: len(table)], query, 10, lambda i: True))
    gone = set(rng.choice(5000, 900, replace=False).tolist())
    for slot in gone:
        table.drop(f"i{slot}")
    for k, share in ((1, 1), (10, 3), (30, 40)):
        query = cloud(rng, 1)[0]
        found = table.rank(query, k, lambda id, share=share: int(id[1:]) % share == 0)
        assert same(found, by_hand(rows, query, k, lambda i, share=share: i not in gone and i % share == 0))


def test_forks_see_their_own_rows_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MANY", 256)
    rng = np.random.default_rng(1)
    rows, table = cloud(rng, 2000), VectorTable(DIM)
    table.extend([f"i{i}" for i in range(1000)], list(rows[:1000]))
    twin = table.fork()
    table.extend([f"i{i}" for i in range(1000, 2000)], list(rows[1000:]))
    for i in (5, 1500):
        assert table.rank(rows[i], 1) == [(f"i{i}", 1.0)]
        assert twin.rank(rows[i], 1)[0][0] == by_hand(rows[:1000], rows[i], 1, lambda i: True)[0][0]
    twin.extend(["mine"], [rows[1500]])
    assert twin.rank(rows[1500], 1) == [("mine", 1.0)] and table.rank(rows[1500], 1) == [("i1500", 1.0)]


def pool_of_nearest(coarse: Coarse, rows: Rows, query: Rows) -> bool:
    """Whether the pool of 200 holds most of the 100 nearest: codes that told nothing would give any 200."""
    nearest = np.argsort(-(rows @ query))[:100]
    return np.isin(nearest, coarse.pool(rows, query, 200).slots).mean() > 0.9


@pytest.mark.parametrize("dim", [24, 48, 384])
def test_no_row_outside_the_pool_is_above_its_bound_and_strays_stay_few(monkeypatch: pytest.MonkeyPatch, dim: int):
    monkeypatch.setitem(globals(), "DIM", dim)
    rng = np.random.default_rng(2)
    rows, coarse = spikes(rng, 4000), Coarse(dim)
    for held in (1000, 2500, 4000):
        query = rows[held - 1]
        pool = coarse.pool(rows[:held], query, 50)
        outside = np.setdiff1d(np.arange(held), pool.slots)
        assert (rows[outside] @ query).max() <= pool.bound
        assert 50 <= len(pool.slots) <= 50 + held // 32
    near = rows[1] + 0.3 * rows[2]
    assert pool_of_nearest(coarse, rows, near / np.linalg.norm(near))
