"""The offers of one moment, enumerated and described one by one in plain Python: what the arrays must equal."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from memory_stores.linker import EntityLinker, ProposedEdge
from memory_stores.memory import AgentMemory
from memory_stores.types import (
    MEMORY_OPS,
    Edge,
    Entry,
    Forget,
    Item,
    Keep,
    Link,
    MemoryOp,
    Overwrite,
    Relink,
    Retrieve,
    Unlink,
    Write,
)
from memrl.contracts.protocols import OfferRequest
from memrl.contracts.texts import TextTable
from memrl.contracts.types import Observation, OfferSet
from memrl.controllers.offers import ARCHIVE_READS, GRAPH_READS, MAX_EVICTIONS, NUM_NUMBERS, NUMBER_NAMES

_KIND = {op: i for i, op in enumerate(MEMORY_OPS)}
_AT = {name: i for i, name in enumerate(NUMBER_NAMES)}


class Offer(NamedTuple):
    """One op, the text it would put into memory, and the entry it would touch."""

    op: MemoryOp
    text: str
    touched: Entry | None


Keys = frozenset[tuple[str, str]]
"""(subject, relation) pairs that a text makes a statement about."""


class PlainOffers:
    """What ``OpOffers`` does, slowly.

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
        self._keys_of: dict[str, Keys] = {}
        self._subject_of: dict[str, str] = {}

    def offers(self, requests: Sequence[OfferRequest]) -> list[OfferSet]:
        """What is on offer at each moment, in order."""
        self._table.add([text for one in requests if not one.reads for text in self._texts(one.observation)])
        self._table.add([one.observation.text for one in requests if one.reads])
        return [self.reads(one) if one.reads else self.writes(one) for one in requests]

    def _texts(self, observation: Observation) -> list[str]:
        """The texts whose embeddings the offers for this observation may need beyond what memory holds."""
        edges = self._links(observation.text) if self._edges else ()
        subjects = [edge.subject for edge in self._links(observation.text)] if self._subjects else ()
        return [observation.text, *(_edge_text(edge) for edge in edges), *subjects]

    def writes(self, moment: OfferRequest) -> OfferSet:
        """What may be done with an observation that may be remembered, after ``ops_so_far`` ops on it that count."""
        memory, observation, _, ops_so_far = moment[:4]
        offers = [Offer(Keep(), "", None)]
        offers += self._token_offers(memory, observation)
        offers += self._archive_offers(memory, observation)
        offers += self._graph_offers(memory, observation)
        return self._describe(offers, memory, observation, ops_so_far)

    def reads(self, moment: OfferRequest) -> OfferSet:
        """What may be brought into view before a policy acts."""
        memory, observation, _, ops_so_far = moment[:4]
        offers = [Offer(Keep(), "", None)]
        if memory.graph is not None and len(memory.graph):
            reads = (Retrieve(observation.text, "graph", k, hops) for k, hops in GRAPH_READS)
            offers += [Offer(read, "", None) for read in reads]
        if memory.archive is not None and len(memory.archive):
            offers += [Offer(Retrieve(observation.text, "archive", k), "", None) for k in ARCHIVE_READS]
        return self._describe(offers, memory, observation, ops_so_far)

    def _token_offers(self, memory: AgentMemory, observation: Observation) -> Iterator[Offer]:
        store, text = memory.token, observation.text
        if store is None or not text.strip():
            return
        items = store.entries()
        room = store.budget - store.tokens_used
        size = self._count(text)
        if size > store.budget:
            return
        held = any(e.stamp.observation_id == observation.id for e in items)
        if not held and size <= room:
            yield Offer(Write(text), text, None)
        for item in items:
            fits = size <= room + item.tokens
            if fits and not held:
                yield Offer(Overwrite(item.id, text), text, item)
            # Where an Overwrite lacks room, forgetting is its first half; to a scorer it is the same op, or else one
            # that learned to overwrite would have to learn this rarer case apart.
            yield Offer(Forget(item.id), "" if fits or held else text, item)

    def _archive_offers(self, memory: AgentMemory, observation: Observation) -> Iterator[Offer]:
        store, text = memory.archive, observation.text
        if store is None or not text.strip():
            return
        if self._count(text) <= store.budget - store.tokens_used:
            yield Offer(Write(text, "archive"), text, None)

    def _graph_offers(self, memory: AgentMemory, observation: Observation) -> Iterator[Offer]:
        graph = memory.graph
        if graph is None or self._linker is None:
            return
        full = False
        for proposed in self._links(observation.text):
            rivals = graph.conflicts(proposed.subject, proposed.relation)
            same = [edge for edge in rivals if edge.object == proposed.object]
            if proposed.negated:
                yield from (Offer(Unlink(edge.id), "", edge) for edge in same or rivals)
            elif not same:
                yield from self._link_offers(proposed, rivals)
                live = sum(edge.tokens for edge in graph.entries())
                full = full or (not rivals and live + self._count(_edge_text(proposed)) > graph.budget)
        if full:
            yield from (Offer(Unlink(edge.id), "", edge) for edge in graph.entries()[:MAX_EVICTIONS])

    def _link_offers(self, proposed: ProposedEdge, rivals: tuple[Edge, ...]) -> Iterator[Offer]:
        text = _edge_text(proposed)
        for rival in rivals:
            yield Offer(Relink(rival.id, proposed.object), text, rival)
        if not rivals:
            yield Offer(Link(proposed.subject, proposed.relation, proposed.object), text, None)

    def _describe(self, offers: list[Offer], memory: AgentMemory, observation: Observation, so_far: int) -> OfferSet:
        row = self._table.row
        here = row(observation.text)
        rows = np.full((len(offers), self.columns), -1, dtype=np.int64)
        rows[:, 0] = here
        for i, offer in enumerate(offers):
            if offer.text:
                rows[i, 1] = row(offer.text)
            if offer.touched is not None:
                rows[i, 2] = row(offer.touched.text)
        if self._subjects:
            self._fill_subjects(rows, offers, observation)
        numbers = np.zeros((len(offers), NUM_NUMBERS), dtype=np.float32)
        _fill_kinds(numbers, offers)
        _fill_touched(numbers, offers, observation)
        self._fill_shared(numbers, memory, observation, so_far)
        _fill_cosines(numbers, rows, self._table.matrix)
        if self._linker is not None:
            self._fill_conflicts(numbers, offers, memory, observation)
        return OfferSet(ops=tuple(offer.op for offer in offers), rows=rows, numbers=numbers)

    def _fill_subjects(self, rows: np.ndarray, offers: list[Offer], observation: Observation) -> None:
        """Columns 3 and 4: what the observation and the touched entry speak of first."""
        rows[:, 3] = self._subject_row(observation.text)
        for line, offer in zip(rows, offers, strict=True):
            if isinstance(offer.touched, Item):
                line[4] = self._subject_row(offer.touched.text)
            elif offer.touched is not None:
                line[4] = self._table.row(offer.touched.subject)

    def _subject_row(self, text: str) -> int:
        subject = self._subject_of.get(text)
        if subject is None:
            edges = self._links(text)
            subject = self._subject_of[text] = edges[0].subject if edges else ""
        return self._table.row(subject) if subject else -1

    def _fill_shared(self, numbers: np.ndarray, memory: AgentMemory, observation: Observation, so_far: int) -> None:
        numbers[:, _AT["fill"]] = memory.tokens_used / max(memory.budget, 1)
        numbers[:, _AT["text_tokens"]] = self._count(observation.text) / 32.0
        numbers[:, _AT["trust"]] = observation.trust
        numbers[:, _AT["ops_so_far"]] = so_far
        if so_far:
            held = any(entry.stamp.observation_id == observation.id for entry in memory.entries())
            numbers[:, _AT["held_already"]] = held

    def _fill_conflicts(
        self, numbers: np.ndarray, offers: list[Offer], memory: AgentMemory, observation: Observation
    ) -> None:
        """Does the text state a relation, and which entries speak of the same (subject, relation)?"""
        keys = self._keys(observation.text)
        numbers[:, _AT["states"]] = len(keys)
        numbers[:, _AT["takes_back"]] = any(edge.negated for edge in self._links(observation.text))
        held = [(entry, self._entry_keys(entry)) for entry in memory.entries()]
        newest = {key: entry.stamp.step for entry, own in held for key in own}
        numbers[:, _AT["conflicts_held"]] = sum(bool(keys & own) for _, own in held) / 4.0
        for line, offer in zip(numbers, offers, strict=True):
            if offer.touched is not None:
                own = self._entry_keys(offer.touched)
                line[_AT["conflict"]] = bool(keys & own)
                line[_AT["touched_states"]] = len(own)
                line[_AT["superseded"]] = any(newest.get(key, -1) > offer.touched.stamp.step for key in own)

    def _links(self, text: str) -> tuple[ProposedEdge, ...]:
        return self._linker.link(text) if self._linker is not None else ()

    def _keys(self, text: str) -> Keys:
        keys = self._keys_of.get(text)
        if keys is None:
            keys = self._keys_of[text] = frozenset((edge.subject, edge.relation) for edge in self._links(text))
        return keys

    def _entry_keys(self, entry: Entry) -> Keys:
        return self._keys(entry.text) if isinstance(entry, Item) else frozenset([(entry.subject, entry.relation)])


