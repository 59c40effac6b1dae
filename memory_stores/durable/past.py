"""The past of a space, read from its log and its ended versions: as it was, what changed, and back again."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from memory_stores.codec import entry_to_dict
from memory_stores.durable.errors import Conflict, StoreError
from memory_stores.durable.mirror import STORES, Mirror
from memory_stores.durable.parts import Counter, archive_part
from memory_stores.durable.rows import Head, Held, read_live, read_log, read_past
from memory_stores.durable.stored import SWEEPER, Shared, Stored
from memory_stores.durable.types import Change, Details, LoggedOp, MemoryDiff, Version, seconds
from memory_stores.memory import AgentMemory
from memory_stores.types import Edge, Entry, Forget, Link, MemoryOp, Retrieve, Stamp, Unlink, Write

Moment = int | datetime
"""A log number, or a clock time with its time zone."""
MERGED = Stamp(writer="merge")


def versions(shared: Shared, head: Head) -> Iterator[Version]:
    """Every version of every entry, those that ended first, in the order they did."""
    for ended in read_past(shared.database, head):
        yield _version(ended.entry, ended.held, ended.died)
    for entry, held in read_live(shared.database, head):
        yield _version(entry, held, None)


def _version(entry: Entry, held: Held, died: int | None) -> Version:
    return Version(
        entry=entry, details=held.details, born=held.born, died=died, written_at=held.written_at, place=held.row
    )


def history_of(shared: Shared, head: Head, id_or_name: str) -> tuple[Version, ...]:
    """Versions of that id, or of whatever went by that name, and of all that they took the place of, oldest first."""
    every = sorted(versions(shared, head), key=lambda version: (version.place, version.born))
    wanted = {v.entry.id for v in every if id_or_name in (v.entry.id, v.details.name)}
    by_id = {v.entry.id: v.entry.replaces for v in every}
    border = list(wanted)
    while border:
        before = by_id.get(border.pop())
        if before is not None and before not in wanted:
            wanted.add(before)
            border.append(before)
    return tuple(v for v in every if v.entry.id in wanted)


def seq_at(shared: Shared, head: Head, moment: Moment) -> int:
    """The log number of that moment. Raises StoreError on one that is not in the log."""
    if isinstance(moment, datetime):
        clock = seconds(moment, "as_of")
        return max((r.seq for r, _ in read_log(shared.database, head) if r.time <= (clock or 0.0)), default=0)
    if isinstance(moment, bool) or not isinstance(moment, int) or not 0 <= moment <= head.seq:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise StoreError(f"as_of = {moment!r}: it must be a log number in 0 to {head.seq}, or a datetime")
    return moment


def memory_at(shared: Shared, head: Head, seq: int) -> AgentMemory:
    """The memory after op ``seq``, in RAM: entries, their order, their use counters."""
    held = [v for v in versions(shared, head) if v.born <= seq and (v.died is None or v.died > seq)]
    log = [record for record, _ in read_log(shared.database, head)]
    uses = _Uses(log, seq)
    rows = [(uses.corrected(v), v) for v in held]
    rows.sort(key=lambda row: row[1].place)
    return _in_ram(shared, _settings_at(log, seq), [entry for entry, _ in rows])


class _Uses:
    """How often and when entries had been retrieved by a moment of the log."""

    def __init__(self, log: Iterable[LoggedOp], seq: int) -> None:
        self._at: dict[str, list[int]] = {}
        self._last: dict[str, int] = {}
        self._seq = seq
        for record in log:
            if isinstance(record.op, Retrieve):
                for id, _ in record.hits:
                    self._at.setdefault(id, []).append(record.seq)
                    if record.seq <= seq:
                        self._last[id] = record.stamp.step

    def corrected(self, version: Version) -> Entry:
        """The entry with the counters that it had then: those of the file, less what it was used for since."""
        entry, at = version.entry, self._at.get(version.entry.id, [])
        end = len(at) if version.died is None else bisect.bisect_left(at, version.died)
        later = end - bisect.bisect_right(at, self._seq)
        if later <= 0:
            return entry
        uses = max(0, entry.uses - later)
        used_at = self._last.get(entry.id, -1)
        return replace(entry, uses=uses, used_at=used_at if uses else -1)


def _settings_at(log: Iterable[LoggedOp], seq: int) -> dict[str, Any]:
    """Budgets and kind of the archive after op ``seq``, and the counters of ids."""
    settings: dict[str, Any] = {"token": 0, "graph": 0, "archive": 0, "archive_kind": "bm25"}
    serials: dict[str, int] = {f"{name}_serial": 0 for name in STORES.values()}
    for record in log:
        if record.seq <= seq:
            for id in record.created:
                name = f"{STORES[id[0]]}_serial"
                serials[name] = max(serials[name], int(id[1:]))
            if isinstance(record.op, Change) and record.op.settings:
                told = dict(record.op.settings)
                serials.update((name, told.pop(name)) for name in tuple(serials) if name in told)
                settings.update(told)
    return {**settings, **serials}


def _in_ram(shared: Shared, settings: dict[str, Any], entries: list[Entry]) -> AgentMemory:
    counter = Counter(shared.count_tokens)
    mirror = Mirror(
        Head(space=0, name="[]", **settings),
        counter,
        lambda kind, budget: archive_part(kind, budget, counter, shared.embedder()),
        [(entry, Held(0, 0, 0.0, Details(), 0)) for entry in entries],
    )
    parts: list[Any] = [None if part is None else part.fork() for part in (mirror.token, mirror.graph, mirror.archive)]
    if not any(part is not None for part in parts):
        raise StoreError("as_of = 0: there was no memory yet; the first log number is 1")
    return AgentMemory(*parts)


def difference(shared: Shared, head: Head, one: int, other: int) -> MemoryDiff:
    """From the memory after op ``one`` to that after op ``other``."""
    every = list(versions(shared, head))
    before = {v.entry.id: v.entry for v in every if v.born <= one and (v.died is None or v.died > one)}
    after = {v.entry.id: v.entry for v in every if v.born <= other and (v.died is None or v.died > other)}
    before = {id: entry for id, entry in before.items() if _live(entry)}
    after = {id: entry for id, entry in after.items() if _live(entry)}
    added = [entry for id, entry in after.items() if id not in before]
    removed = {id: entry for id, entry in before.items() if id not in after}
    changed: list[tuple[Entry, Entry]] = []
    for entry in tuple(added):
        old = removed.pop(entry.replaces, None) if entry.replaces else None
        if old is not None:
            changed.append((old, entry))
            added.remove(entry)
    return MemoryDiff(added=tuple(added), removed=tuple(removed.values()), changed=tuple(changed))


def _live(entry: Entry) -> bool:
    return not isinstance(entry, Edge) or entry.invalid_at is None


def undoing(shared: Shared, memory: Stored, n: int) -> Change:
    """What takes back the last ``n`` changes that stand. Raises Conflict if there are fewer."""
    head = memory.head
    log = [record for record, _ in read_log(shared.database, head)]
    undone = {seq for record in log if isinstance(record.op, Change) for seq in record.op.of}
    steps = [record for record in reversed(log) if record.seq not in undone and _can_be_undone(record)][:n]
    if len(steps) < n:
        raise Conflict(f"undo({n}): memory {memory.name} has {len(steps)} changes to take back")
    every = list(versions(shared, head))
    born: dict[int, list[Version]] = {}
    died: dict[int, list[Version]] = {}
    for version in every:
        born.setdefault(version.born, []).append(version)
        if version.died is not None:
            died.setdefault(version.died, []).append(version)
    held = {entry.id for entry in memory.rows()}
    put: dict[str, Version] = {}
    drop: dict[str, None] = {}
    for record in steps:
        for version in reversed(born.get(record.seq, [])):
            id = version.entry.id
            put.pop(id, None)
            if id in held:
                drop[id] = None
        for version in died.get(record.seq, []):
            put[version.entry.id] = version
    ordered = sorted(put.values(), key=lambda version: (version.place, version.born))
    return Change(
        why="undo",
        drop=tuple(drop),
        put=tuple((STORES[v.entry.id[0]], entry_to_dict(v.entry), v.details) for v in ordered),
        of=tuple(record.seq for record in steps),
    )


def _can_be_undone(record: LoggedOp) -> bool:
    if record.refused is not None or not (record.created or record.removed) or record.stamp == SWEEPER:
        return False
    return not (isinstance(record.op, Change) and record.op.why in ("undo", "purge", "create", "budget"))


def merging(memory: Stored, twin: AgentMemory, base: AgentMemory | None) -> list[tuple[MemoryOp, Stamp]]:
    """Ops that bring over what the twin has and this memory has not; with ``base``, also what the twin took out."""
    here = {_said(entry) for entry in memory.rows() if _live(entry)}
    ops: list[tuple[MemoryOp, Stamp]] = []
    if base is not None:
        there = {_said(entry) for entry in twin.entries()}
        gone = {_said(entry) for entry in base.entries()} - there
        for entry in memory.rows():
            if _live(entry) and _said(entry) in gone:
                ops.append((Unlink(entry.id) if isinstance(entry, Edge) else Forget(entry.id), MERGED))
    before = {_said(entry) for entry in base.entries()} if base is not None else set[object]()
    for entry in twin.entries():
        if _said(entry) not in here and _said(entry) not in before:
            new = (
                Link(entry.subject, entry.relation, entry.object)
                if isinstance(entry, Edge)
                else Write(entry.text, memory.store_of(entry.id))
            )
            ops.append((new, entry.stamp))
    return ops


def _said(entry: Entry) -> tuple[object, ...]:
    """What an entry says and where from: the same in both twins, whatever its id."""
    return (entry.id[0], entry.text, entry.stamp)
