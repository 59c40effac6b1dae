"""``GraphIndex``: a walkable, searchable view of live edges. Never changed after it is built, so forks share it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

from memory_stores.types import Edge
from memory_stores.words import asked_words, words_in_a_row


class GraphIndex:
    """Entities by name, neighbours by entity, and the same edges as a frozen networkx graph.

    An entity is written as its name; an edge stands here as its id and its two ends. A later edge is a newer one.
    """

    def __init__(self, edges: Iterable[Edge]) -> None:
        self._ends: dict[str, tuple[str, str]] = {}
        self._relations: dict[str, str] = {}
        self._around: dict[str, list[str]] = {}
        for edge in edges:
            self._ends[edge.id] = (edge.subject, edge.object)
            self._relations[edge.id] = edge.relation
            for end in dict.fromkeys((edge.subject, edge.object)):
                self._around.setdefault(end, []).append(edge.id)
        self._age = {id: age for age, id in enumerate(reversed(self._ends))}

    @property
    def entities(self) -> tuple[str, ...]:
        """Every entity that an edge touches, by first appearance."""
        return tuple(self._around)

    @cached_property
    def _named(self) -> dict[tuple[str, ...], list[str]]:
        named: dict[tuple[str, ...], list[str]] = {}
        for entity in self._around:
            named.setdefault(words_in_a_row(entity), []).append(entity)
        named.pop((), None)
        return named

    @cached_property
    def _words(self) -> frozenset[str]:
        return frozenset(word for name in self._named for word in name)

    @cached_property
    def _lengths(self) -> list[int]:
        return sorted({len(name) for name in self._named}, reverse=True)

    def mentioned(self, query: str) -> list[str]:
        """Entities whose names stand in the query as whole words, case aside.

        Long names go first and use up their words: "New York" does not mention "York" as well.
        """
        text: list[str | None] = list(asked_words(words_in_a_row(query), self._words.__contains__))
        found: dict[str, None] = {}
        for length in self._lengths:
            for start in range(len(text) - length + 1):
                names = self._named.get(tuple(text[start : start + length]))  # pyright: ignore[reportArgumentType]
                if names:
                    found.update(dict.fromkeys(names))
                    text[start : start + length] = [None] * length
        return list(found)

    def walk(self, starts: list[str], hops: int) -> list[tuple[str, float]]:
        """Edges within ``hops`` steps of the starts, in either direction, scored 1 / distance.

        Nearest first, then newest first; an edge that touches a start has distance 1.
        """
        ranked: list[tuple[str, float]] = []
        met, seen = set(starts), set[str]()
        border = list(starts)
        for distance in range(1, hops + 1):
            ring = {id for entity in border for id in self._around[entity]} - seen
            if not ring:
                break
            seen |= ring
            ranked += [(id, 1 / distance) for id in sorted(ring, key=self._age.__getitem__)]
            border = list({end for id in ring for end in self._ends[id]} - met)
            met.update(border)
        return ranked

    def pagerank(self, starts: list[str]) -> list[tuple[str, float]]:
        """Edges by the personalised PageRank of their ends (Haveliwala 2002), the best scored 1.

        The walker restarts at the ``starts`` and crosses edges in either direction; edges it never reaches are
        left out. Ties go to the newer edge.
        """
        import networkx  # pyright: ignore[reportMissingTypeStubs]

        nx: Any = networkx
        restart = dict.fromkeys(starts, 1.0)
        # The power iteration begins at the restart too, so that what cannot be reached has exactly no rank.
        rank: dict[str, float] = nx.pagerank(
            self.graph.to_undirected(as_view=True), personalization=restart, nstart=restart, max_iter=200, tol=1e-9
        )
        scores = {id: rank[subject] + rank[object] for id, (subject, object) in self._ends.items()}
        best = max(scores.values())
        # Rounded, so that the last bits of a float never decide between equals.
        ranked = [(id, round(score / best, 9)) for id, score in scores.items()]
        return sorted((r for r in ranked if r[1] > 0), key=lambda r: (-r[1], self._age[r[0]]))

    @cached_property
    def graph(self) -> Any:
        """A frozen ``networkx.MultiDiGraph``: keys are edge ids, each edge has a ``relation``."""
        import networkx  # pyright: ignore[reportMissingTypeStubs]

        nx: Any = networkx
        graph: Any = nx.MultiDiGraph()
        graph.add_edges_from((*ends, id, {"relation": self._relations[id]}) for id, ends in self._ends.items())
        return nx.freeze(graph)
