"""``Coarse``: a first look at many vectors in one byte a number, which says for sure what it cannot have missed.

    query · row = asked · code + query · (row - code) + (query - asked) · code
    |query · row - asked · code| <= |row - code| + |query - asked| |code|       (unit query; Cauchy and Schwarz)

FAISS keeps and searches the codes (scalar quantisation, 8 bits, query and rows alike). Whoever reads again, in full
numbers, the rows that it names, and finds enough of them above the bound that it gives, has the nearest rows of all.
"""

from __future__ import annotations

from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from memory_stores.vector_store import Vector

LARGEST = 127
"""Of a code."""
STRAYS = 64
"""One row in so many may be coded badly before all are coded anew."""


class Pool(NamedTuple):
    """Rows to be read again."""

    slots: NDArray[np.int64]
    """[M], each once, in no order."""
    bound: float
    """No other row has a higher cosine."""


class Coarse:
    """Codes of the rows of a matrix that only grows; any thread may ask.

    A row whose numbers are larger than any that stood there when the scale was chosen is coded badly: such strays are
    always in the pool, and when they become many, all rows are coded anew.
    """

    def __init__(self, dim: int) -> None:
        self._dim = dim
        self._lock = Lock()
        self._index: Any = None
        self._scale = 1.0
        self._rest = 0.0
        self._strays: list[int] = []

    def pool(self, matrix: Vector, query: Vector, count: int) -> Pool:
        """The nearest ``count`` rows by their codes, and all strays.

        Args:
            matrix: [N, E] the rows of before, and those that came since.
            query: [E], of unit length.
            count: 1 to N.
        """
        import faiss  # pyright: ignore[reportMissingTypeStubs]

        library: Any = faiss
        with self._lock:
            self._catch_up(matrix, library)
            # A fork may hold fewer rows than the matrix that it shares.
            only = library.SearchParameters(sel=library.IDSelectorRange(0, len(matrix)))
            limited = {"params": only} if self._index.ntotal > len(matrix) else {}
            scale = _scale(query)
            asked = _codes(query, scale)
            products, slots = self._index.search(asked[None], count, **limited)
            strays = [slot for slot in self._strays if slot < len(matrix)]
            missing = float(np.linalg.norm(query - asked / np.float32(scale)))
            bound = float(products[0][-1]) / (self._scale * scale) + self._rest + missing * (1 + self._rest)
        return Pool(np.union1d(slots[0], np.array(strays, dtype=np.int64)), bound)

    def _catch_up(self, matrix: Vector, library: Any) -> None:
        if self._index is None or len(self._strays) * STRAYS > self._index.ntotal + LARGEST:
            quantizer = library.ScalarQuantizer.QT_8bit_direct_signed
            self._index = library.IndexScalarQuantizer(self._dim, quantizer, library.METRIC_INNER_PRODUCT)
            self._scale, self._rest, self._strays = _scale(matrix), 0.0, []
        held = self._index.ntotal
        if held < len(matrix):
            self._add(matrix[held:], held)

    def _add(self, rows: Vector, first: int) -> None:
        codes = _codes(rows, self._scale)
        fits = np.abs(rows).max(axis=1) * self._scale <= LARGEST + 0.5
        rests = np.linalg.norm(rows - codes / np.float32(self._scale), axis=1)
        # Room for what float32 rounds away in a sum of products.
        self._rest = max(self._rest, float(rests[fits].max(initial=0.0)) + 1e-5)
        self._strays.extend((first + np.flatnonzero(~fits)).tolist())
        self._index.add(codes)


def _scale(vectors: Vector) -> float:
    """What takes the largest number to the largest code."""
    return LARGEST / max(float(np.abs(vectors).max()), 1e-6)


def _codes(vectors: Vector, scale: float) -> Vector:
    """Whole numbers, as FAISS takes them."""
    return np.clip(np.rint(vectors * scale), -LARGEST, LARGEST).astype(np.float32)
