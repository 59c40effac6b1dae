"""One user's memory, with what is known of each entry besides its text: details, duplicates, history, room.

    Write, Overwrite, Forget ──> the memory's own ``apply`` ──> details and history follow what it did

The archive makes room by a stated rule: what was neither written nor read for the longest time goes first.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from heapq import nsmallest
from typing import Literal, NamedTuple, Protocol, TypeVar

from memory_stores.memory import AgentMemory
from memory_stores.types import Entry, Forget, Item, MemoryOp, OpResult, Overwrite, Stamp
from memrl.agent.results import Details, Found
from memrl.agent.texts import one_line

T = TypeVar("T")
EventName = Literal["ADD", "UPDATE", "DELETE"]
QUEUE = 256
"""Entries that are looked up at a time for who goes next."""
UNKNOWN = Details()


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One change of one entry."""

    id: str
    """The entry's, before the change where it was there."""
    event: EventName
    before: str | None
    after: str | None
    new_id: str | None
    """Of what is there afterwards."""
    time: float
    """When it was made, seconds since 1970."""


class Former(NamedTuple):
    """An item that is no longer held, as it was."""

    entry: Item
    details: Details


class Keeping(Protocol):
    """What an agent needs of one user's memory."""

    @property
    def memory(self) -> AgentMemory: ...

    def refresh(self) -> None:
        """Take over what other processes wrote."""
        ...

    def looked_at(self, look: Callable[[AgentMemory], T]) -> T:
        """What somebody makes of the memory who brings entries into view, which counts as a use of each."""
        ...

    def details(self, id: str) -> Details:
        """Of an entry; of one that nobody told anything about, what says nothing."""
        ...

    def apply(self, ops: Sequence[MemoryOp], stamp: Stamp, details: Details, now: float) -> list[OpResult]:
        """Carry out ops, with the same details for all that they make."""
        ...

    def history(self, id: str) -> list[Event]:
        """All changes of an entry and of those it came from and turned into, oldest first."""
        ...

    def current(self, id: str) -> str:
        """The id that an entry has now, however often it was overwritten; the same where it was not."""
        ...

    def past(self) -> list[Former]:
        """Items that were deleted, evicted or overwritten, as far as anything of them is left; oldest first."""
        ...


