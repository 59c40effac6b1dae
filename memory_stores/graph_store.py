"""``GraphStore``: entities and typed, dated edges; what was superseded stays as history while there is room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from threading import RLock
from typing import Any, ClassVar, Self

from memory_stores.checks import check
from memory_stores.codec import check_entries, check_kind, edge_from_dict, entry_to_dict, read_count, read_tables
from memory_stores.contents import KEPT, MASK, REFUSED, checked_budget, edge_digest, hash_text, memoised, newest
from memory_stores.entity_names import EntityNames, entity_key, tidy
from memory_stores.graph_index import GraphIndex
from memory_stores.store import NO_STAMP
from memory_stores.types import (
    CountTokens,
    Edge,
    Forget,
    Hit,
    Keep,
    Link,
    MemoryOp,
    OpResult,
    Overwrite,
    Refusal,
    Relink,
    Retrieve,
    Stamp,
    StoreName,
    Unlink,
    Write,
)


class GraphStore:
    """Edges with ids ``g1, g2, ...`` under a budget of tokens; an edge costs what its text costs.

    History counts to the budget and gives way first: when room is needed, the edges superseded longest ago go.
    ``OpResult.removed`` names edges that stopped being live, whether or not they stay as history.

    A ``Relink`` stamped before the edge that it names (a late report) is refused as OUT_OF_DATE, and the newer edge
    stays; one without a stamp means now.

    Names that differ in case, in white space or in the way Unicode writes them are one entity, spelled as it was first
    (``entity_names``); a relation's white space is tidied too. Threads may share a store: each call is carried out
    whole before the next.
    """

    kind: ClassVar[str] = "graph_store"
    prefix: ClassVar[str] = "g"
    store: ClassVar[StoreName] = "graph"

    def __init__(self, budget: int, count_tokens: CountTokens) -> None:
        """``budget`` in tokens of ``count_tokens``, which must be pure: it is cached. Raises ValueError below 0."""
        self._budget = checked_budget("GraphStore", budget)
        self._count = memoised(count_tokens)
        self._edges: dict[str, Edge] = {}
        self._history: dict[str, Edge] = {}
        self._triples: dict[tuple[str, str, str], int] = {}
        self._slots: dict[tuple[str, str], tuple[str, ...]] = {}
        self._live_tokens = 0
        self._history_tokens = 0
        self._hash = 0
        self._serial = 0
        self._cached: tuple[Edge, ...] | None = ()
        self._index: GraphIndex | None = None
        self._names = EntityNames()
        self._lock = RLock()

    @property
    def budget(self) -> int:
        return self._budget

    @property
    def tokens_used(self) -> int:
        """Tokens of live edges and history together."""
        return self._live_tokens + self._history_tokens

    def __len__(self) -> int:
        return len(self._edges)

    def entries(self) -> tuple[Edge, ...]:
        """The live edges, oldest first."""
        cached = self._cached
        if cached is None:
            with self._lock:
                cached = self._cached = tuple(self._edges.values())
        return cached

    def get(self, id: str) -> Edge | None:
        return self._edges.get(id)

    def cost(self, text: str) -> int:
        """Tokens that an edge reading ``text`` would take."""
        return self._count(text)

    def history(self) -> tuple[Edge, ...]:
        """The superseded edges that are still held, the one superseded longest ago first."""
        with self._lock:
            return tuple(self._history.values())

    def at(self, step: int) -> tuple[Edge, ...]:
        """The edges that held at ``step``, as far as history reaches back, oldest first."""
        with self._lock:
            past, live = self.history(), self.entries()
        held = [e for e in past if e.invalid_at is not None and e.valid_at <= step < e.invalid_at]
        held += [e for e in live if e.valid_at <= step]
        return tuple(sorted(held, key=newest))

    def conflicts(self, subject: str, relation: str) -> tuple[Edge, ...]:
        """The live edges of that subject and relation, oldest first: what a new object would contradict."""
        with self._lock:
            return tuple(self._edges[id] for id in self._slots.get(_slot(subject, relation), ()))

    def entities(self) -> tuple[str, ...]:
        """Every name that a live edge touches, by first appearance."""
        return self._walkable().entities

    @property
    def graph(self) -> Any:
        """The live edges as a frozen ``networkx.MultiDiGraph`` (key: edge id, attribute: ``relation``). A cache."""
        return self._walkable().graph

    def apply(self, op: MemoryOp, stamp: Stamp = NO_STAMP) -> OpResult:
        """Carry out one op or refuse it.

        Raises TypeError on what is no memory op and ValueError on a field of the wrong type or a stamp out of range,
        with the store as it was.
        """
        refused = check(op, stamp)
        return self.do(op, stamp) if refused is None else refused

    def do(self, op: MemoryOp, stamp: Stamp) -> OpResult:
        """``apply`` for an op that was checked already."""
        with self._lock:
            return self._carry_out(op, stamp)

    def _carry_out(self, op: MemoryOp, stamp: Stamp) -> OpResult:
        match op:
            case Keep():
                return KEPT
            case Link():
                return self._put(op.subject, op.relation, op.object, stamp, None)
            case Relink():
                old = self._edges.get(op.id)
                if old is None:
                    return REFUSED[Refusal.UNKNOWN_ID]
                return self._put(old.subject, old.relation, op.object, stamp, old)
            case Unlink():
                return self._unlink(op.id)
            case Retrieve():
                return self._retrieve(op, stamp)
            case Write() | Overwrite() | Forget():
                return REFUSED[Refusal.UNSUPPORTED]

    def _put(self, subject: str, relation: str, object: str, stamp: Stamp, old: Edge | None) -> OpResult:
        subject, relation, object = self._names.spelling(subject), tidy(relation), self._names.spelling(object)
        if not (subject and relation and object):
            return REFUSED[Refusal.EMPTY_TEXT]
        if _triple(subject, relation, object) in self._triples:
            return REFUSED[Refusal.DUPLICATE]
        edge = Edge(
            id=f"g{self._serial + 1}",
            subject=subject,
            relation=relation,
            object=object,
            tokens=self._count(f"{subject} {relation} {object}"),
            stamp=stamp,
            replaces=old.id if old else None,
        )
        if old and stamp.step < old.valid_at and stamp != NO_STAMP:
            return REFUSED[Refusal.OUT_OF_DATE]
        if self._live_tokens - (old.tokens if old else 0) + edge.tokens > self._budget:
            return REFUSED[Refusal.OVER_BUDGET]
        if old:
            self._remove(old)
            self._remember(replace(old, invalid_at=stamp.step))
        self._make_room(edge.tokens)
        self._serial += 1
        self._insert(edge)
        return OpResult(created=(edge.id,), removed=(old.id,) if old else ())

    def _unlink(self, id: str) -> OpResult:
        edge = self._edges.get(id)
        if edge is None:
            return REFUSED[Refusal.UNKNOWN_ID]
        self._remove(edge)
        past = edge.replaces
        while past in self._history:
            past = self._forget_past(past).replaces
        return OpResult(removed=(id,))

    def _insert(self, edge: Edge) -> None:
        slot, triple = _slot(edge.subject, edge.relation), _triple(edge.subject, edge.relation, edge.object)
        self._edges[edge.id] = edge
        self._triples[triple] = self._triples.get(triple, 0) + 1
        self._slots[slot] = (*self._slots.get(slot, ()), edge.id)
        self._names.add(edge)
        self._live_tokens += edge.tokens
        self._hash = (self._hash + edge_digest(edge)) & MASK
        self._cached = self._index = None

    def _remove(self, edge: Edge) -> None:
        slot, triple = _slot(edge.subject, edge.relation), _triple(edge.subject, edge.relation, edge.object)
        del self._edges[edge.id]
        self._triples[triple] -= 1
        if not self._triples[triple]:
            del self._triples[triple]
        others = tuple(id for id in self._slots.pop(slot) if id != edge.id)
        if others:
            self._slots[slot] = others
        self._names.remove(edge)
        self._live_tokens -= edge.tokens
        self._hash = (self._hash - edge_digest(edge)) & MASK
        self._cached = self._index = None

    def _remember(self, edge: Edge) -> None:
        self._history[edge.id] = edge
        self._names.add(edge)
        self._history_tokens += edge.tokens
        self._hash = (self._hash + edge_digest(edge)) & MASK

    def _forget_past(self, id: str) -> Edge:
        edge = self._history.pop(id)
        self._names.remove(edge)
        self._history_tokens -= edge.tokens
        self._hash = (self._hash - edge_digest(edge)) & MASK
        return edge

    def _make_room(self, tokens: int) -> None:
        while self._history and self.tokens_used + tokens > self._budget:
            self._forget_past(next(iter(self._history)))

    def _walkable(self) -> GraphIndex:
        with self._lock:
            if self._index is None:
                self._index = GraphIndex(self._edges.values())
            return self._index

    def _retrieve(self, op: Retrieve, stamp: Stamp) -> OpResult:
        if op.store != "graph":
            return REFUSED[Refusal.NO_SUCH_STORE]
        if op.k < 1 or op.hops < 0:
            return REFUSED[Refusal.BAD_ARGUMENT]
        if not op.query.strip():
            return REFUSED[Refusal.EMPTY_TEXT]
        if any(id not in self._edges for id in op.ids):
            return REFUSED[Refusal.UNKNOWN_ID]
        if op.ids:
            return OpResult(hits=tuple(self._use(id, 1.0, stamp.step) for id in op.ids))
        index = self._walkable()
        starts = index.mentioned(op.query)
        if not starts:
            return KEPT
        ranked = index.walk(starts, op.hops) if op.hops else index.pagerank(starts)
        return OpResult(hits=tuple(self._use(id, score, stamp.step) for id, score in ranked[: op.k]))

    def _use(self, id: str, score: float, step: int) -> Hit:
        edge = self._edges[id]
        self._edges[id] = replace(edge, uses=edge.uses + 1, used_at=step)
        self._cached = None
        return Hit(id=id, text=edge.text, store="graph", score=score, tokens=edge.tokens, stamp=edge.stamp)

    def fork(self) -> Self:
        twin = object.__new__(type(self))
        with self._lock:
            vars(twin).update(vars(self))
            twin._edges = self._edges.copy()
            twin._history = self._history.copy()
            twin._triples = self._triples.copy()
            twin._slots = self._slots.copy()
            twin._names = self._names.fork()
        twin._lock = RLock()
        return twin

    def state_hash(self) -> str:
        return hash_text(self._hash)

    def state_dict(self) -> dict[str, Any]:
        with self._lock:
            return {
                "kind": self.kind,
                "budget": self._budget,
                "serial": self._serial,
                "edges": [entry_to_dict(edge) for edge in self._edges.values()],
                "history": [entry_to_dict(edge) for edge in self._history.values()],
            }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Become that store, its budget included; token counts are taken as they were. Raises ValueError."""
        check_kind(state, self.kind)
        budget, serial = read_count(state, "budget"), read_count(state, "serial")
        edges = [edge_from_dict(data) for data in read_tables(state, "edges")]
        history = [edge_from_dict(data) for data in read_tables(state, "history")]
        self._take(budget, serial, edges, history)

    def _take(self, budget: int, serial: int, edges: Sequence[Edge], history: Sequence[Edge]) -> None:
        """Become a store of these edges, in this order. Raises ValueError, and changes nothing, if they do not fit."""
        check_entries([*history, *edges], self.prefix, budget, serial)
        with self._lock:
            self._budget, self._serial = budget, serial
            self._edges, self._history, self._triples, self._slots = {}, {}, {}, {}
            self._names = EntityNames()
            self._live_tokens = self._history_tokens = self._hash = 0
            for edge in history:
                self._remember(edge)
            for edge in edges:
                self._insert(edge)
            self._cached = self._index = None


def _slot(subject: str, relation: str) -> tuple[str, str]:
    return entity_key(subject), tidy(relation)


def _triple(subject: str, relation: str, object: str) -> tuple[str, str, str]:
    return entity_key(subject), tidy(relation), entity_key(object)
