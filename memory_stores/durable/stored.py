"""``Stored``: a mirror tied to its file. What commits, catches up, and what is done when something fails."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from memory_stores.durable.changes import Changes
from memory_stores.durable.database import Database
from memory_stores.durable.errors import CorruptStore, DiskFull, ReadOnly, StoreBusy, StoreError, corrupt
from memory_stores.durable.keys import Keys
from memory_stores.durable.mirror import Mirror
from memory_stores.durable.origin import check_again, note_origin, read_vectors, write_vectors
from memory_stores.durable.parts import Bm25Part, Counter, VectorPart, archive_part
from memory_stores.durable.rows import Ask, Head, Held, ask_of, read_head, read_live, read_log, write_head
from memory_stores.durable.search import Searcher
from memory_stores.durable.types import Details, LoggedOp, SpaceName
from memory_stores.embed import Embedder
from memory_stores.graph_store import GraphStore
from memory_stores.memory import AgentMemory
from memory_stores.token_store import TokenStore
from memory_stores.types import CountTokens, Entry, Forget, MemoryOp, OpResult, Stamp, Unlink
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
    count_tokens: CountTokens
    embedder: Callable[[], Embedder]
    """The file's own; a stand-in that raises StoreError when asked for a vector, where there is none."""
    agreed: set[str]
    """Notes of whose vectors a file holds, that were found to be of this embedder."""


