"""What a memory file adds to an entry, and what its calls answer with. Plain frozen data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from memory_stores.durable.errors import StoreError
from memory_stores.types import Entry, Hit, MemoryOp, OpResult, Stamp

ArchiveKind = Literal["bm25", "vector"]
SpaceName = tuple[str, ...]
"""A namespace: ``("users", "ana")``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """What may be said of an entry beside its text and stamp. Raises StoreError on values that no file can keep."""

    name: str | None = None
    """A key: an entry written under a name that is taken comes in the place of the one that had it."""
    metadata: Mapping[str, Any] | None = None
    """JSON: strings, numbers, booleans, None, lists and objects."""
    event_time: float | None = None
    """When what it tells of happened, in seconds since 1970; a datetime with a time zone becomes that."""
    ttl: float | None = None
    """Seconds from now until it expires."""
    expires_at: float | None = None
    """The moment it expires, in place of ``ttl``; seconds since 1970, or a datetime with a time zone."""

    def __post_init__(self) -> None:
        name, metadata = _anything(self.name), _anything(self.metadata)
        if name is not None and (not isinstance(name, str) or not name):
            raise StoreError(f"details.name = {name!r}: give a name of at least one letter, or None")
        if metadata is not None and not isinstance(metadata, Mapping):
            raise StoreError(f"details.metadata = {metadata!r}: it must be a mapping of JSON values, or None")
        if metadata:
            # A copy of its own: who changes his own mapping later changes no memory.
            object.__setattr__(self, "metadata", deepcopy(dict(metadata)))  # pyright: ignore[reportUnknownArgumentType]
        if self.ttl is not None and self.expires_at is not None:
            raise StoreError("details.ttl and details.expires_at say the same thing: give one of them")
        for field in ("event_time", "ttl", "expires_at"):
            object.__setattr__(self, field, seconds(getattr(self, field), f"details.{field}"))
        if self.ttl is not None and self.ttl <= 0:
            raise StoreError(f"details.ttl = {self.ttl}: it must be above 0 seconds")


def _anything(value: object) -> object:
    """A value whose declared type nobody kept to yet."""
    return value


def whole(value: object) -> bool:
    """Whether it is a whole number, and no truth value."""
    return isinstance(value, int) and not isinstance(value, bool)


def seconds(moment: object, name: str) -> float | None:
    """Seconds since 1970. Raises StoreError on what is no moment, and on a datetime without a time zone."""
    if moment is None:
        return None
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise StoreError(f"{name} = {moment}: a datetime needs a time zone, such as datetime.now(UTC)")
        return moment.timestamp()
    if isinstance(moment, bool) or not isinstance(moment, int | float) or not math.isfinite(moment):
        raise StoreError(f"{name} = {moment!r}: it must be a number of seconds, or a datetime with a time zone")
    return float(moment)


NO_DETAILS = Details()


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What came of ``apply_all``."""

    seq: int
    """Number of the last op in the log of its space: what ``expect`` and ``as_of`` take."""
    results: tuple[OpResult, ...]
    """One for each op; a refusal is a result."""
    repeated: bool = False
    """The key was known: nothing was done now, and this is what was done then."""

    @property
    def done(self) -> bool:
        return all(result.done for result in self.results)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found(Hit):
    """A hit of ``search``, with what the file knows of it."""

    name: str | None = None
    metadata: Mapping[str, Any] | None = None
    event_time: float | None = None
    written_at: float = 0.0
    """When it came into the file, in seconds since 1970."""
    expires_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One state of an entry, from the op that made it to the op that ended it."""

    entry: Entry
    details: Details
    born: int
    """Log number of the op that made it."""
    died: int | None
    """Log number of the op that ended it; None while it is held."""
    written_at: float
    place: int
    """Grows with every version that is written: their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedOp:
    """One line of the log."""

    seq: int
    time: float
    """Clock time of the commit, in seconds since 1970."""
    op: MemoryOp | Change
    stamp: Stamp
    created: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    refused: str | None = None
    hits: tuple[tuple[str, float], ...] = ()
    """Ids and scores of what a Retrieve brought."""
    key: str | None = None
    details: Details = NO_DETAILS
    tokens: int | None = None
    """What the text cost when it was counted."""
    part: int = 0
    """Which op of its batch it belongs to, where the batch has a key."""
    digest: str = ""
    """Of the ops of that batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is done to a memory beside the eight ops: entries taken out and put back as they were, budgets, details."""

    why: str
    """create, budget, load, undo, purge, details."""
    drop: tuple[str, ...] = ()
    put: tuple[tuple[str, Mapping[str, Any], Details], ...] = ()
    """Store, entry as ``codec.entry_to_dict`` writes it, details; in order, after what is there."""
    settings: Mapping[str, Any] | None = None
    """Budgets, kind of the archive and id counters, where they change."""
    of: tuple[int, ...] = ()
    """Log numbers of the ops that this undoes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryDiff:
    """What differs between two moments of a memory."""

    added: tuple[Entry, ...]
    removed: tuple[Entry, ...]
    changed: tuple[tuple[Entry, Entry], ...]
    """Pairs of what was there and what took its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeReport:
    """What ``purge`` took out."""

    entries: tuple[tuple[SpaceName, str], ...]
    """Space and id of what was held."""
    versions: int
    """Earlier versions that are gone."""
    records: int
    """Lines of the log whose words were taken out."""
    left: int
    """How often the subject still stands in the bytes of the file and its log; 0 unless somebody else wrote it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """What ``verify`` found."""

    problems: tuple[str, ...]
    spaces: int
    entries: int
    records: int
    sqlite: str
    """Version of the SQLite inside apsw; the fault of log resets is mended from 3.51.3 on."""

    @property
    def ok(self) -> bool:
        return not self.problems
