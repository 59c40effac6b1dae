"""``Searcher``: finds entries of one space by words, by vectors or by both, without changing anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, cast

import numpy as np

from memory_stores.durable.errors import StoreError
from memory_stores.durable.filters import Where, compiled
from memory_stores.durable.fulltext import TextIndex
from memory_stores.durable.mirror import STORES, Mirror
from memory_stores.durable.parts import VectorPart, as_score, fill
from memory_stores.durable.types import Found
from memory_stores.durable.vectors import VectorTable
from memory_stores.embed import Embedder, unit_rows
from memory_stores.types import Edge, Item, StoreName
from memory_stores.vector_store import Vector

By = Literal["words", "vectors", "both"]
FUSED = 60
"""The constant of reciprocal rank fusion (Cormack et al. 2009)."""
DEPTH = 10
"""Each ranking that is fused goes this many times as deep as the hits that are asked for."""

Ranked = list[tuple[str, float]]


class Searcher:
    """Indexes over what a mirror holds, made at the first search and then kept up to date.

    Args:
        memory: whose entries are found.
        embedder: asked when a search by vectors first needs one.
        fetch: vectors by id that the file has.
    """

    def __init__(
        self, memory: Mirror, embedder: Callable[[], Embedder], fetch: Callable[[Sequence[str]], dict[str, Vector]]
    ) -> None:
        self._memory, self._embedder, self._fetch = memory, embedder, fetch
        self._texts: TextIndex | None = None
        self._tables: dict[str, VectorTable] | None = None
        self._ids: dict[int, str] = {}
        self._new: list[str] = []
        self._gone: list[int] = []

    def put(self, id: str) -> None:
        """An entry came."""
        if self._texts is not None:
            self._new.append(id)

    def end(self, id: str, row: int) -> None:
        """An entry went."""
        if self._texts is not None and row in self._ids:
            self._gone.append(row)
        if self._tables is not None:
            self._tables[id[0]].drop(id)

    def find(
        self, query: str | Vector, k: int, where: Where | None, stores: Sequence[StoreName] | None, by: By | None
    ) -> tuple[Found, ...]:
        """See ``DurableMemory.search``."""
        letters = _letters(stores)
        test = compiled(where)
        memory = self._memory

        def allowed(id: str) -> bool:
            entry, held = memory.peek(id), memory.known(id)
            if entry is None or held is None or id[0] not in letters:
                return False
            return test is None or test((entry, held))

        ranked = self._ranked(query, k, allowed, letters, by, plain=test is None)
        return tuple(self._found(id, score) for id, score in ranked)

    def _ranked(
        self, query: str | Vector, k: int, allowed: Callable[[str], bool], letters: str, by: By | None, plain: bool
    ) -> Ranked:
        if not isinstance(query, str):
            if by not in (None, "vectors"):
                raise StoreError(f"search by = {by!r}: a vector is searched by 'vectors'")
            return self._by_vectors(query, k, allowed, letters, plain)
        if by == "words":
            return self._by_words(query, k, allowed)
        if by == "vectors":
            return self._by_meaning(query, k, allowed, letters, plain)
        if by != "both":
            raise StoreError(f"search by = {by!r}: it must be 'words', 'vectors' or 'both'")
        deep = k * DEPTH
        rankings = (
            self._by_words(query, deep, allowed),
            self._by_meaning(query, deep, allowed, letters, plain),
        )
        fused: dict[str, float] = {}
        for ranking in rankings:
            for place, (id, _) in enumerate(ranking, start=1):
                fused[id] = fused.get(id, 0.0) + (1 + FUSED) / (2 * (place + FUSED))
        best = sorted(fused.items(), key=lambda pair: (-round(pair[1], 9), self._row(pair[0])))
        return [(id, min(1.0, round(score, 9))) for id, score in best[:k]]

    def _by_meaning(self, query: str, k: int, allowed: Callable[[str], bool], letters: str, plain: bool) -> Ranked:
        embedder, archive = self._embedder(), self._archive()
        vector = _units(embedder, [query])[0] if archive is None else archive.vectors([query])[0]
        # A query that the embedder knows nothing of is near to nothing.
        return self._by_vectors(vector, k, allowed, letters, plain) if vector.any() else []

    def _archive(self) -> VectorPart | None:
        archive = self._memory.raw_archive()
        return archive if isinstance(archive, VectorPart) else None

    def _row(self, id: str) -> int:
        held = self._memory.known(id)
        return 0 if held is None else held.row

    def _by_words(self, query: str, k: int, allowed: Callable[[str], bool]) -> Ranked:
        if self._texts is None:
            self._texts, self._new, self._gone, self._ids = TextIndex(), self._live(), [], {}
        self._texts.drop(self._gone)
        for row in self._gone:
            del self._ids[row]
        held = {self._row(id): id for id in self._new if self._memory.peek(id) is not None}
        held = {row: id for row, id in held.items() if row not in self._ids}
        self._texts.add((row, self._memory.text_of(id)) for row, id in held.items())
        self._ids.update(held)
        self._new, self._gone = [], []
        ids = self._ids
        return [(ids[row], score) for row, score in self._texts.rank(query, k, lambda row: allowed(ids[row]))]

    def _live(self) -> list[str]:
        return [entry.id for entry in self._memory.rows() if self._memory.peek(entry.id) is not None]

    def _by_vectors(self, query: Vector, k: int, allowed: Callable[[str], bool], letters: str, plain: bool) -> Ranked:
        query = _unit(query, self._embedder().dim)
        tables = self.tables(letters)
        found = [pair for table in tables for pair in table.rank(query, k, None if plain else allowed)]
        best = sorted(found, key=lambda pair: (-pair[1], self._row(pair[0])))
        return [(id, as_score(cosine)) for id, cosine in best[:k]]

    def tables(self, letters: str = "tga") -> list[VectorTable]:
        """Vectors of those stores, up to date; texts that have none yet are embedded in one batch a store."""
        embedder = self._embedder()
        if self._tables is None:
            self._tables = {letter: VectorTable(embedder.dim) for letter in STORES}
        tables: list[VectorTable] = []
        for letter in letters:
            archive = self._archive() if letter == "a" else None
            if archive is not None:
                archive.catch_up()
                tables.append(archive.table)
                continue
            table = self._tables[letter]
            fill(table, self._missing(letter, table), self._fetch, lambda texts: _units(embedder, texts))
            tables.append(table)
        return tables

    def made(self) -> list[VectorTable]:
        """The tables that there are, up to date or not."""
        return list((self._tables or {}).values())

    def _missing(self, letter: str, table: VectorTable) -> list[Item | Edge]:
        """Entries that came since; they stand at the end."""
        new: list[Item | Edge] = []
        for entry in reversed(self._memory.entries_in(letter)):
            if entry.id in table:
                break
            new.append(entry)
        return new[::-1]

    def _found(self, id: str, score: float) -> Found:
        entry, held = self._memory.peek(id), self._memory.known(id)
        assert entry is not None and held is not None
        shown: dict[str, Any] = {"id": id, "text": entry.text, "store": STORES[id[0]], "tokens": entry.tokens}
        details = held.details
        return Found(
            **shown,
            score=score,
            stamp=entry.stamp,
            name=details.name,
            metadata=details.metadata,
            event_time=details.event_time,
            written_at=held.written_at,
            expires_at=details.expires_at,
        )


def checked_query(query: Any) -> str | Vector:
    """Words, or a vector [E]. Raises StoreError on what is neither."""
    if isinstance(query, str):
        if not query.strip():
            raise StoreError("search query = '': give some words, or a vector")
        return query
    try:
        vector = np.asarray(query, dtype=np.float32)
    except (TypeError, ValueError, OverflowError):
        vector = np.zeros(0, dtype=np.float32)
    if isinstance(query, bytes) or vector.ndim != 1 or not np.isfinite(vector).all() or not vector.any():
        said = f"of type {type(query).__name__}" if vector.ndim != 1 or not vector.size else f"of {vector.size} numbers"
        raise StoreError(f"search query {said}: give some words, or a vector of finite numbers, not all 0")
    return vector


def checked_k(k: Any) -> int:
    """Raises StoreError on what is no whole number above 0."""
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise StoreError(f"search k = {k!r}: it must be a whole number of at least 1")
    return int(cast("int", k))


def several(told: Any) -> list[Any]:
    """One word or several, as a list; what is neither stands in it alone, for the caller to refuse."""
    if isinstance(told, str):
        return [told]
    try:
        return list(told)
    except TypeError:
        return [told]


def _letters(stores: Sequence[StoreName] | None) -> str:
    names = {name: letter for letter, name in STORES.items()}
    if stores is None:
        return "tga"
    given = several(stores)
    for name in given:
        if not isinstance(name, str) or name not in names:
            raise StoreError(f"search stores = {stores!r}: take of {', '.join(names)}")
    return "".join(names[name] for name in given)


def _unit(vector: Vector, dim: int) -> Vector:
    norm = float(np.linalg.norm(vector))
    if vector.shape != (dim,) or not np.isfinite(norm) or norm == 0.0:
        raise StoreError(f"search vector of shape {vector.shape}: it must be {dim} finite numbers, not all 0")
    return vector / np.float32(norm)


def _units(embedder: Embedder, texts: Sequence[str]) -> Vector:
    return unit_rows(embedder.embed(texts), len(texts), embedder.dim)
