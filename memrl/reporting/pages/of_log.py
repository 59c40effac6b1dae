"""A memory file's story: its log, an op a step, and every version of every entry."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from memory_stores.durable import DurableMemory, LoggedOp, Version
from memory_stores.durable.mirror import STORES
from memory_stores.durable.types import Change
from memory_stores.types import Edge, Overwrite, Retrieve, Write
from memrl.reporting.pages.story import Decided, Life, Moment, Story, life_of, told


def log_story(memory: DurableMemory) -> Story:
    """Of one space of a memory file. What was purged is gone from it. Raises StoreError."""
    records, versions = memory.log(), _ended(memory.versions())
    place = {record.seq: t for t, record in enumerate(records)}
    # Versions that a purge left without their op stand at the beginning.
    born, died = _by_step(versions, place)
    used: dict[str, list[int]] = defaultdict(list)
    for t, record in enumerate(records):
        for id, _ in record.hits:
            used[id].append(t)
    held = f"{len(memory)} entries, {memory.tokens_used} of {memory.budget} tokens"
    return Story(
        name="/".join(memory.name),
        moments=tuple(_moment(record, born[t], died[t]) for t, record in enumerate(records)),
        lives={one.entry.id: _life(one, place, used[one.entry.id]) for one in versions},
        budget=memory.budget,
        about={"holds": held, "ops": str(len(records))},
    )


def _ended(versions: Sequence[Version]) -> list[Version]:
    """Versions, with the end of edges that stay as history: the op that put another in their place."""
    after = {one.entry.replaces: one.born for one in versions}
    return [
        replace(one, died=after.get(one.entry.id))
        if one.died is None and isinstance(one.entry, Edge) and one.entry.invalid_at is not None
        else one
        for one in versions
    ]


def said(record: LoggedOp) -> str:
    """What was asked for, in one short line."""
    return f"({record.op.why})" if isinstance(record.op, Change) else told(record.op)


def clock(seconds: float) -> str:
    """A time for people, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _by_step(
    versions: Sequence[Version], place: dict[int, int]
) -> tuple[dict[int, tuple[str, ...]], dict[int, tuple[str, ...]]]:
    born, died = defaultdict[int, tuple[str, ...]](tuple), defaultdict[int, tuple[str, ...]](tuple)
    for one in versions:
        born[place.get(one.born, 0)] += (one.entry.id,)
        if one.died is not None:
            died[place.get(one.died, 0)] += (one.entry.id,)
    return born, died


def _life(version: Version, place: dict[int, int], used: Sequence[int]) -> Life:
    entry = version.entry
    gone = None if version.died is None else place.get(version.died, 0)
    return replace(life_of(entry, STORES[entry.id[0]], place.get(version.born, 0)), gone=gone, uses=tuple(used))


def _moment(record: LoggedOp, born: tuple[str, ...], gone: tuple[str, ...]) -> Moment:
    op, stamp = record.op, record.stamp
    text = op.text if isinstance(op, Write | Overwrite) else op.query if isinstance(op, Retrieve) else said(record)
    refused = record.refused is not None
    line = f"{said(record)}  refused: {record.refused}" if refused else said(record)
    return Moment(
        id=stamp.observation_id,
        clock=stamp.step,
        text=text,
        source=clock(record.time),
        trust=stamp.trust,
        asks=isinstance(op, Retrieve),
        decisions=(Decided(actor=stamp.writer, said=line, refused=refused),),
        born=born,
        gone=gone,
        view=tuple(id for id, _ in record.hits),
    )
