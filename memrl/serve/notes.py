"""One space of a memory file under the verbs of the memory tools: ``add search get update delete delete_all``.

A memory has one id for life, also after its text was changed: the name that it was written under, else its entry's id.
Answers are JSON-ready: ``{"results": [{"id", "memory", "score"?, "event"?, "metadata", "created_at", "updated_at"}]}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from time import time
from typing import Any
from uuid import uuid4

from memory_stores.durable import Details, DurableMemory
from memory_stores.types import Forget, Item, OpResult, Overwrite, Refusal, Stamp, Write
from memrl.contracts.errors import InputError

RESERVED = "memrl_"
CREATED = f"{RESERVED}created"
"""Where a memory that was changed keeps the time it was first written."""
Results = dict[str, list[dict[str, Any]]]
Kept = tuple[Item, Details]


class Notes:
    """The memories of one space; those of its archive. Threads and processes may share the space."""

    def __init__(self, memory: DurableMemory) -> None:
        self._memory = memory

    def add(self, text: str, metadata: Mapping[str, Any] | None = None) -> Results:
        """Remember a text; one that is held already is held once (event NONE). Raises InputError."""
        for entry in self._items():
            if _bare(entry.text) == _bare(text):
                return {"results": [self._shown(entry) | {"event": "NONE"}]}
        name = f"m-{uuid4().hex[:16]}"
        told = Details(name=name, metadata=_checked(metadata), event_time=time())
        result = self._apply(Write(text, "archive"), told)
        return {"results": [self._shown(self._entry(result.created[0])) | {"event": "ADD"}]}

    def search(self, query: str, limit: int = 5, filters: Mapping[str, Any] | None = None) -> Results:
        """What fits a query best, the best first. Raises InputError."""
        if not query.strip():
            raise InputError("query: it is blank; say what to look for")
        if limit < 1:
            raise InputError(f"limit = {limit}: it must be at least 1")
        found = self._memory.search(query, limit, where=filters, stores=["archive"])
        held = ((self._memory.get(hit.id), hit.score) for hit in found)
        return {"results": [self._shown(one) | {"score": score} for one, score in held if isinstance(one, Item)]}

    def get(self, id: str) -> dict[str, Any]:
        """One memory. Raises InputError where there is none of that id."""
        return self._shown(self._named(id))

    def update(self, id: str, text: str, metadata: Mapping[str, Any] | None = None) -> Results:
        """Another text in its place, under the same id. Raises InputError."""
        old = self._named(id)
        details = self._details(old)
        kept = {CREATED: self._created(old), **(details.metadata or {})}
        told = kept if metadata is None else {CREATED: kept[CREATED], **_checked(metadata)}
        new = Details(name=details.name, metadata=told, event_time=details.event_time)
        op = Overwrite(old.id, text) if details.name is None else Write(text, "archive")
        result = self._apply(op, new)
        shown = self._shown(self._entry(result.created[0]))
        return {"results": [shown | {"event": "UPDATE", "previous_memory": old.text}]}

    def delete(self, id: str) -> Results:
        """Remove one memory. Raises InputError where there is none of that id."""
        old = self._named(id)
        shown = self._shown(old)
        self._apply(Forget(old.id), None)
        return {"results": [shown | {"event": "DELETE"}]}

    def delete_all(self) -> Results:
        """Remove all of them, in one commit."""
        items = self._items()
        shown = [self._shown(one) | {"event": "DELETE"} for one in items]
        self._memory.apply_all([Forget(one.id) for one in items], self._stamp())
        return {"results": shown}

    def _items(self) -> list[Item]:
        self._memory.refresh()
        archive = self._memory.archive
        return [] if archive is None else list(archive.entries())

    def _named(self, id: str) -> Item:
        self._memory.refresh()
        entry = self._memory.named(id) or self._memory.get(id)
        if not isinstance(entry, Item):
            raise InputError(f"memory_id = {id!r}: there is no memory of that id; search for it")
        return entry

    def _entry(self, id: str) -> Item:
        entry = self._memory.get(id)
        if not isinstance(entry, Item):
            raise InputError("somebody else has just removed it; try again")
        return entry

    def _details(self, entry: Item) -> Details:
        return self._memory.details(entry.id) or Details()

    def _apply(self, op: Write | Overwrite | Forget, details: Details | None) -> OpResult:
        [result] = self._memory.apply_all([op], self._stamp(), details=details).results
        if result.refused is not None:
            raise InputError(_WHY.get(result.refused, f"refused: {result.refused.value}"))
        return result

    def _stamp(self) -> Stamp:
        return Stamp(step=self._memory.seq, writer="user")

    def _created(self, entry: Item) -> float:
        told = (self._details(entry).metadata or {}).get(CREATED)
        return told if isinstance(told, float) else self._memory.written_at(entry.id) or 0.0

    def _shown(self, entry: Item) -> dict[str, Any]:
        details = self._details(entry)
        metadata = {key: value for key, value in (details.metadata or {}).items() if key != CREATED}
        return {
            "id": details.name or entry.id,
            "memory": entry.text,
            "metadata": metadata,
            "created_at": _clock(self._created(entry)),
            "updated_at": _clock(self._memory.written_at(entry.id) or 0.0),
        }


_WHY = {
    Refusal.EMPTY_TEXT: "text: it is blank; pass what is to be remembered",
    Refusal.OVER_BUDGET: "no room: delete some memories first, or serve the file with a larger budget",
    Refusal.BAD_ARGUMENT: "text: it holds half of a character; clean it first",
    Refusal.UNKNOWN_ID: "memory_id: somebody else has just removed it",
}


def _clock(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat()


def _bare(text: str) -> str:
    """Equal for texts that differ only in blanks and line breaks."""
    return " ".join(text.split())


def _checked(metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    """A copy. Raises InputError for a field that is the memory's own, which a wrapped model would read as such."""
    given = dict(metadata or {})
    if own := [key for key in given if str(key).startswith(RESERVED)]:
        raise InputError(
            f"metadata: fields that begin with {RESERVED!r} are the memory's own: name {own[0]!r} otherwise"
        )
    return given