class Events:
    """Changes in the order in which they were made; an entry that was overwritten and its successor are one family."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._next: dict[str, str] = {}

    def add(self, event: Event) -> None:
        self._events.append(event)
        if event.new_id is not None and event.new_id != event.id:
            self._next[event.id] = event.new_id

    def history(self, id: str) -> list[Event]:
        """Of an entry, of those it came from and of those it turned into."""
        family = {id}
        for event in reversed(self._events):
            family |= {event.id} if event.new_id in family else set()
        for event in self._events:
            family |= {event.new_id} if event.id in family and event.new_id else set()
        return [event for event in self._events if event.id in family]

    def drop(self, ids: set[str]) -> None:
        """Let go of what some entries said; where one turned into another that stays, it is still told that it did."""
        kept: list[Event] = []
        for event in self._events:
            before, after = event.id in ids, event.new_id in ids
            if not before and not after:
                kept.append(event)
            elif not after and event.new_id is not None:
                kept.append(replace(event, before=None))
            elif not before:
                kept.append(replace(event, after=None))
        self._events = kept

    def current(self, id: str) -> str:
        """The id that an entry has now."""
        while id in self._next:
            id = self._next[id]
        return id


class RamKeeping:
    """A memory that lives as long as the program."""

    def __init__(self, memory: AgentMemory) -> None:
        self._memory = memory
        self._details: dict[str, Details] = {}
        self._events = Events()
        self._past: list[Former] = []

    @property
    def memory(self) -> AgentMemory:
        return self._memory

    def refresh(self) -> None:
        """Nobody else writes here."""

    def looked_at(self, look: Callable[[AgentMemory], T]) -> T:
        return look(self._memory)

    def details(self, id: str) -> Details:
        return self._details.get(id, UNKNOWN)

    def apply(self, ops: Sequence[MemoryOp], stamp: Stamp, details: Details, now: float) -> list[OpResult]:
        results: list[OpResult] = []
        for op in ops:
            old = self._memory.get(op.id) if isinstance(op, Overwrite | Forget) else None
            result = self._memory.apply(op, stamp)
            results.append(result)
            if result.done:
                self._note(result, old, details, now)
        return results

    def _note(self, result: OpResult, old: Entry | None, details: Details, now: float) -> None:
        if isinstance(old, Item):
            self._past.append(Former(old, self.details(old.id)))
        for id in result.removed:
            self._details.pop(id, None)
        made = [(id, entry) for id in result.created if (entry := self._memory.get(id)) is not None]
        for id, entry in made:
            self._details[id] = details
            self._events.add(changed(id, old.id if old else id, old.text if old else None, entry.text, now))
        if old is not None and not made:
            self._events.add(Event(id=old.id, event="DELETE", before=old.text, after=None, new_id=None, time=now))

    def forget_past(self, ids: set[str]) -> None:
        """Nothing tells any more of what some entries said."""
        self._events.drop(ids)
        self._past = [one for one in self._past if one.entry.id not in ids]

    def past(self) -> list[Former]:
        return list(self._past)

    def history(self, id: str) -> list[Event]:
        return self._events.history(id)

    def current(self, id: str) -> str:
        return self._events.current(id)


def changed(new: str, old: str, before: str | None, after: str, time: float) -> Event:
    """An entry was made; ``old`` is what it took the place of, or itself."""
    event: EventName = "ADD" if new == old else "UPDATE"
    return Event(id=old, event=event, before=before, after=after, new_id=new, time=time)


class Known:
    """Which texts a memory holds already, spaces and line breaks aside; looked up in constant time."""

    def __init__(self, memory: AgentMemory) -> None:
        self._memory = memory
        self._state = ""
        self._ids: dict[str, str] = {}

    def holder(self, text: str) -> Entry | None:
        """The entry that holds exactly this text; None where none does."""
        if self._memory.state_hash() != self._state:
            self._ids = {key_of(entry.text): entry.id for entry in self._memory.entries()}
            self._state = self._memory.state_hash()
        id = self._ids.get(key_of(text))
        return None if id is None else self._memory.get(id)

    def follow(self, results: Sequence[OpResult], before: str) -> None:
        """Ops were carried out on a memory of state ``before``: know what they made without a look at the rest."""
        if before != self._state:
            return
        made = [entry for result in results for id in result.created if (entry := self._memory.get(id)) is not None]
        self._ids |= {key_of(entry.text): entry.id for entry in made}
        # Ids of what has gone answer to no entry, so they need not be looked for.
        self._state = self._memory.state_hash()


def key_of(text: str) -> str:
    """Equal for texts that differ only in blanks, line breaks and how a letter with its accents is put together."""
    return unicodedata.normalize("NFC", " ".join(one_line(text).split()))


class Room:
    """Who leaves a full archive: what was neither written nor read for the longest time."""

    def __init__(self, memory: AgentMemory) -> None:
        self._memory = memory
        self._queue: list[tuple[str, int]] = []

    def needed(self, tokens: int) -> list[Forget]:
        """Ops that make room for so many tokens in the archive; empty where there is room. It must fit the budget."""
        archive = self._memory.archive
        missing = 0 if archive is None else tokens - (archive.budget - archive.tokens_used)
        leavers = self._leavers() if missing > 0 else iter(())
        ops: list[Forget] = []
        while missing > 0:
            item = next(leavers)
            ops.append(Forget(item.id))
            missing -= item.tokens
        return ops

    def _leavers(self) -> Iterator[Item]:
        """Items in the order in which they would go."""
        archive = self._memory.archive
        assert archive is not None
        given: set[str] = set()
        while True:
            for id, touched in self._queue:
                item = archive.get(id)
                if item is not None and _touched(item) == touched and id not in given:
                    given.add(id)
                    yield item
            rest = (item for item in archive.entries() if item.id not in given)
            # Whoever is written or read from now on comes after all of these.
            self._queue = [(item.id, _touched(item)) for item in nsmallest(QUEUE, rest, key=_touched)]
            if not self._queue:
                return


def _touched(item: Item) -> int:
    return max(item.stamp.step, item.used_at)


def found(entry: Entry, score: float, keeping: Keeping, details: Details | None = None) -> Found:
    """An entry as it is shown; ``details`` are those of one that is not held any more."""
    return Found(
        id=entry.id,
        text=entry.text,
        score=score,
        store=keeping.memory.store_of(entry.id),
        trust=entry.stamp.trust,
        details=keeping.details(entry.id) if details is None else details,
        entry=entry,
    )
