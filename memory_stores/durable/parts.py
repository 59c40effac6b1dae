"""The stores behind a durable memory: today's stores, with a token count that can be told and no rebuilt index."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from memory_stores.bm25_store import Bm25Store
from memory_stores.contents import memoised
from memory_stores.durable.errors import StoreError
from memory_stores.durable.vectors import VectorTable
from memory_stores.embed import Embedder
from memory_stores.graph_store import GraphStore
from memory_stores.items import ItemShelf
from memory_stores.token_store import TokenStore
from memory_stores.types import CountTokens, Edge, Item
from memory_stores.vector_store import Vector, VectorStore

Fetch = Callable[[Sequence[str]], Mapping[str, Vector]]
"""Vectors by id, of the entries of which the file has one."""


class Counter:
    """A token count that is told what a text cost when it was first counted, while a log is replayed."""

    def __init__(self, count_tokens: CountTokens) -> None:
        self.real = memoised(count_tokens)
        self.told: int | None = None

    def __call__(self, text: str) -> int:
        return self.real(text) if self.told is None else self.told


class _Items(ItemShelf):
    """A store of items that counts by a ``Counter`` and is told what a log says."""

    def take(self, budget: int, serial: int, items: Sequence[Item]) -> None:
        """Become a store of these items. Raises ValueError if they do not fit."""
        self._take(budget, serial, items)

    def fork(self) -> Self:
        return _freed(super().fork())


class TokenPart(_Items, TokenStore):
    """The token store of a file."""

    def __init__(self, budget: int, counter: Counter) -> None:
        super().__init__(budget, counter.real)
        self._count = counter


class Bm25Part(_Items, Bm25Store):
    """The BM25 archive of a file."""

    def __init__(self, budget: int, counter: Counter) -> None:
        super().__init__(budget, counter.real)
        self._count = counter


class GraphPart(GraphStore):
    """A graph that counts by a ``Counter`` and tells which edges left its history."""

    def __init__(self, budget: int, counter: Counter) -> None:
        super().__init__(budget, counter.real)
        self._count = counter
        self._gone: list[str] = []

    def past(self, id: str) -> Edge | None:
        """A superseded edge that is still held."""
        return self._history.get(id)

    def take_gone(self) -> list[str]:
        """Edges that left the history since this was last asked."""
        gone, self._gone = self._gone, []
        return gone

    def _forget_past(self, id: str) -> Edge:
        self._gone.append(id)
        return super()._forget_past(id)

    def take(self, budget: int, serial: int, edges: Sequence[Edge]) -> None:
        """Become a store of these edges, the superseded ones among them. Raises ValueError if they do not fit."""
        live = [edge for edge in edges if edge.invalid_at is None]
        self._take(budget, serial, live, [edge for edge in edges if edge.invalid_at is not None])

    def fork(self) -> Self:
        twin = super().fork()
        twin._gone = []
        return _freed(twin)


class VectorPart(_Items, VectorStore):
    """A vector archive that answers from a table kept up to date in place, vectors of the file included."""

    def __init__(self, budget: int, counter: Counter, embedder: Embedder, fetch: Fetch | None = None) -> None:
        super().__init__(budget, counter.real, embedder)
        self._count = counter
        self._fetch = fetch
        self.table = VectorTable(embedder.dim)

    def vectors(self, texts: Sequence[str]) -> Vector:
        """[N, E] of texts, embedded in one batch."""
        return self._vectors.rows(texts)

    def catch_up(self) -> None:
        """Bring the table to the items that are held; what the file has no vector for is embedded."""
        new: list[Item] = []
        for id in reversed(self._items):
            if id in self.table:
                break
            new.append(self._items[id])
        fill(self.table, new[::-1], self._fetch, self.vectors)

    def _rank(self, query: str, k: int) -> list[tuple[str, float]]:
        self.catch_up()
        found = self.table.rank(self.vectors([query])[0], k)
        return [(id, as_score(cosine)) for id, cosine in found]

    def _drop(self, old: Item) -> None:
        super()._drop(old)
        self.table.drop(old.id)

    def _take(self, budget: int, serial: int, items: Sequence[Item]) -> None:
        super()._take(budget, serial, items)
        self.table = VectorTable(self.table.dim)

    def fork(self) -> Self:
        twin = super().fork()
        twin.table, twin._fetch = self.table.fork(), None
        return twin


def archive_part(
    kind: str, budget: int, counter: Counter, embedder: Embedder, fetch: Fetch | None = None
) -> Bm25Part | VectorPart:
    """An empty archive of that kind: "bm25" or "vector"."""
    return VectorPart(budget, counter, embedder, fetch) if kind == "vector" else Bm25Part(budget, counter)


def fill(
    table: VectorTable, entries: Sequence[Item | Edge], fetch: Fetch | None, embed: Callable[[Sequence[str]], Vector]
) -> None:
    """Add the vectors of new entries: those that the file has, the others embedded in one batch."""
    if not entries:
        return
    known = dict(fetch([entry.id for entry in entries])) if fetch is not None else {}
    missing = [entry for entry in entries if entry.id not in known]
    if missing:
        known.update(zip((entry.id for entry in missing), embed([entry.text for entry in missing]), strict=True))
    table.extend([entry.id for entry in entries], [known[entry.id] for entry in entries])
    # Only now: an embedder that fails leaves the table as it was.
    table.fresh.extend(entry.id for entry in missing)


def as_score(cosine: float) -> float:
    """A cosine as a score in [0, 1]."""
    return min(1.0, max(0.0, (1 + cosine) / 2))


class NoEmbedder:
    """Stands for the embedder that nobody gave; asked for a vector, it says so."""

    def __init__(self, dim: int) -> None:
        self._dim = dim

    @property
    def dim(self) -> int:
        return self._dim

    def embed(self, texts: Sequence[str]) -> Vector:
        raise StoreError(
            "this memory is searched by embedding: open its file with embedder=MiniLM(), or the one it had"
        )


def no_embedder(dim: int) -> Embedder:
    """An embedder that raises StoreError when it is asked for a vector."""
    return NoEmbedder(dim)


def _freed(store: Any) -> Any:
    # A twin counts for itself, whatever its parent is told meanwhile.
    store._count = store._count.real if isinstance(store._count, Counter) else store._count
    return store