def _edge_text(edge: ProposedEdge) -> str:
    return f"{edge.subject} {edge.relation} {edge.object}"


def _fill_kinds(numbers: np.ndarray, offers: list[Offer]) -> None:
    for line, offer in zip(numbers, offers, strict=True):
        op = offer.op
        makes_room = isinstance(op, Forget) and offer.text
        line[_KIND[Overwrite if makes_room else type(op)]] = 1.0
        if isinstance(op, Retrieve):
            line[_AT["k"]], line[_AT["hops"]] = op.k / 4.0, op.hops
            line[_AT["from_archive"]] = op.store == "archive"
        elif isinstance(op, Write):
            line[_AT["to_archive"]] = op.store == "archive"


def _fill_touched(numbers: np.ndarray, offers: list[Offer], observation: Observation) -> None:
    touched = [offer.touched for offer in offers]
    order = sorted({e.stamp.step for e in touched if e is not None})
    rank_of = {step: i / max(len(order) - 1, 1) for i, step in enumerate(order)}
    words = _content_words(observation.text)
    for line, entry in zip(numbers, touched, strict=True):
        if entry is None:
            continue
        line[_AT["age"]] = math.log1p(max(observation.step - entry.stamp.step, 0)) / 4.0
        line[_AT["rank"]] = rank_of[entry.stamp.step]
        line[_AT["uses"]] = math.log1p(entry.uses)
        line[_AT["touched_tokens"]] = entry.tokens / 32.0
        line[_AT["touched_trust"]] = entry.stamp.trust
        line[_AT["touches_item"]] = isinstance(entry, Item)
        theirs = _content_words(entry.text)
        line[_AT["overlap"]] = len(words & theirs) / max(len(words | theirs), 1)


def _fill_cosines(numbers: np.ndarray, rows: np.ndarray, matrix: np.ndarray) -> None:
    touches = rows[:, 2] >= 0
    if not touches.any():
        return
    cosines = matrix[rows[touches, 2]] @ matrix[rows[0, 0]]
    numbers[touches, _AT["cosine"]] = cosines
    numbers[:, _AT["nearest"]] = cosines.max()
    numbers[touches, _AT["is_nearest"]] = cosines >= cosines.max() - 1e-6


@lru_cache(maxsize=65536)
def _content_words(text: str) -> frozenset[str]:
    return frozenset(word for word in re.findall(r"[a-z0-9]+", text.lower()) if len(word) > 3)
