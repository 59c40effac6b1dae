"""``Bm25Store``: an archive searched by words."""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from typing import Any, ClassVar

from memory_stores.items import ItemShelf
from memory_stores.store import StoreContext
from memory_stores.types import CountTokens, StoreName
from memory_stores.words import asked_words, words


class Bm25Store(ItemShelf):
    """Items with ids ``a1, a2, ...``, ranked by BM25 (Robertson and Zaragoza 2009) through ``bm25s``.

    k1 = 1.5 and b = 0.75; words are those of ``words``: case and accents folded, no stemming. A BM25 score s becomes
    ``s / (1 + s)``; items that share no word with the query are no hits, and ties go to the older item. The index is
    a cache: any change of the items makes it stale, and the next ``Retrieve`` builds it again. Forks share it.
    """

    kind: ClassVar[str] = "bm25_store"
    store: ClassVar[StoreName] = "archive"
    prefix: ClassVar[str] = "a"

    def __init__(self, budget: int, count_tokens: CountTokens) -> None:
        super().__init__(budget, count_tokens)
        self._index: tuple[Any, frozenset[str]] | None = None

    def _contents_changed(self) -> None:
        super()._contents_changed()
        self._index = None

    def _rank(self, query: str, k: int) -> list[tuple[str, float]]:
        if self._index is None:
            self._index = self._build()
        index, vocabulary = self._index
        asked = [word for word in asked_words(words(query), vocabulary.__contains__) if word in vocabulary]
        if not asked:
            return []
        scores: list[float] = index.get_scores(asked).tolist()
        # Rounded, so that the last bits of a float never decide between equals.
        squashed = ((id, round(score / (1 + score), 6)) for id, score in zip(self._items, scores, strict=True))
        return sorted((pair for pair in squashed if pair[1] > 0), key=lambda pair: -pair[1])[:k]

    def _build(self) -> tuple[Any, frozenset[str]]:
        corpus = [list(words(item.text)) for item in self._items.values()]
        vocabulary = frozenset(word for text in corpus for word in text)
        index = _library().BM25(k1=1.5, b=0.75, method="lucene")
        if vocabulary:
            index.index(corpus, show_progress=False)
        return index, vocabulary


@cache
def _library() -> Any:
    """``bm25s`` without JAX, which it would otherwise start where it is installed, for a search that we do not use: and
    JAX takes three quarters of a GPU's memory when it starts."""
    hidden = "jax" not in sys.modules
    if hidden:
        sys.modules["jax"] = None  # pyright: ignore[reportArgumentType]
    try:
        return import_module("bm25s")
    finally:
        if hidden:
            del sys.modules["jax"]


def _make(context: StoreContext) -> Bm25Store:
    return Bm25Store(context.budget, context.count_tokens)


PARTS = (("store", "bm25", _make, None),)
"""What can be had by name: (kind, name, make, options)."""
