"""``MemoryFile``: one SQLite file of memories, a namespace each."""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self, cast
from weakref import WeakValueDictionary

from memory_stores.codec import entry_to_dict
from memory_stores.durable.changes import Changes
from memory_stores.durable.database import Database
from memory_stores.durable.errors import Conflict, ReadOnly, StoreError
from memory_stores.durable.memory import DurableMemory
from memory_stores.durable.mirror import Mirror
from memory_stores.durable.origin import check_again, forget_origin, stored_origin
from memory_stores.durable.parts import Bm25Part, Counter, VectorPart, archive_part, no_embedder
from memory_stores.durable.rows import SETTINGS, Ask, Head, read_heads, write_head
from memory_stores.durable.schema import SHIFT
from memory_stores.durable.search import several
from memory_stores.durable.stored import Shared
from memory_stores.durable.subject import Subject, checked_subject
from memory_stores.durable.traces import traces, wipe
from memory_stores.durable.transfer import export, load
from memory_stores.durable.types import ArchiveKind, Change, PurgeReport, SpaceName, VerifyReport
from memory_stores.durable.verify import verify
from memory_stores.embed import Embedder
from memory_stores.store import NO_STAMP
from memory_stores.types import CountTokens, Entry

DEFAULTS: dict[str, Any] = {"token": 0, "graph": 0, "archive": 100_000, "archive_kind": "bm25"}
"""Of a new space."""
KEPT = 256
"""Spaces whose copies stay in RAM though nobody holds them, those that were asked for last."""


