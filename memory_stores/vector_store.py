"""``VectorStore``: an archive searched by embedding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from memory_stores.embed import Embedder
from memory_stores.items import ItemShelf
from memory_stores.store import StoreContext
from memory_stores.types import CountTokens, StoreName

Vector = NDArray[np.float32]

TIE = 1e-6
"""Cosines closer than this are equal: float32 says no more."""


class VectorStore(ItemShelf):
    """Items with ids ``a1, a2, ...``, ranked by cosine: score ``(cosine + 1) / 2``, ties to the older item.

    The search is exact (FAISS ``IndexFlatIP``). The index is a cache: any change of the items makes it stale, and
    the next ``Retrieve`` builds it again from the items. Texts are embedded then too, all new ones in one batch.
    Forks share vectors and index, neither of which is ever changed in place.
    """

    kind: ClassVar[str] = "vector_store"
    store: ClassVar[StoreName] = "archive"
    prefix: ClassVar[str] = "a"

    def __init__(self, budget: int, count_tokens: CountTokens, embedder: Embedder) -> None:
        super().__init__(budget, count_tokens)
        self._vectors = _Vectors(embedder)
        self._held: dict[str, Vector] = {}
        self._index: Any = None

    def _contents_changed(self) -> None:
        super()._contents_changed()
        self._index = None

    def _rank(self, query: str, k: int) -> list[tuple[str, float]]:
        asked = self._vectors.rows([query])
        if self._index is None:
            self._index = self._build()
        k = min(k, len(self._items))
        best: NDArray[np.float32] = self._index.search(asked, k)[0]
        # All that is as good as the k-th, so that age decides every tie, those at the edge included.
        _, cosines, places = self._index.range_search(asked, float(best[0, -1]) - TIE)
        found = sorted((-round(float(cosine), 6), int(place)) for cosine, place in zip(cosines, places, strict=True))
        ids = list(self._items)
        return [(ids[place], min(1.0, max(0.0, (1 - minus) / 2))) for minus, place in found[:k]]

    def _build(self) -> Any:
        import faiss  # pyright: ignore[reportMissingTypeStubs]

        texts = [item.text for item in self._items.values()]
        missing = [text for text in texts if text not in self._held]
        new = dict(zip(missing, self._vectors.rows(missing), strict=True))
        self._held = {text: new[text] if text in new else self._held[text] for text in texts}
        library: Any = faiss
        index = library.IndexFlatIP(self._vectors.dim)
        index.add(np.stack([self._held[text] for text in texts]))
        return index


class _Vectors:
    """Unit vectors by text, embedded once for a store and all its forks; the oldest go when there are many."""

    LIMIT = 16384

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._of: dict[str, Vector] = {}

    @property
    def dim(self) -> int:
        return self._embedder.dim

    def rows(self, texts: Sequence[str]) -> Vector:
        """[N, E]; texts that are not known yet are embedded in one batch."""
        known = {text: self._of[text] for text in texts if text in self._of}
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            made = np.ascontiguousarray(self._embedder.embed(new), dtype=np.float32)
            if made.shape != (len(new), self.dim):
                raise ValueError(f"embedder gave shape {made.shape}: it must be {(len(new), self.dim)}, a row for each")
            known.update(zip(new, made, strict=True))
            self._of.update((text, known[text]) for text in new)
            while len(self._of) > self.LIMIT:
                del self._of[next(iter(self._of))]
        return np.stack([known[text] for text in texts]) if texts else np.zeros((0, self.dim), dtype=np.float32)


def _make(context: StoreContext) -> VectorStore:
    return VectorStore(context.budget, context.count_tokens, context.embedder)


PARTS = (("store", "vector", _make, None),)
"""What can be had by name: (kind, name, make, options)."""
