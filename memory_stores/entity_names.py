"""When two names are one entity, and how it is spelled."""

from __future__ import annotations

from functools import lru_cache
from unicodedata import normalize

from memory_stores.types import Edge


@lru_cache(maxsize=65536)
def tidy(name: str) -> str:
    """The name without white space around it, and with one space wherever it has some inside."""
    return " ".join(name.split())


@lru_cache(maxsize=65536)
def entity_key(name: str) -> str:
    """Equal for names of one entity: ``"Ana"``, ``"ana"``, ``" Ana "``, full-width and decomposed letters."""
    if name.isascii():
        return " ".join(name.casefold().split())
    return " ".join(normalize("NFKC", normalize("NFKC", name).casefold()).split())


class EntityNames:
    """The spelling that each entity had when it first came, for as long as an edge or its history names it."""

    def __init__(self) -> None:
        self._spelled: dict[str, str] = {}
        self._named: dict[str, int] = {}

    def spelling(self, name: str) -> str:
        """How an entity is written: as it was first, else as ``name`` is, tidied. Empty for a blank name."""
        return self._spelled.get(entity_key(name)) or tidy(name)

    def add(self, edge: Edge) -> None:
        """One more edge names its two ends."""
        for name in (edge.subject, edge.object):
            key = entity_key(name)
            self._spelled.setdefault(key, name)
            self._named[key] = self._named.get(key, 0) + 1

    def remove(self, edge: Edge) -> None:
        """One edge less."""
        for name in (edge.subject, edge.object):
            key = entity_key(name)
            self._named[key] -= 1
            if not self._named[key]:
                del self._named[key], self._spelled[key]

    def fork(self) -> EntityNames:
        """The same names, with a future of their own."""
        twin = EntityNames()
        twin._spelled, twin._named = self._spelled.copy(), self._named.copy()
        return twin