class MemoryFile:
    """Opens a memory file, or makes it.

        with MemoryFile("notes.db", count_tokens=count) as file:
            memory = file.space(("users", "ana"))
            memory.apply(Write("The key is under the mat.", "archive"))

    Args:
        path: of the file.
        count_tokens: what a text costs; a pure function.
        embedder: for archives and searches by meaning; without one, search goes by words.
        read_only: leave the file as it is.
        clock: seconds since 1970, for the times that are written.
        busy_seconds: how long a write waits for other processes.

    Raises:
        StoreError: one of its kinds (``errors.py``), naming the file and the way out.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        count_tokens: CountTokens,
        embedder: Embedder | None = None,
        read_only: bool = False,
        clock: Callable[[], float] = time.time,
        busy_seconds: float = 30.0,
    ) -> None:
        if not str(path):
            raise StoreError("MemoryFile.path = '': name a file")
        self._database = Database(Path(path), read_only=read_only, busy_seconds=busy_seconds)
        self._embedder, self._clock = embedder, clock
        self._alive: WeakValueDictionary[str, DurableMemory] = WeakValueDictionary()
        self._recent: OrderedDict[str, DurableMemory] = OrderedDict()
        self._shared = Shared(
            database=self._database,
            clock=clock,
            count_tokens=count_tokens,
            embedder=self._embedder_or_none,
            agreed=set(),
        )
        if embedder is not None:
            try:
                check_again(self._database, embedder, self._shared.agreed)
            except BaseException:
                self.close()
                raise

    @property
    def path(self) -> Path:
        return self._database.path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; what was acknowledged is on disk already."""
        self._database.close()

    def _embedder_or_none(self) -> Embedder:
        if self._embedder is None:
            stored = stored_origin(self._database)
            return no_embedder(stored[1] if stored else 1)
        return self._embedder

    def space(
        self,
        name: str | Sequence[str] = "default",
        *,
        token: int | None = None,
        graph: int | None = None,
        archive: int | None = None,
        archive_kind: ArchiveKind | None = None,
    ) -> DurableMemory:
        """The memory of that namespace, made if there is none; the same object for as long as somebody has it.

        Args:
            name: one word, or a path of words; no word of it may be empty.
            token, graph, archive: budgets in tokens; 0 is a memory without that store. What is not given stays as the
                file has it; a new space has an archive of 100,000 tokens alone.
            archive_kind: "bm25" by words or "vector" by meaning; a new space has "bm25".

        Raises:
            Conflict: a budget is below what the space holds there.
            StoreError: a bad name or budget, or a space that is missing in a file opened to read.
        """
        key = json.dumps(_checked_name(name), ensure_ascii=False)
        given = {"token": token, "graph": graph, "archive": archive, "archive_kind": archive_kind}
        given = {setting: _checked(setting, value) for setting, value in given.items() if value is not None}
        with self._database.lock:
            number, memory = self._number(key, given), self._alive.get(key)
            if memory is None or memory.head.space != number:
                memory = self._alive[key] = DurableMemory(self._shared, number)
            self._recent[key] = memory
            self._recent.move_to_end(key)
            if len(self._recent) > KEPT:
                self._recent.popitem(last=False)
            changed = {setting: value for setting, value in given.items() if getattr(memory.head, setting) != value}
            if changed:
                _check_fit(memory, changed)
                memory.change(Change(why="budget", settings=changed))
            return memory

    def _number(self, key: str, given: dict[str, Any]) -> int:
        """Of the space in the file, which makes it where it is missing."""
        if (found := self._find(key)) is not None:
            return found
        if self._database.read_only:
            raise ReadOnly(f"memory file {self.path} has no space {key} and was opened with read_only=True")
        settings = {**DEFAULTS, **given}
        if not (settings["token"] or settings["graph"] or settings["archive"]):
            raise StoreError(f"space {key}: all budgets are 0; give token, graph or archive some tokens")
        with self._database.writing():
            if (found := self._find(key)) is not None:
                return found
            rows = self._database.rows("SELECT value FROM meta WHERE key = 'spaces'")
            number = 1 + (int(rows[0][0]) if rows else 0)
            self._database.rows("INSERT OR REPLACE INTO meta VALUES ('spaces', ?)", (number,))
            born = Mirror(Head(space=number, name=key), Counter(self._shared.count_tokens), _no_ranking)
            changes = Changes()
            born.carry_out(Ask(Change(why="create", settings=settings), NO_STAMP, self._clock()), changes)
            changes.flush(self._database)
            write_head(self._database, born.head)
        return number

    def _find(self, key: str) -> int | None:
        rows = self._database.rows("SELECT space FROM spaces WHERE name = ?", (key,))
        return int(rows[0][0]) if rows else None

    def spaces(self, prefix: Sequence[str] = ()) -> list[SpaceName]:
        """Names of the spaces that begin so, in the order they were made."""
        start = _checked_name(prefix) if prefix != () and prefix != [] else ()
        with self._database.lock:
            names = [tuple(cast("list[str]", json.loads(head.name))) for head in read_heads(self._database)]
        return [name for name in names if name[: len(start)] == start]

    def drop(self, name: str | Sequence[str]) -> bool:
        """Take out a space with all its past; False if there is none. ``wipe`` then takes its bytes out of the file."""
        key = json.dumps(_checked_name(name), ensure_ascii=False)
        with self._database.lock, self._database.writing():
            number = self._find(key)
            if number is not None:
                first = number << SHIFT
                span = (first, first + (1 << SHIFT) - 1)
                for table, column in (("log", "row"), ("entries", "row"), ("past", "number"), ("vectors", "row")):
                    self._database.rows(f"DELETE FROM {table} WHERE {column} BETWEEN ? AND ?", span)
                self._database.rows("DELETE FROM spaces WHERE space = ?", (number,))
        return number is not None

    def wipe(self) -> None:
        """Write the file anew, without the bytes of what was dropped. Raises StoreBusy if others read it."""
        with self._database.lock:
            wipe(self._database)

    def verify(self) -> VerifyReport:
        """Check every byte that matters: checksums, the log's chain, rows against a replay of the log, SQLite itself.

        Damage is reported, not raised. Takes seconds for 100,000 ops.
        """
        with self._database.lock:
            return verify(self._database)

    def purge(self, subject: str) -> PurgeReport:
        """Take out everything of every space that has the subject in it; see ``DurableMemory.purge``.

        A subject is always a text here: ids are those of one space.
        """
        meant = Subject(part=checked_subject(subject))
        found: list[tuple[SpaceName, str]] = []
        versions = records = 0
        with self._database.lock:
            for name in self.spaces():
                self.space(name).check_name(meant)
            for name in self.spaces():
                ids, ended, lines = self.space(name).scrub(meant)
                found += [(name, id) for id in ids]
                versions, records = versions + ended, records + lines
            wipe(self._database)
            left = traces(self._database, meant)
        return PurgeReport(entries=tuple(found), versions=versions, records=records, left=left)

    def would_purge(self, subject: str) -> dict[SpaceName, tuple[Entry, ...]]:
        """The held entries that ``purge`` would take out, by space. Nothing changes; raises as ``purge`` does."""
        meant = Subject(part=checked_subject(subject))
        with self._database.lock:
            spaces = {name: self.space(name) for name in self.spaces()}
            for memory in spaces.values():
                memory.check_name(meant)
            found = {name: memory.meant(meant) for name, memory in spaces.items()}
        return {name: entries for name, entries in found.items() if entries}

    def rebuild_index(self, embedder: Embedder | None = None) -> int:
        """Embed every live entry of every space anew, and keep the vectors; returns how many.

        With another embedder the file is that one's from then on.
        """
        with self._database.lock:
            self._embedder = embedder or self._embedder
            if self._embedder is None:
                raise StoreError(f"memory file {self.path}: rebuild_index needs an embedder; give it one")
            with self._database.writing():
                forget_origin(self._database)
            self._shared.agreed.clear()
            for memory in self._alive.values():
                memory.forget_copy()
            return sum(self.space(name).embed_all() for name in self.spaces())

    def export(self, folder: str | Path) -> dict[str, Any]:
        """Write all spaces, their past and their log as JSON lines into a new folder; returns the manifest."""
        with self._database.lock:
            return export(self._database, Path(folder))

    def load(self, folder: str | Path) -> list[SpaceName]:
        """Bring in the spaces of an export, past and log included, in one commit; returns their names.

        Raises Conflict if the file has a space of one of the names, StoreError on a damaged export. A file that was
        made for an export that cannot be had goes again when it is closed, if nothing was put into it meanwhile.
        """
        with self._database.lock:
            try:
                return [tuple(name) for name in load(self._database, Path(folder))]
            except StoreError:
                self._database.unwanted = True
                raise

    def copy(self, name: str | Sequence[str], to: str | Sequence[str]) -> DurableMemory:
        """A new space that holds what ``name`` holds now, names and metadata included, with a past of its own.

        Raises StoreError if there is no space ``name``, Conflict if there is a space ``to``.
        """
        if _checked_name(name) not in self.spaces():
            raise StoreError(f"memory file {self.path} has no space {name!r} to copy: `spaces()` tells what it has")
        if _checked_name(to) in self.spaces():
            raise Conflict(f"memory file {self.path} has a space {to!r}: drop it first, or take another name")
        with self._database.lock:
            source = self.space(name)
            source.refresh()
            settings = source.settings()
            twin = self.space(to, **{key: settings[key] for key in DEFAULTS})
            put = tuple((source.store_of(e.id), entry_to_dict(e), source.details_of(e.id)) for e in source.rows())
            twin.change(Change(why="load", put=put, settings={key: settings[key] for key in SETTINGS}))
            return twin


