"""``TokenStore``: the memory that is always in view, a few items under a budget of tokens."""

from __future__ import annotations

from typing import ClassVar

from memory_stores.items import ItemShelf
from memory_stores.types import StoreName
from memory_stores.words import asked_words, word_set, words


class TokenStore(ItemShelf):
    """Items with ids ``t1, t2, ...``.

    ``Retrieve`` scores an item by the share of the query's distinct words that occur in it, case aside; items
    that share no word are no hits, and ties go to the older item.
    """

    kind: ClassVar[str] = "token_store"
    store: ClassVar[StoreName] = "token"
    prefix: ClassVar[str] = "t"

    def _rank(self, query: str, k: int) -> list[tuple[str, float]]:
        held = {word for item in self._items.values() for word in word_set(item.text)}
        asked = frozenset(asked_words(words(query), held.__contains__))
        if not asked:
            return []
        shared = ((item.id, len(asked & word_set(item.text)) / len(asked)) for item in self._items.values())
        ranked = sorted((pair for pair in shared if pair[1] > 0), key=lambda pair: -pair[1])
        return ranked[:k]
