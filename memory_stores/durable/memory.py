"""``DurableMemory``: one namespace of a memory file, read and changed as any ``AgentMemory``."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from memory_stores.codec import entry_to_dict
from memory_stores.contents import KEPT
from memory_stores.durable.asking import Wanted, digest_of, named_ops, result_of, wanted
from memory_stores.durable.changes import Changes
from memory_stores.durable.database import Database
from memory_stores.durable.errors import Conflict, CorruptStore, DiskFull, ReadOnly, StoreBusy, StoreError, corrupt
from memory_stores.durable.keys import Keys
from memory_stores.durable.mirror import MakeArchive, Mirror
from memory_stores.durable.origin import note_origin, read_vectors, write_vectors
from memory_stores.durable.parts import Counter, VectorPart
from memory_stores.durable.rows import Ask, Head, ask_of, read_head, read_live, read_log, read_past, write_head
from memory_stores.durable.types import NO_DETAILS, Change, Details, LoggedOp, Receipt, SpaceName
from memory_stores.embed import Embedder
from memory_stores.graph_store import GraphStore
from memory_stores.memory import AgentMemory
from memory_stores.store import NO_STAMP
from memory_stores.token_store import TokenStore
from memory_stores.types import Entry, Forget, Hit, Keep, MemoryOp, OpResult, Retrieve, Stamp, Unlink
from memory_stores.vector_store import Vector

if TYPE_CHECKING:
    from memory_stores.memory import Archive

TAIL = 2000
"""Records of other processes that are followed one by one; a memory further behind is read anew."""
SWEEPER = Stamp(writer="ttl")
"""Who takes out what has expired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What the memories of one file have in common."""

    database: Database
    clock: Callable[[], float]
    counter: Callable[[], Counter]
    make_archive: Callable[[Callable[[], DurableMemory]], MakeArchive]
    embedder: Embedder | None


class DurableMemory(Mirror):
    """A memory whose every ``apply`` is on disk when it returns; keeps every promise of ``MemoryStore``.

    Made by ``MemoryFile.space``. What is read is a copy in RAM, as of the last ``apply``, ``refresh`` or ``search``;
    each of these first takes over what other processes wrote. Safe to use from several threads. After a commit that
    failed, RAM is read anew from the file, so that both are as before. What has expired is never returned.
    """

    def __init__(self, shared: Shared, space: int) -> None:
        self._shared, self._database, self._space = shared, shared.database, space
        self._stale = self._touched = self._swept = False
        self._keys = Keys()
        with self._database.lock, self._database.reading():
            self._counter = shared.counter()
            super().__init__(self._read_head(), self._counter, shared.make_archive(lambda: self))
            self._load()

    # Reading

    @property
    def token(self) -> TokenStore | None:
        self._fresh()
        return super().token

    @property
    def graph(self) -> GraphStore | None:
        self._fresh()
        return super().graph

    @property
    def archive(self) -> Archive | None:
        self._fresh()
        return super().archive

    @property
    def name(self) -> SpaceName:
        """Of the namespace."""
        return tuple(json.loads(self.head.name))

    @property
    def seq(self) -> int:
        """Number of the last op that this copy knows of: what ``expect`` and ``as_of`` take."""
        self._fresh()
        return self.head.seq

    @property
    def budget(self) -> int:
        self._fresh()
        return super().budget

    @property
    def tokens_used(self) -> int:
        self._fresh()
        return super().tokens_used

    def __len__(self) -> int:
        self._fresh()
        return super().__len__()

    def entries(self) -> tuple[Entry, ...]:
        self._fresh()
        return super().entries()

    def get(self, id: str) -> Entry | None:
        self._fresh()
        return super().get(id)

    def named(self, name: str) -> Entry | None:
        """The entry that was written under that name."""
        self._fresh()
        id = self._names.get(name)
        return None if id is None else super().get(id)

    def details(self, id: str) -> Details | None:
        """Name, metadata and times of a live entry."""
        self._fresh()
        return self._held[id].details if super().get(id) is not None else None

    def written_at(self, id: str) -> float | None:
        """When a live entry came into the file, in seconds since 1970."""
        self._fresh()
        return self._held[id].written_at if super().get(id) is not None else None

    def state_hash(self) -> str:
        self._fresh()
        return super().state_hash()

    def state_dict(self) -> dict[str, Any]:
        self._fresh()
        return super().state_dict()

    def fork(self) -> AgentMemory:  # pyright: ignore[reportIncompatibleMethodOverride]
        """A twin in RAM, of the same stores; it has no file, and nothing that happens to it reaches this one."""
        self._fresh()
        with self._database.lock:
            parts: list[Any] = [
                None if part is None else part.fork() for part in (self._token, self._graph, self._archive)
            ]
        return AgentMemory(*parts)

    @classmethod
    def load(cls, path: str | Path, **_: Any) -> NoReturn:
        """Raises StoreError: a durable memory comes from ``MemoryFile(path).space(name)``."""
        raise StoreError(f"DurableMemory.load({str(path)!r}): open it by MemoryFile(path).space(name)")

    # Changing

    def apply(self, op: MemoryOp, stamp: Stamp = NO_STAMP) -> OpResult:
        """Carry out one op, or refuse it; on disk when it returns. Raises TypeError on no op, and StoreError."""
        if isinstance(op, Keep):
            return KEPT
        return self.apply_all((op,), stamp).results[0]

    def apply_all(
        self,
        ops: Sequence[MemoryOp],
        stamp: Stamp | Sequence[Stamp] = NO_STAMP,
        *,
        key: str | None = None,
        expect: int | None = None,
        details: Details | Sequence[Details | None] | None = None,
    ) -> Receipt:
        """Carry out ops as one commit: after a crash all of them are there, or none.

        A refused op is a result, and does not stop the others.

        Args:
            ops: in order.
            stamp: of all ops, or one for each.
            key: done once, however often it is sent: a known key gives the receipt of the first time.
            expect: the ``seq`` that the caller has seen.
            details: of all ops, or one for each; only of ops that write.

        Raises:
            Conflict: another writer came first (``expect``), or the key was used for other ops.
            StoreBusy, ReadOnly, DiskFull, CorruptStore: nothing was done.
        """
        asked = wanted(ops, stamp, details)
        digest = "" if key is None else digest_of(asked)
        with self._database.lock:
            self._warm(asked)
            with self._commit() as changes:
                if key is not None and (known := self._keys.find(self._database, self.head, key)):
                    return self._repeated(known, key, digest)
                if expect is not None and expect != self.head.seq:
                    raise Conflict(
                        f"memory {self.name} expected at op {expect} is at op {self.head.seq}: look again, then decide"
                    )
                now = self._shared.clock()
                results: list[OpResult] = []
                for part, want in enumerate(asked):
                    results.append(
                        self._carry(want, Ask(want.op, want.stamp, now, want.details, key, part, digest), changes)
                    )
            return Receipt(seq=self.head.seq, results=tuple(results))

    def _carry(self, want: Wanted, ask: Ask, changes: Changes) -> OpResult:
        """One op, and what has to be done for its name."""
        created: tuple[str, ...] = ()
        removed: tuple[str, ...] = ()
        hits: Any = ()
        for op, details in named_ops(self, want, ask.time):
            result = self.carry_out(ask._replace(op=op, details=details), changes)
            if not result.done:
                return result
            created, removed, hits = created or result.created, removed + result.removed, result.hits
        return OpResult(created=created, removed=removed, hits=hits)

    def change(self, change: Change) -> Receipt:
        """Take entries out and put others in as they are, in one commit. Raises ValueError if they do not fit."""
        with self._database.lock:
            with self._commit() as changes:
                result = self.carry_out(Ask(change, NO_STAMP, self._shared.clock()), changes)
            return Receipt(seq=self.head.seq, results=(result,))

    def set_details(self, id: str, details: Details) -> None:
        """Give a live entry another name, metadata or times; its text stays. Raises StoreError on an unknown id."""
        [want] = wanted((Keep(),), NO_STAMP, None)
        with self._database.lock, self._commit() as changes:
            entry = AgentMemory.get(self, id)
            if entry is None:
                raise StoreError(f"set_details({id!r}): no such live entry")
            now = self._shared.clock()
            change = Change(why="details", drop=(id,), put=((self.store_of(id), entry_to_dict(entry), details),))
            self.carry_out(Ask(change, want.stamp, now), changes)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Become that memory, in one commit. Raises ValueError unless it has the same kinds of stores."""
        with self._database.lock:
            twin = self.fork()
            twin.load_state_dict(state)
            settings: dict[str, Any] = {}
            put: list[tuple[str, Mapping[str, Any], Details]] = []
            for part in (twin.token, twin.graph, twin.archive):
                if part is not None:
                    settings[part.store] = part.budget
                    settings[f"{part.store}_serial"] = part.state_dict()["serial"]
                    past = part.history() if isinstance(part, GraphStore) else ()
                    put += [(part.store, entry_to_dict(entry), NO_DETAILS) for entry in (*past, *part.entries())]
            with self._commit() as changes:
                drop = tuple(entry.id for entry in self.rows())
                change = Change(why="load", drop=drop, put=tuple(put), settings=settings)
                self.carry_out(Ask(change, NO_STAMP, self._shared.clock()), changes)

    def refresh(self) -> int:
        """Take over what other processes wrote; returns ``seq``. Raises CorruptStore, StoreBusy."""
        with self._database.lock:
            with self._following(), self._database.reading():
                self._catch_up()
            return self.seq

    # Between RAM and the file

    def carry_out(self, ask: Ask, changes: Changes, told: LoggedOp | None = None) -> OpResult:
        self._touched = True
        result = super().carry_out(ask, changes, told)
        if ask.key is not None:
            self._keys.note(ask.key, self.head.seq)
        return result

    @property
    def counter(self) -> Counter:
        """Counts the tokens of new texts."""
        return self._counter

    def stored_vectors(self, ids: Sequence[str]) -> dict[str, Vector]:
        """Vectors [E] by id, of the entries of which the file has one."""
        rows = {known.row: id for id in ids if (known := self._held.get(id)) is not None}
        return {rows[row]: vector for row, vector in read_vectors(self._database, list(rows)).items()}

    def _warm(self, asked: Sequence[Wanted]) -> None:
        """Embed what a search of these ops will need before anybody waits for the file."""
        part = self._archive
        if isinstance(part, VectorPart) and len(part):
            queries = [
                w.op.query for w in asked if isinstance(w.op, Retrieve) and w.op.store == "archive" and not w.op.ids
            ]
            if queries := [query for query in queries if query.strip()]:
                part.catch_up()
                part.vectors(queries)

    def _save_vectors(self) -> None:
        """Inside a transaction: what was embedded for a search is kept with its entry."""
        part, embedder = self._archive, self._shared.embedder
        if isinstance(part, VectorPart) and part.table.fresh and embedder is not None:
            note_origin(self._database, embedder)
            fresh = [id for id in part.table.fresh if id in self._held and id in part.table]
            write_vectors(self._database, [(self._held[id].row, part.table.row(id)) for id in fresh])
            part.table.fresh.clear()

    @contextmanager
    def _commit(self) -> Generator[Changes]:
        """What is gathered is written when the block ends, or nothing is, and RAM goes back too."""
        with self._following(), self._database.writing():
            self._catch_up()
            changes = Changes()
            self._sweep_into(changes)
            yield changes
            if changes.log:
                self._save_vectors()
                changes.flush(self._database)
                write_head(self._database, self.head)

    @contextmanager
    def _following(self) -> Generator[None]:
        self._touched = False
        try:
            yield
        except BaseException:
            self._stale = self._stale or self._touched
            raise

    def _fresh(self) -> None:
        """Before anything is read: RAM is what the file says, without what has expired."""
        if self._stale:
            with self._database.lock, self._database.reading():
                self._load()
        if self._expiry and self.deadline <= self._shared.clock():
            self._sweep()

    def _read_head(self) -> Head:
        head = read_head(self._database, self._space)
        if head is None:
            raise StoreError(f"memory file {self._database.path}: this space was dropped; ask the file for it again")
        return head

    def _load(self) -> None:
        head = self._read_head()
        held = read_live(self._database, head)
        try:
            self._become(head, held)
        except StoreError:
            raise
        except (ValueError, KeyError) as error:
            raise corrupt(self._database.path, str(error)) from error
        self._keys = Keys()
        self._stale = self._swept = False

    def _catch_up(self) -> None:
        """Inside a transaction: RAM becomes what the file holds at this moment."""
        head = self._read_head()
        if self._stale or self._swept or not 0 <= head.seq - self.head.seq <= TAIL:
            self._load()
        elif head != self.head:
            try:
                for record, _ in read_log(self._database, head, self.head.seq):
                    self.carry_out(ask_of(record), Changes(), record)
            except CorruptStore:
                raise
            except (ValueError, KeyError, AssertionError):
                self._load()
            if head != self.head:
                self._load()
            self._touched = False

    def _sweep(self) -> None:
        """Take out what has expired, in the file if that can be done now, or else in RAM alone."""
        with self._database.lock:
            if not self._database.read_only:
                try:
                    with self._commit():
                        pass
                    return
                except (StoreBusy, DiskFull, ReadOnly):
                    if self._stale:
                        with self._database.reading():
                            self._load()
            now = self._shared.clock()
            for id in self.expired(now):
                AgentMemory.apply(self, self._removal(id), SWEEPER)
            self._expiry = sorted(pair for pair in self._expiry if pair[0] > now)
            self._swept = True

    def _sweep_into(self, changes: Changes) -> None:
        now = self._shared.clock()
        if self._expiry and self.deadline <= now:
            for id in self.expired(now):
                if id in self._held:
                    self.carry_out(Ask(self._removal(id), SWEEPER, now), changes)

    def _removal(self, id: str) -> MemoryOp:
        return Unlink(id) if id.startswith("g") else Forget(id)

    def _repeated(self, span: tuple[int, int], key: str, digest: str) -> Receipt:
        """The receipt of the first time, told by the log."""
        first, last = span
        records = [record for record, _ in read_log(self._database, replace(self.head, seq=last), first - 1)]
        if records[0].digest != digest:
            raise Conflict(f"key {key!r} was used for other ops in memory {self.name}: take a new key for new ops")
        parts: dict[int, list[LoggedOp]] = {}
        for record in records:
            parts.setdefault(record.part, []).append(record)
        results = tuple(result_of(told, self._hit) for _, told in sorted(parts.items()))
        return Receipt(seq=last, results=results, repeated=True)

    def _hit(self, id: str, score: float) -> Hit | None:
        """A hit of earlier, as far as its entry is still held or remembered."""
        entry = AgentMemory.get(self, id)
        if entry is None:
            entry = next((old.entry for old in read_past(self._database, self.head) if old.entry.id == id), None)
        if entry is None:
            return None
        store = self.store_of(id)
        return Hit(id=id, text=entry.text, store=store, score=score, tokens=entry.tokens, stamp=entry.stamp)