def _no_ranking(kind: str, budget: int) -> Bm25Part | VectorPart:
    """An archive that is never searched."""
    return archive_part(kind, budget, Counter(len), no_embedder(1))


def _checked_name(name: str | Sequence[str]) -> SpaceName:
    parts = tuple(several(name))
    if not parts or not all(isinstance(part, str) and part for part in parts):
        raise StoreError(f"space name = {name!r}: give a word or a path of words, none of them empty")
    return parts


def _checked(setting: str, value: Any) -> Any:
    if setting == "archive_kind":
        if value not in ("bm25", "vector"):
            raise StoreError(f"space archive_kind = {value!r}: it must be 'bm25' or 'vector'")
    elif isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise StoreError(f"space budget {setting} = {value!r}: it must be a whole number of at least 0 tokens")
    return value


def _check_fit(memory: DurableMemory, changed: dict[str, Any]) -> None:
    memory.refresh()
    for store in ("token", "graph", "archive"):
        part = getattr(memory, store)
        if store in changed and part is not None and part.tokens_used > changed[store]:
            raise Conflict(
                f"space {memory.name} budget {store} = {changed[store]}: it holds {part.tokens_used} tokens under "
                f"{part.budget}; ask for at least {part.tokens_used}, or forget some"
            )
    left = {**{key: getattr(memory.head, key) for key in DEFAULTS}, **changed}
    if not (left["token"] or left["graph"] or left["archive"]):
        raise StoreError(f"space {memory.name}: all budgets would be 0; give token, graph or archive some tokens")
