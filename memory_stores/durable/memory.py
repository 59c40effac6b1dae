"""``DurableMemory``: one namespace of a memory file, read and changed as any ``AgentMemory``."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from memory_stores.codec import entry_to_dict
from memory_stores.contents import KEPT
from memory_stores.durable.asking import Wanted, digest_of, named_ops, result_of, wanted
from memory_stores.durable.changes import Changes
from memory_stores.durable.errors import Conflict, StoreError
from memory_stores.durable.filters import Where
from memory_stores.durable.parts import NoEmbedder, VectorPart
from memory_stores.durable.past import (
    STORES,
    Moment,
    difference,
    history_of,
    memory_at,
    merging,
    seq_at,
    undoing,
    versions,
)
from memory_stores.durable.purge import drop_for_good, scrub_log, scrub_past
from memory_stores.durable.rows import Ask, read_log, read_past, write_head
from memory_stores.durable.search import By, checked_k, checked_query
from memory_stores.durable.stored import Stored
from memory_stores.durable.subject import ID, Subject, checked_subject
from memory_stores.durable.traces import traces, wipe
from memory_stores.durable.types import (
    NO_DETAILS,
    Change,
    Details,
    Found,
    LoggedOp,
    MemoryDiff,
    PurgeReport,
    Receipt,
    Version,
    whole,
)
from memory_stores.graph_store import GraphStore
from memory_stores.memory import AgentMemory
from memory_stores.store import NO_STAMP
from memory_stores.types import (
    Edge,
    Entry,
    Hit,
    Keep,
    MemoryOp,
    OpResult,
    Overwrite,
    Relink,
    Retrieve,
    Stamp,
    StoreName,
)
from memory_stores.vector_store import Vector


class DurableMemory(Stored):
    """A memory whose every ``apply`` is on disk when it returns; keeps every promise of ``MemoryStore``.

    Made by ``MemoryFile.space``. What is read is a copy in RAM, as of the last ``apply``, ``refresh`` or ``search``;
    each of these first takes over what other processes wrote. Safe to use from several threads. After a commit that
    failed, RAM is read anew from the file, so that both are as before. What has expired is never returned.
    """

    def fork(self) -> AgentMemory:  # pyright: ignore[reportIncompatibleMethodOverride]
        """A twin in RAM, of the same stores; it has no file, and nothing that happens to it reaches this one."""
        with self._reading():
            parts: list[Any] = [
                None if part is None else part.fork() for part in (self._token, self._graph, self._archive)
            ]
        return AgentMemory(*parts)

    @classmethod
    def load(cls, path: str | Path, **_: Any) -> NoReturn:
        """Raises StoreError: a durable memory comes from ``MemoryFile(path).space(name)``."""
        raise StoreError(f"DurableMemory.load({str(path)!r}): open it by MemoryFile(path).space(name)")

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
        if key is not None and not isinstance(key, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise StoreError(f"apply_all key = {key!r}: it must be a string, or None")
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
                    ask = Ask(want.op, want.stamp, now, want.details, key, part, digest)
                    results.append(self._carry(want, ask, changes))
                    if changes.many:
                        changes.flush(self._database)
            return Receipt(seq=self.head.seq, results=tuple(results))

    def _carry(self, want: Wanted, ask: Ask, changes: Changes) -> OpResult:
        """One op, and what has to be done for its name."""
        if want.refused is not None:
            told = LoggedOp(seq=0, time=ask.time, op=Keep(), stamp=ask.stamp, refused=want.refused.value)
            return self.carry_out(ask._replace(op=Keep(), details=NO_DETAILS), changes, told)
        if want.details is NO_DETAILS and not isinstance(want.op, Overwrite | Relink):
            return self.carry_out(ask, changes)
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
        with self._database.lock, self._commit() as changes:
            entry = AgentMemory.get(self, id)
            if entry is None:
                raise StoreError(f"set_details({id!r}): no such live entry")
            now = self._shared.clock()
            change = Change(why="details", drop=(id,), put=((self.store_of(id), entry_to_dict(entry), details),))
            self.carry_out(Ask(change, NO_STAMP, now), changes)

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

    # Searching

    def search(
        self,
        query: str | Vector | Sequence[float],
        k: int = 10,
        *,
        where: Where | None = None,
        stores: Sequence[StoreName] | None = None,
        by: By | None = None,
    ) -> tuple[Found, ...]:
        """The best live entries of this space, without a mark on them: no use is counted and nothing is logged.

        Args:
            query: words, or a vector [E] of the file's embedder.
            k: how many; as many come wherever so many pass the filter.
            where: what must hold of an entry (``filters``).
            stores: of "token", "graph", "archive"; all of them if not given.
            by: "words" (BM25), "vectors" (cosine, exact) or "both" (reciprocal rank fusion). If not given, both where
                the file was opened with an embedder, and words where not.

        Returns:
            Best first, scores in [0, 1], ties to the older.

        Raises:
            StoreError: a bad filter, query or vector, or no embedder for a search by vectors.
        """
        asked, k = checked_query(query), checked_k(k)
        with self._database.lock:
            self.refresh()
            self._fresh()
            if by is None and isinstance(asked, str):
                by = "words" if isinstance(self._shared.embedder(), NoEmbedder) else "both"
            found = self._searcher.find(asked, k, where, stores, by)
            self._keep_vectors()
            return found

    # The past

    def log(self, since: int = 0) -> tuple[LoggedOp, ...]:
        """What was asked for after op ``since``, in order, the refused ops too. Raises CorruptStore."""
        with self._looking():
            if not whole(since) or not 0 <= since <= self.head.seq:
                raise StoreError(f"log(since={since!r}): it must be in 0 to {self.head.seq}")
            return tuple(record for record, _ in read_log(self._database, self.head, since))

    def history(self, id_or_name: str) -> tuple[Version, ...]:
        """Every version of that entry and of all that it took the place of, oldest first; empty if none is known."""
        with self._looking():
            return history_of(self._shared, self.head, id_or_name)

    def versions(self) -> tuple[Version, ...]:
        """Every version of every entry, those that ended first, in the order they did, then those that are held."""
        with self._looking():
            return tuple(versions(self._shared, self.head))

    def as_of(self, moment: Moment) -> AgentMemory:
        """The memory after that op, or at that clock time, in RAM. Raises StoreError on a moment not in the log."""
        with self._looking():
            return memory_at(self._shared, self.head, seq_at(self._shared, self.head, moment))

    def diff(self, one: Moment, other: Moment) -> MemoryDiff:
        """What differs between two moments."""
        with self._looking():
            ends = (seq_at(self._shared, self.head, moment) for moment in (one, other))
            return difference(self._shared, self.head, *ends)

    def undo(self, n: int = 1) -> Receipt:
        """Take back the last ``n`` changes that stand, by a change of its own; the log keeps both.

        Reads, refusals, expiries, budgets and earlier undos are no changes to take back. What comes back stands last.
        Raises Conflict if there are fewer, or if there is no room for what would come back.
        """
        if not whole(n) or n < 1:
            raise StoreError(f"undo({n!r}): it must be a whole number of at least 1")
        with self._database.lock, self._commit() as changes:
            # What has just expired is in the log before it is read.
            changes.flush(self._database)
            change = undoing(self._shared, self, n)
            try:
                result = self.carry_out(Ask(change, NO_STAMP, self._shared.clock()), changes)
            except StoreError:
                raise
            except ValueError as error:
                raise Conflict(f"undo({n}): {error}; make room first") from error
            return Receipt(seq=self.head.seq, results=(result,))

    def merge(self, twin: AgentMemory, base: AgentMemory | None = None) -> Receipt:
        """Bring over what a twin learned, in one commit; a text that is here already is not written twice.

        Args:
            twin: a fork that went its own way.
            base: the fork as it was when they parted (``as_of`` gives it): then what the twin forgot is forgotten too.
        """
        with self._database.lock:
            self.refresh()
            ops = merging(self, twin, base)
            return self.apply_all([op for op, _ in ops], [stamp for _, stamp in ops])

    def purge(self, subject: str) -> PurgeReport:
        """Take out all of this space that has the subject in it, for good; ``MemoryFile.purge`` takes all spaces.

        Args:
            subject: a text, looked for case aside in everything that people wrote; or an id, which stands for that
                entry, its earlier versions and its lines of the log.

        Raises:
            StoreError: a subject that is no text or an empty one, or the space's own name holds it (drop the space).
            StoreBusy: another process still reads the old bytes; call it again.
        """
        with self._database.lock:
            meant = self._subject(subject)
            entries, versions, records = self.scrub(meant)
            wipe(self._database)
            left = traces(self._database, meant)
            named = tuple((self.name, id) for id in entries)
            return PurgeReport(entries=named, versions=versions, records=records, left=left)

    def would_purge(self, subject: str) -> tuple[Entry, ...]:
        """The held entries that ``purge`` would take out, superseded edges included. Nothing changes; raises as it."""
        with self._database.lock:
            meant = self._subject(subject)
            self.check_name(meant)
            return self.meant(meant)

    def meant(self, subject: Subject) -> tuple[Entry, ...]:
        """The held entries that a purge of it would take out."""
        with self._looking():
            return tuple(entry for entry in self.rows() if subject.means(entry, self.details_of(entry.id)))

    def _subject(self, subject: str) -> Subject:
        """An id that this space ever gave out stands for its entry, purged before or not; all else is a text."""
        text = checked_subject(subject)
        self.refresh()
        if not ID.fullmatch(text) or int(text[1:]) > self.settings()[f"{STORES[text[0]]}_serial"]:
            return Subject(part=text)
        mine = [version.entry for version in self.history(text) if version.entry.id == text]
        return Subject(id=text, whole=frozenset(entry.text for entry in mine if not isinstance(entry, Edge)))

    def check_name(self, subject: Subject) -> None:
        """Raises StoreError where the space's own name holds it."""
        if any(subject.holds(part) for part in self.name):
            raise StoreError(f"purge: the name of space {self.name} holds it; drop the space")

    def scrub(self, subject: Subject) -> tuple[tuple[str, ...], int, int]:
        """The part of ``purge`` that is one transaction: ids, versions and log lines that were taken out."""
        self.check_name(subject)
        with self._database.lock:
            with self._following(), self._database.writing():
                self._catch_up()
                self._touched = True
                ids = tuple(entry.id for entry in self.rows() if subject.means(entry, self.details_of(entry.id)))
                records = scrub_log(self._database, self.head, subject)
                versions = scrub_past(self._database, self.head, subject)
                if ids or records or versions:
                    drop_for_good(self, self._database, subject, ids, self._shared.clock())
                write_head(self._database, self.head)
            # What RAM knows of old texts goes as well.
            self._stale = True
            self._fresh()
            return ids, versions, records

    @contextmanager
    def _looking(self) -> Generator[None]:
        """What the block reads of the file is of one moment, and RAM is of that moment too."""
        with self._reading(), self._following(), self._database.reading():
            self._catch_up()
            yield

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
