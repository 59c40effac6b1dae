"""``Mirror``: a memory in RAM together with what its rows are in the file. The same ops make the same rows, anywhere.

One road leads to every state: ``carry_out``. A commit goes it and writes the rows; another process that catches up,
``verify`` and ``as_of`` go it with what the log tells, and come to the same rows without writing.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from threading import RLock
from typing import Any

from memory_stores.codec import edge_from_dict, item_from_dict
from memory_stores.contents import KEPT, REFUSED, newest
from memory_stores.durable.changes import Changes
from memory_stores.durable.errors import StoreError
from memory_stores.durable.parts import Bm25Part, Counter, GraphPart, TokenPart, VectorPart
from memory_stores.durable.rows import MASK, SETTINGS, Ask, Head, Held, chained, checksum, entry_columns, log_columns
from memory_stores.durable.schema import SHIFT
from memory_stores.durable.types import NO_DETAILS, Change, Details, LoggedOp
from memory_stores.memory import AgentMemory
from memory_stores.types import Edge, Entry, Keep, MemoryOp, OpResult, Refusal, Retrieve, Stamp, StoreName

Settings = Mapping[str, Any]
NEVER = float("inf")
STORES: dict[str, StoreName] = {"t": "token", "g": "graph", "a": "archive"}
SERIALS = {letter: f"{name}_serial" for letter, name in STORES.items()}

MakeArchive = Callable[[str, int], Bm25Part | VectorPart]
"""An empty archive of that kind and budget."""


class Mirror(AgentMemory):
    """A memory that knows its rows.

    Args:
        head: of the space, as it stands before any op, or with ``held``.
        counter: counts the tokens of new texts.
        make_archive: gives an empty archive.
        held: what the file holds, in order.
    """

    def __init__(
        self,
        head: Head,
        counter: Counter,
        make_archive: MakeArchive,
        held: Iterable[tuple[Entry, Held]] = (),
    ) -> None:
        self._lock = RLock()
        self._counter, self._make_archive = counter, make_archive
        self._become(head, held)

    def _become(self, head: Head, held: Iterable[tuple[Entry, Held]]) -> None:
        """Raises ValueError on rows that no memory could hold."""
        pairs = list(held)
        self._adopt(*self._parts_from({name: getattr(head, name) for name in SETTINGS}, [e for e, _ in pairs]), None)
        self.head = head
        self._held = {entry.id: known for entry, known in pairs}
        self._names = {known.details.name: entry.id for entry, known in pairs if known.details.name and _lives(entry)}
        dated = ((known.details.expires_at, id) for id, known in self._held.items())
        self._expiry: list[tuple[float, str]] = sorted((moment, id) for moment, id in dated if moment is not None)

    def _parts_from(self, settings: Settings, entries: list[Entry]) -> tuple[Any, Any, Any]:
        held: dict[str, list[Entry]] = {"t": [], "g": [], "a": []}
        for entry in entries:
            held[entry.id[0]].append(entry)
        token = TokenPart(0, self._counter) if settings["token"] else None
        graph = GraphPart(0, self._counter) if settings["graph"] else None
        archive = self._make_archive(settings["archive_kind"], 0) if settings["archive"] else None
        for part, letter in ((token, "t"), (graph, "g"), (archive, "a")):
            name, rows = STORES[letter], held[letter]
            if part is not None:
                taker: Any = part
                taker.take(settings[name], settings[f"{name}_serial"], rows)
            elif rows:
                raise StoreError(f"space budget {name} = 0: the space holds {len(rows)} entries there")
        return token, graph, archive

    @property
    def deadline(self) -> float:
        """When the next entry expires; infinity if none does."""
        while self._expiry:
            moment, id = self._expiry[0]
            known = self._held.get(id)
            if known is not None and known.details.expires_at == moment:
                return moment
            heapq.heappop(self._expiry)
        return NEVER

    def expired(self, now: float) -> list[str]:
        """Ids of live entries whose time is over, in the order they came."""
        over = {id for moment, id in self._expiry if moment <= now}
        over = {id for id in over if id in self._held and (self._held[id].details.expires_at or NEVER) <= now}
        return sorted(over, key=lambda id: self._held[id].row)

    def peek(self, id: str) -> Entry | None:
        """The live entry of that id, as RAM has it."""
        return AgentMemory.get(self, id)

    def text_of(self, id: str) -> str:
        """Of a live entry. Raises KeyError."""
        entry = AgentMemory.get(self, id)
        if entry is None:
            raise KeyError(id)
        return entry.text

    def entries_in(self, letter: str) -> tuple[Entry, ...]:
        """The live entries of one store, as RAM has it: ``t``, ``g`` or ``a``."""
        part = self._holder(letter)
        return () if part is None else part.entries()

    def raw_archive(self) -> Any:
        """The archive, as RAM has it."""
        return self._archive

    def known(self, id: str) -> Held | None:
        """What is known of an entry that has a row."""
        return self._held.get(id)

    def details_of(self, id: str) -> Details:
        """Of an entry that has a row. Raises KeyError."""
        return self._held[id].details

    def holder_of(self, name: str) -> Entry | None:
        """The live entry of that name."""
        id = self._names.get(name)
        return None if id is None else AgentMemory.get(self, id)

    def settings(self) -> dict[str, Any]:
        """Budgets, kind of the archive and id counters."""
        return {name: getattr(self.head, name) for name in SETTINGS}

    def carry_out(self, ask: Ask, changes: Changes, told: LoggedOp | None = None) -> OpResult:
        """Do one op, or refuse it, and gather its rows.

        Args:
            ask: the op.
            changes: where its rows are gathered.
            told: what the log says came of it: what was refused, found and counted then is so now.
        """
        head, tokens = self.head, None
        if isinstance(ask.op, Change):
            result = self._change(ask.op, ask.time, changes)
        else:
            result = self._do(ask.op, ask.stamp) if told is None else self._told(ask.op, ask.stamp, told)
            tokens = self._note(result, ask, changes)
        head.seq += 1
        columns = log_columns((head.space << SHIFT) + head.seq, ask, result, tokens)
        sum = checksum(columns)
        changes.log.append((*columns, sum))
        head.chain = chained(head.chain, sum)
        head.keys += ask.key is not None
        return result

    def _do(self, op: MemoryOp, stamp: Stamp) -> OpResult:
        """What ``apply`` does with an op that was checked."""
        if isinstance(op, Keep):
            return KEPT
        part: Any = self._route(op)
        return REFUSED[part] if isinstance(part, Refusal) else part.do(op, stamp)

    def _told(self, op: MemoryOp, stamp: Stamp, told: LoggedOp) -> OpResult:
        if told.refused is not None:
            return OpResult(refused=Refusal(told.refused))
        if isinstance(op, Retrieve):
            if not told.hits:
                return KEPT
            found = self._do(replace(op, ids=tuple(id for id, _ in told.hits)), stamp)
            scored = zip(found.hits, told.hits, strict=True)
            return replace(found, hits=tuple(replace(hit, score=score) for hit, (_, score) in scored))
        self._counter.told = told.tokens
        try:
            return self._do(op, stamp)
        finally:
            self._counter.told = None

    def _note(self, result: OpResult, ask: Ask, changes: Changes) -> int | None:
        """Rows of what an op did; returns what the new text cost."""
        for hit in result.hits:
            self._use(hit.id, changes)
        for id in result.removed:
            self._end(id, changes)
        graph = self._graph
        if isinstance(graph, GraphPart) and (result.removed or result.created):
            for id in graph.take_gone():
                if id in self._held:
                    self._end(id, changes)
            for id in result.removed:
                edge = graph.past(id)
                if edge is not None:
                    self._put(edge, ask.time, NO_DETAILS, changes)
        for id in result.created:
            entry = AgentMemory.get(self, id)
            assert entry is not None
            self._put(entry, ask.time, ask.details, changes)
            return entry.tokens
        return None

    def _put(self, entry: Entry, time: float, details: Details, changes: Changes) -> None:
        head = self.head
        head.place += 1
        row, born = (head.space << SHIFT) + head.place, head.seq + 1
        sum = changes.put(entry_columns(row, born, time, entry, details))
        self._held[entry.id] = Held(row, born, time, details, sum)
        head.live += 1
        head.live_sum = (head.live_sum + sum) & MASK
        serial = SERIALS[entry.id[0]]
        setattr(head, serial, max(getattr(head, serial), newest(entry)))
        if details.name and _lives(entry):
            self._names[details.name] = entry.id
        if details.expires_at is not None:
            heapq.heappush(self._expiry, (details.expires_at, entry.id))

    def _end(self, id: str, changes: Changes) -> None:
        known, head = self._held.pop(id), self.head
        head.place += 1
        closed = changes.end(known.row, (head.space << SHIFT) + head.place, head.seq + 1, known.sum)
        head.live -= 1
        head.live_sum = (head.live_sum - known.sum) & MASK
        head.past += 1
        head.past_sum = (head.past_sum + closed) & MASK
        if known.details.name and self._names.get(known.details.name) == id:
            del self._names[known.details.name]

    def _use(self, id: str, changes: Changes) -> None:
        entry, known = AgentMemory.get(self, id), self._held[id]
        assert entry is not None
        columns = entry_columns(known.row, known.born, known.written_at, entry, known.details)
        sum = changes.use(known.row, entry.uses, entry.used_at, columns)
        self._held[id] = known._replace(sum=sum)
        self.head.live_sum = (self.head.live_sum - known.sum + sum) & MASK

    def _change(self, change: Change, time: float, changes: Changes) -> OpResult:
        """Take entries out and put others in. Raises ValueError, and changes nothing, if they do not fit."""
        settings = {**self.settings(), **(change.settings or {})}
        held = {entry.id: entry for entry in self.rows()}
        for id in change.drop:
            del held[id]
        put = [_entry(store, data) for store, data, _ in change.put]
        for entry in put:
            serial = SERIALS[entry.id[0]]
            settings[serial] = max(settings[serial], newest(entry))
        # Made aside first, so that a change that does not fit leaves the memory as it was.
        parts = self._parts_from(settings, [*held.values(), *put])
        for id in change.drop:
            self._end(id, changes)
        self._adopt(*parts, None)
        for name, value in settings.items():
            setattr(self.head, name, value)
        for entry, (_, _, details) in zip(put, change.put, strict=True):
            self._put(entry, time, details, changes)
        return OpResult(created=tuple(entry.id for entry in put), removed=change.drop)

    def rows(self) -> list[Entry]:
        """Everything that has a row, superseded edges included, in the order of the rows of each store."""
        graph = self._graph
        return [*(graph.history() if graph is not None else ()), *AgentMemory.entries(self)]


def _lives(entry: Entry) -> bool:
    return not isinstance(entry, Edge) or entry.invalid_at is None


def _entry(store: str, data: Mapping[str, Any]) -> Entry:
    return edge_from_dict(data) if store == "graph" else item_from_dict(data)
