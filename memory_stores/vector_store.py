"""``VectorStore``: an archive searched by embedding."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from memory_stores.embed import Embedder, unit_rows
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

    Vectors are part of the state where the embedder has a ``fingerprint``, and are taken up again by a store whose
    embedder has the same: a text is embedded once. Vectors of another embedder are left aside and made anew.
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

    def state_dict(self) -> dict[str, Any]:
        with self._lock:
            state = super().state_dict()
            known = [item for item in self._items.values() if item.text in self._held]
            if self._vectors.fingerprint is not None and known:
                rows = np.stack([self._held[item.text] for item in known]).astype("<f4")
                packed = base64.b85encode(rows.tobytes()).decode()
                told = {"embedder": self._vectors.fingerprint, "of": [item.id for item in known], "rows": packed}
                state["vectors"] = told
            return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        told = state.get("vectors")
        rows = None if told is None else self._unpacked(told)
        with self._lock:
            super().load_state_dict(state)
            self._held = {}
            if rows is not None:
                self._held = {self._items[id].text: row for id, row in rows.items() if id in self._items}

    def _unpacked(self, told: Any) -> dict[str, Vector] | None:
        """Vectors by id; None for those of another embedder. Raises ValueError."""
        try:
            if told["embedder"] != self._vectors.fingerprint:
                return None
            ids: list[str] = [str(id) for id in told["of"]]
            rows = np.frombuffer(base64.b85decode(told["rows"]), dtype="<f4").astype(np.float32)
            made = unit_rows(rows.reshape(len(ids), -1), len(ids), self._vectors.dim)
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            raise ValueError(f"state vectors cannot be read ({error}): leave them out, they are made anew") from error
        return dict(zip(ids, made, strict=True))


class _Vectors:
    """Unit vectors by text, embedded once for a store and all its forks; the oldest go when there are many."""

    LIMIT = 16384

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._of: dict[str, Vector] = {}
        self.fingerprint: str | None = getattr(embedder, "fingerprint", None)

    @property
    def dim(self) -> int:
        return self._embedder.dim

    def rows(self, texts: Sequence[str]) -> Vector:
        """[N, E]; texts that are not known yet are embedded in one batch."""
        known = {text: self._of[text] for text in texts if text in self._of}
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            made = unit_rows(self._embedder.embed(new), len(new), self.dim)
            known.update(zip(new, made, strict=True))
            self._of.update((text, known[text]) for text in new)
            while len(self._of) > self.LIMIT:
                del self._of[next(iter(self._of))]
        return np.stack([known[text] for text in texts]) if texts else np.zeros((0, self.dim), dtype=np.float32)


def _make(context: StoreContext) -> VectorStore:
    return VectorStore(context.budget, context.count_tokens, context.embedder)


PARTS = (("store", "vector", _make, None),)
"""What can be had by name: (kind, name, make, options)."""