class Stored(Mirror):
    """A memory whose copy in RAM follows its file; ``DurableMemory`` adds what is asked of it."""

    def __init__(self, shared: Shared, space: int) -> None:
        self._shared, self._database, self._space = shared, shared.database, space
        self._stale = self._touched = self._swept = False
        self._keys = Keys()
        with self._database.lock, self._database.reading():
            super().__init__(self._read_head(), Counter(shared.count_tokens), self._new_archive)
            self._load()

    def _new_archive(self, kind: str, budget: int) -> Bm25Part | VectorPart:
        return archive_part(kind, budget, self._counter, self._shared.embedder(), self.stored_vectors)

    @property
    def token(self) -> TokenStore | None:
        with self._reading():
            return super().token

    @property
    def graph(self) -> GraphStore | None:
        with self._reading():
            return super().graph

    @property
    def archive(self) -> Archive | None:
        with self._reading():
            return super().archive

    @property
    def name(self) -> SpaceName:
        """Of the namespace."""
        return tuple(json.loads(self.head.name))

    @property
    def seq(self) -> int:
        """Number of the last op that this copy knows of: what ``expect`` and ``as_of`` take."""
        with self._reading():
            return self.head.seq

    @property
    def budget(self) -> int:
        with self._reading():
            return super().budget

    @property
    def tokens_used(self) -> int:
        with self._reading():
            return super().tokens_used

    def __len__(self) -> int:
        with self._reading():
            return super().__len__()

    def entries(self) -> tuple[Entry, ...]:
        with self._reading():
            return super().entries()

    def get(self, id: str) -> Entry | None:
        with self._reading():
            return super().get(id)

    def named(self, name: str) -> Entry | None:
        """The entry that was written under that name."""
        with self._reading():
            id = self._names.get(name)
            return None if id is None else super().get(id)

    def details(self, id: str) -> Details | None:
        """Name, metadata and times of a live entry."""
        with self._reading():
            known = self._held[id].details if super().get(id) is not None else None
            return known if known is None or not known.metadata else replace(known)

    def written_at(self, id: str) -> float | None:
        """When a live entry came into the file, in seconds since 1970."""
        with self._reading():
            return self._held[id].written_at if super().get(id) is not None else None

    def state_hash(self) -> str:
        with self._reading():
            return super().state_hash()

    def state_dict(self) -> dict[str, Any]:
        with self._reading():
            return super().state_dict()

    def refresh(self) -> int:
        """Take over what other processes wrote; returns ``seq``. Raises CorruptStore, StoreBusy."""
        with self._database.lock:
            with self._following(), self._database.reading():
                self._catch_up()
            return self.seq

    def carry_out(self, ask: Ask, changes: Changes, told: LoggedOp | None = None) -> OpResult:
        self._touched = True
        result = super().carry_out(ask, changes, told)
        if ask.key is not None:
            self._keys.note(ask.key, self.head.seq)
        return result

    def stored_vectors(self, ids: Sequence[str]) -> dict[str, Vector]:
        """Vectors [E] by id, of the entries of which the file has one."""
        check_again(self._database, self._shared.embedder(), self._shared.agreed)
        rows = {known.row: id for id in ids if (known := self._held.get(id)) is not None}
        return {rows[row]: vector for row, vector in read_vectors(self._database, list(rows)).items()}

    def _become(self, head: Head, held: Iterable[tuple[Entry, Held]]) -> None:
        super()._become(head, held)
        self._searcher = Searcher(self, self._shared.embedder, self.stored_vectors)

    def _put(self, entry: Entry, time: float, details: Details, changes: Changes) -> None:
        super()._put(entry, time, details, changes)
        self._searcher.put(entry.id)

    def _end(self, id: str, changes: Changes) -> None:
        self._searcher.end(id, self._held[id].row)
        super()._end(id, changes)

    def _save_vectors(self) -> None:
        """Inside a transaction: what was embedded for a search is kept with its entry."""
        part = self._archive
        tables = [part.table] if isinstance(part, VectorPart) else []
        for table in (*tables, *self._searcher.made()):
            if table.fresh:
                check_again(self._database, self._shared.embedder(), self._shared.agreed)
                note_origin(self._database, self._shared.embedder(), self._shared.agreed)
                fresh = [id for id in table.fresh if id in self._held and id in table]
                write_vectors(self._database, [(self._held[id].row, table.row(id)) for id in fresh])
                table.fresh.clear()

    def forget_copy(self) -> None:
        """Read everything from the file again before it is next looked at."""
        self._stale = True

    def embed_all(self) -> int:
        """See that every live entry has its vector in the file; returns how many there are. Raises StoreError."""
        with self._database.lock:
            self.refresh()
            count = sum(len(table) for table in self._searcher.tables())
            with self._following(), self._database.writing():
                self._catch_up()
                self._save_vectors()
            return count

    def _keep_vectors(self) -> None:
        """After a search: what it embedded is written, unless the file is read-only or held by others just now."""
        part = self._archive
        tables = [part.table] if isinstance(part, VectorPart) else []
        if not self._database.read_only and any(table.fresh for table in (*tables, *self._searcher.made())):
            with suppress(StoreBusy, ReadOnly, DiskFull), self._following(), self._database.writing():
                self._catch_up()
                self._save_vectors()

    @contextmanager
    def _commit(self) -> Generator[Changes]:
        """What is gathered is written when the block ends, or nothing is, and RAM goes back too."""
        with self._following(), self._database.writing():
            self._catch_up()
            changes = Changes()
            self._sweep_into(changes)
            yield changes
            if changes.log or changes.written:
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

    @contextmanager
    def _reading(self) -> Generator[None]:
        """No other thread is in the middle of something, and RAM is what the file says."""
        with self._database.lock:
            self._fresh()
            yield

    def _fresh(self) -> None:
        """Before anything is read: RAM is what the file says, without what has expired."""
        if self._stale:
            with self._database.reading():
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
        if not self._database.read_only:
            try:
                with self._commit():
                    return
            except (StoreBusy, DiskFull, ReadOnly):
                if self._stale:
                    with self._database.reading():
                        self._load()
        now = self._shared.clock()
        for id in self.expired(now):
            AgentMemory.apply(self, _removal(id), SWEEPER)
        self._expiry = sorted(pair for pair in self._expiry if pair[0] > now)
        self._swept = True

    def _sweep_into(self, changes: Changes) -> None:
        now = self._shared.clock()
        if self._expiry and self.deadline <= now:
            for id in self.expired(now):
                if id in self._held:
                    self.carry_out(Ask(_removal(id), SWEEPER, now), changes)


def _removal(id: str) -> MemoryOp:
    return Unlink(id) if id.startswith("g") else Forget(id)
