"""``VectorTable``: unit vectors by id in one matrix, searched exactly and kept up to date in place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memory_stores.durable.coarse import Coarse
from memory_stores.vector_store import Vector

SPARE = 16
"""Rows that are ranked beyond those asked for, so that ties and dead rows seldom need a second look."""
HEAP = 2048
"""Up to so many FAISS keeps the best as it goes; beyond, all cosines are worked out and parted once."""
MANY = 4096
"""From so many rows on, a coarse look at all of them says which to read in full."""
POOLED = 3
"""Times as many rows as are wanted are read in full after it: few lie that near to the last of them."""
SMALLEST = 1024
"""Rows that the first matrix has room for."""


class _Rows:
    """A matrix that grows; whoever stands at its end may write on, anybody else copies first."""

    def __init__(self, dim: int, room: int) -> None:
        self.matrix: Vector = np.zeros((room, dim), dtype=np.float32)
        self.used = 0
        self.coarse = Coarse(dim)


class VectorTable:
    """Vectors [N, E] in the order they came, which is their age.

    A row that is dropped stays until half of the rows are dead; forks share the rows, which never change once they
    are written, and copy them when they write themselves.
    """

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self.fresh: list[str] = []
        """Ids that were embedded here and are not in the file yet."""
        self._rows = _Rows(dim, SMALLEST)
        self._length = 0
        self._ids: list[str] = []
        self._slots: dict[str, int] = {}
        self._alive: NDArray[np.bool_] = np.zeros(SMALLEST, dtype=np.bool_)

    def __len__(self) -> int:
        return len(self._slots)

    def __contains__(self, id: str) -> bool:
        return id in self._slots

    def ids(self) -> list[str]:
        """The ids that it holds, oldest first."""
        return list(self._slots)

    def row(self, id: str) -> Vector:
        """[E] of one id. Raises KeyError."""
        return self._rows.matrix[self._slots[id]]

    def extend(self, ids: Sequence[str], vectors: Sequence[Vector]) -> None:
        """Add rows at the end. Ids that are held already are an error of the caller."""
        if self._rows.used != self._length or self._length + len(ids) > len(self._rows.matrix):
            self._move(len(self._slots) + len(ids))
        end = self._length + len(ids)
        self._rows.matrix[self._length : end] = np.stack(vectors)
        self._alive[self._length : end] = True
        self._slots.update(zip(ids, range(self._length, end), strict=True))
        self._ids.extend(ids)
        self._length = self._rows.used = end

    def drop(self, id: str) -> None:
        """Take a row out; one that is not there is no error."""
        slot = self._slots.pop(id, None)
        if slot is not None:
            self._alive[slot] = False
            if self._length > SMALLEST and 2 * len(self._slots) < self._length:
                self._move(len(self._slots))

    def _move(self, room: int) -> None:
        """Into a matrix of its own, without the dead rows."""
        live = np.flatnonzero(self._alive[: self._length])
        rows = _Rows(self.dim, max(SMALLEST, room + room // 2))
        rows.matrix[: len(live)] = self._rows.matrix[live]
        self._ids = [self._ids[slot] for slot in live.tolist()]
        self._slots = {id: slot for slot, id in enumerate(self._ids)}
        self._alive = np.zeros(len(rows.matrix), dtype=np.bool_)
        self._alive[: len(live)] = True
        self._rows, self._length, rows.used = rows, len(live), len(live)

    def rank(self, query: Vector, k: int, allowed: Callable[[str], bool] | None = None) -> list[tuple[str, float]]:
        """Up to k pairs (id, cosine to 6 digits), nearest first, ties to the older.

        Args:
            query: [E], of unit length.
            k: at least 1.
            allowed: which ids may be found; k of them are, wherever there are k.
        """
        taken = k + SPARE
        while True:
            taken = min(taken, self._length)
            found, worst = self._nearest(query, taken)
            pairs = ((self._ids[slot], cosine) for cosine, slot in found)
            passed = [pair for pair in pairs if allowed is None or allowed(pair[0])]
            # What was not looked at is no nearer than the worst that was: above it, all ties are here.
            sure = passed if taken == self._length else [pair for pair in passed if pair[1] > worst]
            if taken == self._length or len(sure) >= k:
                return sure[:k]
            taken *= 4

    def _nearest(self, query: Vector, count: int) -> tuple[list[tuple[float, int]], float]:
        """Live rows, ``count`` of the nearest among them, as (cosine, slot), ties to the older; and the cosine that
        no other row is above."""
        if not count:
            return [], 1.0
        matrix = self._rows.matrix[: self._length]
        if count <= HEAP and self._length >= MANY:
            places, bound = self._rows.coarse.pool(matrix, query, min(POOLED * count, self._length))
            cosines = matrix[places] @ query
        elif count <= HEAP:
            import faiss  # pyright: ignore[reportMissingTypeStubs]

            library: Any = faiss
            found = library.knn(query[None], matrix, count, metric=library.METRIC_INNER_PRODUCT)
            cosines, places = (one[0] for one in found)
            bound = float(cosines.min())
        else:
            every = matrix @ query
            places = np.argpartition(-every, count - 1)[:count]
            cosines = every[places]
            bound = float(cosines.min())
        rounded, bound = np.round(cosines.astype(np.float64), 6), round(bound, 6)
        order = np.lexsort((places, -rounded))
        order = order[self._alive[places[order]]]
        if len(order) > count:
            bound, order = max(bound, float(rounded[order[count]])), order[:count]
        return list(zip(rounded[order].tolist(), places[order].tolist(), strict=True)), bound

    def fork(self) -> VectorTable:
        """A table that begins as this one is."""
        twin = VectorTable.__new__(VectorTable)
        twin.dim, twin.fresh = self.dim, []
        twin._rows, twin._length, twin._ids = self._rows, self._length, self._ids.copy()
        twin._slots, twin._alive = self._slots.copy(), self._alive.copy()
        return twin
