"""What a caller asks for, checked before anything is touched, and the ops that an entry's name asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import NamedTuple

from memory_stores.checks import check
from memory_stores.codec import entry_to_dict, op_to_dict
from memory_stores.durable.errors import StoreError
from memory_stores.durable.mirror import Mirror
from memory_stores.durable.rows import details_to_dict, metadata_text
from memory_stores.durable.types import NO_DETAILS, Change, Details, LoggedOp
from memory_stores.entity_names import entity_key, tidy
from memory_stores.types import (
    Edge,
    Entry,
    Forget,
    Hit,
    Link,
    MemoryOp,
    OpResult,
    Overwrite,
    Refusal,
    Relink,
    Stamp,
    Unlink,
    Write,
)

WRITES = (Write, Overwrite, Link, Relink)


class Wanted(NamedTuple):
    """One op as it was asked for."""

    op: MemoryOp
    stamp: Stamp
    details: Details
    refused: Refusal | None
    """What is refused before any store is asked: a text that is no Unicode, which no log could hold."""


def wanted(
    ops: Sequence[MemoryOp], stamp: Stamp | Sequence[Stamp], details: Details | Sequence[Details | None] | None
) -> list[Wanted]:
    """The ops, each with stamp and details.

    Raises TypeError on what is no op, ValueError on a field or stamp that no store takes, StoreError on lists of other
    lengths and on details that no file can keep.
    """
    stamps = [stamp] * len(ops) if isinstance(stamp, Stamp) else list(stamp)
    given = [details] * len(ops) if details is None or isinstance(details, Details) else list(details)
    if len(stamps) != len(ops) or len(given) != len(ops):
        raise StoreError(
            f"apply_all got {len(ops)} ops, {len(stamps)} stamps, {len(given)} details: give one for each op"
        )
    asked: list[Wanted] = []
    for op, stamp, more in zip(ops, stamps, given, strict=True):
        refused = check(op, stamp)
        told = NO_DETAILS if more is None or more == NO_DETAILS else more
        asked.append(Wanted(op, stamp, told, None if refused is None else refused.refused))
    for op, _, more, _ in asked:
        if more is not NO_DETAILS and not isinstance(op, WRITES):
            raise StoreError(f"details belong to an op that writes (Write, Overwrite, Link, Relink), not to {op!r}")
        if more.metadata is not None:
            metadata_text(more.metadata)
    return asked


def digest_of(asked: Sequence[Wanted]) -> str:
    """Of ops and details, without stamps: a retry may carry another step."""
    said = [(op_to_dict(op), {**details_to_dict(details), "ttl": details.ttl}) for op, _, details, _ in asked]
    return blake2b(repr(said).encode(), digest_size=8).hexdigest()


def named_ops(memory: Mirror, want: Wanted, now: float) -> Iterator[tuple[MemoryOp | Change, Details]]:
    """The op itself, or those that put its entry in the place of the one that has its name.

    What comes second is asked for only after the first was carried out.
    """
    op, details = want.op, _dated(want.details, now)
    if isinstance(op, Overwrite | Relink) and details.name is None:
        # A successor goes by the name of what it takes the place of.
        known = memory.known(op.id)
        if known is not None and known.details.name is not None:
            details = replace(details, name=known.details.name)
    old = None if details.name is None else memory.holder_of(details.name)
    if old is None or (isinstance(op, Overwrite | Relink) and op.id == old.id):
        yield op, details
    elif isinstance(op, Write) and memory.store_of(old.id) == op.store:
        if op.text == getattr(old, "text", None) and _same_source(old, want.stamp):
            yield _redetailed(memory, old, details), NO_DETAILS
        else:
            yield Overwrite(old.id, op.text), details
    elif isinstance(op, Link) and isinstance(old, Edge) and _slot(old) == _slot(op):
        if entity_key(op.object) == entity_key(old.object):
            yield _redetailed(memory, old, details), NO_DETAILS
        else:
            yield Relink(old.id, op.object), details
    else:
        yield op, details
        yield Unlink(old.id) if isinstance(old, Edge) else Forget(old.id), NO_DETAILS


def _slot(said: Link | Edge) -> tuple[str, str]:
    return entity_key(said.subject), tidy(said.relation)


def _same_source(old: Entry, stamp: Stamp) -> bool:
    return bool(stamp.observation_id) and old.stamp.observation_id == stamp.observation_id


def _redetailed(memory: Mirror, old: Entry, details: Details) -> Change:
    return Change(why="details", drop=(old.id,), put=((memory.store_of(old.id), entry_to_dict(old), details),))


def _dated(details: Details, now: float) -> Details:
    if details.ttl is None:
        return details
    return replace(details, ttl=None, expires_at=now + details.ttl)


def result_of(records: Sequence[LoggedOp], hit: Callable[[str, float], Hit | None]) -> OpResult:
    """What came of one op, told by its records; a hit whose entry is gone for good is left out."""
    first, refused = records[0], records[-1].refused
    if refused is not None:
        return OpResult(refused=Refusal(refused))
    hits = (hit(id, score) for id, score in first.hits)
    removed = tuple(id for record in records for id in record.removed)
    return OpResult(created=first.created, removed=removed, hits=tuple(one for one in hits if one is not None))
