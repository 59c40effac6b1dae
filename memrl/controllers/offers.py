"""Which ops are on offer at this moment, and the plain numbers that go with each.

    observation + memory ──> Keep | Write | Overwrite… | Forget… | Link… | Relink… | Unlink…      (memory may change)
                         ──> Keep | Retrieve…                                                      (before acting)

Only legal ops are offered, so that a choice is refused only if a store disagrees; a Link into a full graph stands
beside the Unlinks that would make room for it. One scorer ranks them all. The moments of all live episodes are
described together, in arrays (``offer_batch``), and what is known of an entry is worked out once (``offer_facts``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from memory_stores.linker import EntityLinker, ProposedEdge
from memory_stores.memory import AgentMemory
from memory_stores.types import Edge, Entry, Keep, Link, MemoryOp, Relink, Retrieve, Unlink, Write
from memrl.contracts.contexts import OffersContext
from memrl.contracts.protocols import OfferRequest
from memrl.contracts.registry import register
from memrl.contracts.texts import TextTable
from memrl.contracts.types import Observation, OfferSet
from memrl.controllers.offer_assembly import Moment, Offer, assemble
from memrl.controllers.offer_batch import NUM_NUMBERS, NUMBER_NAMES
from memrl.controllers.offer_facts import Facts

__all__ = ["ARCHIVE_READS", "GRAPH_READS", "MAX_EVICTIONS", "NUMBER_NAMES", "NUM_NUMBERS", "OpOffers"]

GRAPH_READS = ((1, 1), (2, 2), (3, 3), (4, 2))
"""(k, hops) of the graph retrievals on offer. PageRank (0 hops) costs milliseconds a read, so no rollout offers it."""
ARCHIVE_READS = (1, 2, 4)
MAX_EVICTIONS = 6
"""Edges offered for removal when the graph is full: the oldest."""
ENTRIES_KEPT = 131_072
"""Entries after which the facts of entries start anew."""


class OpOffers:
    """Enumerates and describes the legal ops. Stateless but for its caches.

    Args:
        table: where texts get their embedding rows.
        count_tokens: the reader's own count.
        linker: says which relations a text states: the edges on offer, and the numbers about conflicts.
            None for neither.
        edges: whether edge texts will need embeddings, because memories have a graph.
        subjects: describe an offer also by what its texts speak of, in two more columns of rows. A sentence's embedding
            says more of how it is put than of what it is about; the bare name of that says nothing else.
    """

    def __init__(
        self,
        table: TextTable,
        count_tokens: Callable[[str], int],
        linker: EntityLinker | None = None,
        edges: bool = False,
        subjects: bool = False,
    ) -> None:
        self._table, self._count, self._linker, self._edges = table, count_tokens, linker, edges
        self._subjects = subjects
        self.names = NUMBER_NAMES
        self.columns = 5 if subjects else 3
        self._facts = Facts(table, count_tokens, linker, subjects)

    def offers(self, requests: Sequence[OfferRequest]) -> list[OfferSet]:
        """What is on offer at each moment, in order; Keep alone is described only when it is asked for."""
        facts = self._fresh_facts()
        found: list[OfferSet | None] = [KeepOnly(self, one) if _only_keep(one) else None for one in requests]
        open_ = [i for i, offers in enumerate(found) if offers is None]
        if open_:
            self._embed([requests[i] for i in open_])
            moments = [self._moment(requests[i]) for i in open_]
            for i, offers in zip(open_, assemble(facts, moments, self._subjects).sets(), strict=True):
                found[i] = offers
        return found  # pyright: ignore[reportReturnType]

    def writes(self, moment: OfferRequest) -> OfferSet:
        """What may be done with an observation that may be remembered, after ``ops_so_far`` ops on it that count."""
        return self.offers([moment._replace(reads=False)])[0]

    def reads(self, moment: OfferRequest) -> OfferSet:
        """What may be brought into view before a policy acts."""
        return self.offers([moment._replace(reads=True)])[0]

    def keep_only(self, memory: AgentMemory | Bare, observation: Observation, so_far: int) -> OfferSet:
        """Keep alone, described."""
        facts = self._fresh_facts()
        self._table.add([observation.text])
        text = facts.text(observation.text)
        moment = Moment(observation, observation.text, text, memory.entries(), _fill(memory), so_far, None, ())
        return assemble(facts, [moment], self._subjects).sets()[0]

    def _fresh_facts(self) -> Facts:
        facts = self._facts
        if facts.generation != self._table.generation or len(facts.entries) > ENTRIES_KEPT:
            facts = self._facts = Facts(self._table, self._count, self._linker, self._subjects)
        return facts

    def _embed(self, requests: Sequence[OfferRequest]) -> None:
        """Have the embeddings of what is new in one batch: observations, the edges they state, their subjects."""
        known = self._facts.known
        new = dict.fromkeys(one.observation.text for one in requests if not known(one.observation.text))
        if not new:
            return
        texts: list[str] = []
        for text in new:
            links = self._facts.links(text) if self._edges or self._subjects else ()
            texts.append(text)
            texts += [_edge_text(edge) for edge in links] if self._edges else []
            texts += [edge.subject for edge in links] if self._subjects else []
        self._table.add(texts)

    def _moment(self, request: OfferRequest) -> Moment:
        memory, observation, reads, so_far = request[:4]
        text = observation.text
        facts = self._facts.text(text)
        token = memory.token
        # What can never fit is not offered, nor is anything that would only make room for it.
        fits = token is not None and facts.tokens <= token.budget
        room = token.budget - token.tokens_used if fits and not reads else None
        if reads:
            listed = tuple(self._reads(memory, text))
        elif memory.graph is None and memory.archive is None:
            listed = ()
        else:
            listed = (*self._archive_offers(memory, text, facts.tokens), *self._graph_offers(memory, text))
        return Moment(observation, text, facts, memory.entries(), _fill(memory), so_far, room, listed)

    def _reads(self, memory: AgentMemory, query: str) -> Iterator[Offer]:
        if memory.graph is not None and len(memory.graph):
            yield from (Offer(Retrieve(query, "graph", k, hops), "", None) for k, hops in GRAPH_READS)
        if memory.archive is not None and len(memory.archive):
            yield from (Offer(Retrieve(query, "archive", k), "", None) for k in ARCHIVE_READS)

    def _archive_offers(self, memory: AgentMemory, text: str, size: int) -> Iterator[Offer]:
        store = memory.archive
        if store is not None and text.strip() and size <= store.budget - store.tokens_used:
            yield Offer(Write(text, "archive"), text, None)

    def _graph_offers(self, memory: AgentMemory, text: str) -> Iterator[Offer]:
        graph = memory.graph
        if graph is None or self._linker is None:
            return
        full = False
        for proposed in self._facts.links(text):
            rivals = graph.conflicts(proposed.subject, proposed.relation)
            same = [edge for edge in rivals if edge.object == proposed.object]
            if proposed.negated:
                yield from (Offer(Unlink(edge.id), "", edge) for edge in same or rivals)
            elif not same:
                rivals = () if proposed.many else rivals
                yield from _link_offers(proposed, rivals)
                live = sum(edge.tokens for edge in graph.entries())
                full = full or (not rivals and live + self._count(_edge_text(proposed)) > graph.budget)
        if full:
            yield from (Offer(Unlink(edge.id), "", edge) for edge in graph.entries()[:MAX_EVICTIONS])


def _make(context: OffersContext) -> OpOffers:
    return OpOffers(context.table, context.count_tokens, context.linker, edges=context.edges, subjects=context.subjects)


class Bare(NamedTuple):
    """What the description of Keep needs of a memory, as it was."""

    held: tuple[Entry, ...]
    tokens_used: int
    budget: int

    def entries(self) -> tuple[Entry, ...]:
        return self.held


class KeepOnly(OfferSet):
    """A moment at which nothing but Keep is on offer; described when somebody asks."""

    __slots__ = ("_asked", "_described")

    def __init__(self, offers: OpOffers, request: OfferRequest) -> None:
        memory = request.memory
        bare = Bare(memory.entries(), memory.tokens_used, memory.budget)
        object.__setattr__(self, "_asked", (offers, bare, request.observation, request.ops_so_far))
        object.__setattr__(self, "_described", None)

    def __len__(self) -> int:
        return 1

    def op(self, index: int) -> MemoryOp:
        return _KEEP[index]

    @property
    def ops(self) -> tuple[MemoryOp, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return _KEEP

    @property
    def rows(self) -> NDArray[np.integer]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._full().rows

    @property
    def numbers(self) -> NDArray[np.float32]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._full().numbers

    def _full(self) -> OfferSet:
        if self._described is None:
            offers, bare, observation, so_far = self._asked
            object.__setattr__(self, "_described", offers.keep_only(bare, observation, so_far))
        return self._described  # pyright: ignore[reportReturnType]


_KEEP = (Keep(),)


def _only_keep(request: OfferRequest) -> bool:
    """Whether it is plain without a look at any number that nothing else can be done."""
    memory, graph, archive = request.memory, request.memory.graph, request.memory.archive
    if request.reads:
        return not (graph is not None and len(graph)) and not (archive is not None and len(archive))
    if memory.token is None and archive is None and graph is None:
        return True
    text = request.observation.text
    return not text or text.isspace()


def _fill(memory: AgentMemory | Bare) -> float:
    return memory.tokens_used / max(memory.budget, 1)


def _link_offers(proposed: ProposedEdge, rivals: tuple[Edge, ...]) -> Iterator[Offer]:
    text = _edge_text(proposed)
    for rival in rivals:
        yield Offer(Relink(rival.id, proposed.object), text, rival)
    if not rivals:
        yield Offer(Link(proposed.subject, proposed.relation, proposed.object), text, None)


def _edge_text(edge: ProposedEdge) -> str:
    return f"{edge.subject} {edge.relation} {edge.object}"


register("offers", "ops", _make)
