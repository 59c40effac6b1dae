"""Memories in one SQLite file: a space for each user, every observation on disk when ``observe`` returns.

A file of the older JSON format is converted in place, once; its bytes stay beside it. What goes wrong with the file is
an InputError of one line.
"""

from __future__ import annotations

import itertools
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from memory_stores.codec import entry_to_dict
from memory_stores.durable import Details as Stored
from memory_stores.durable import DiskFull, DurableMemory, LoggedOp, MemoryFile, ReadOnly, StoreBusy, StoreError
from memory_stores.durable.subject import ID, Subject
from memory_stores.durable.types import Change
from memory_stores.graph_store import GraphStore
from memory_stores.memory import AgentMemory
from memory_stores.types import Entry, Forget, Item, MemoryOp, OpResult, Overwrite, Relink, Stamp, Write
from memrl.agent.homes import DEFAULT, check_shape, checked_path, load
from memrl.agent.intake import Intake
from memrl.agent.keeping import Event, Events, Former, Keeping, RamKeeping, changed
from memrl.agent.results import Details
from memrl.agent.targets import check_free, fresh_beside, is_same, put, resolved, state_of
from memrl.contracts.errors import DataError, StorageError
from memrl.contracts.protocols import Agent

T = TypeVar("T")
USERS = "users"
"""First word of the spaces of users; the memory of nobody in particular is the space "default"."""
KINDS = {"bm25_store": "bm25", "vector_store": "vector"}
"""Kinds of archives that a file can hold."""
BACKUP = ".json-backup"
SOURCE = "memrl_source"
"""Where the source of an entry stands in its metadata."""
ALSO = "memrl_also"
"""Where those stand who said the same before."""


@contextmanager
def told() -> Iterator[None]:
    """Errors of the file as those of what a user named."""
    try:
        yield
    except (DiskFull, ReadOnly, StoreBusy) as error:
        raise StorageError(str(error)) from error
    except StoreError as error:
        raise DataError(str(error)) from error


class FileKeeping:
    """One space of a memory file."""

    def __init__(self, memory: DurableMemory) -> None:
        self._memory = memory
        self._events, self._texts, self._seen = Events(), dict[str, str](), 0

    @property
    def memory(self) -> AgentMemory:
        return self._memory

    def refresh(self) -> None:
        with told():
            self._memory.refresh()

    def looked_at(self, look: Callable[[AgentMemory], T]) -> T:
        """Where uses cannot be noted (a full disk, a file that others hold) they are not: the answer is the same."""
        with told():
            try:
                return look(self._memory)
            except (DiskFull, ReadOnly, StoreBusy):
                return look(self._memory.fork())

    def details(self, id: str) -> Details:
        with told():
            return _told(self._memory.details_of(id))

    def apply(self, ops: Sequence[MemoryOp], stamp: Stamp, details: Details, now: float) -> list[OpResult]:
        """All of them, or none: one commit."""
        told_of = stored(details)
        each = [told_of if isinstance(op, Write | Overwrite | Relink) else None for op in ops]
        with told():
            return list(self._memory.apply_all(ops, stamp, details=each).results) if ops else []

    def history(self, id: str) -> list[Event]:
        return self._read().history(id)

    def current(self, id: str) -> str:
        return id if self._memory.get(id) is not None else self._read().current(id)

    def past(self) -> list[Former]:
        with told():
            ended = [one for one in self._memory.versions() if one.died is not None]
        return [Former(one.entry, _told(one.details)) for one in ended if isinstance(one.entry, Item)]

    def forget_past(self) -> None:
        """Words were taken out of the log: let go of what was read of it."""
        self._events, self._texts, self._seen = Events(), {}, 0

    def _read(self) -> Events:
        """The changes that the log tells of, read from where it was known."""
        with told():
            new = self._memory.log(self._seen)
        for record in new:
            self._seen = record.seq
            if record.refused is None:
                self._note(record)
        return self._events

    def _note(self, record: LoggedOp) -> None:
        op, texts = record.op, self._texts
        if isinstance(op, Change):
            texts |= {str(entry["id"]): str(entry.get("text", "")) for _, entry, _ in op.put}
            for id in op.drop if op.why in ("purge", "undo") else ():
                self._events.add(_gone(id, texts.pop(id, None), record.time))
            return
        for id in record.created:
            old = op.id if isinstance(op, Overwrite | Relink) else id
            text = getattr(op, "text", "")
            self._events.add(changed(id, old, texts.get(old), text, record.time))
            texts[id] = text
        if isinstance(op, Forget):
            self._events.add(_gone(op.id, texts.pop(op.id, None), record.time))


def _told(stored: Stored) -> Details:
    """What a memory file has, as details."""
    metadata = dict(stored.metadata or {})
    # Whoever else wrote into the file may have taken these names for something of their own: then it stays that.
    source = metadata.pop(SOURCE) if isinstance(metadata.get(SOURCE), str) else ""
    named = metadata.get(ALSO)
    also = metadata.pop(ALSO) if isinstance(named, list) and all(isinstance(one, str) for one in named) else ()
    time = stored.event_time
    return Details(
        time=time if isinstance(time, float | int) else None, source=source, also=tuple(also), metadata=metadata
    )


def _gone(id: str, text: str | None, time: float) -> Event:
    return Event(id=id, event="DELETE", before=text, after=None, new_id=None, time=time)


class FileHome:
    """A memory file, and the spaces in it.

    Raises:
        InputError: the file cannot be used.
    """

    def __init__(self, agent: Agent, path: Path, archive_tokens: int | None = None) -> None:
        self._agent, self._path, self._own = agent, path, resolved(path)
        self._unwiped = False
        """Whether bytes of what was purged may still lie in free pages."""
        self._convert()
        shape = agent.new_memory()
        parts = (("token", shape.token), ("graph", shape.graph), ("archive", shape.archive))
        self._budgets: dict[str, Any] = {name: 0 if part is None else part.budget for name, part in parts}
        if shape.archive is not None:
            self._budgets["archive_kind"] = KINDS[shape.archive.kind]
        with told():
            self._file = self._opened(path)

    def _opened(self, path: Path) -> MemoryFile:
        vectors = self._budgets.get("archive_kind") == "vector"
        embedder = self._agent.embedder if vectors else None
        return MemoryFile(path, count_tokens=self._agent.count_tokens, embedder=embedder)

    def open(self, name: str) -> Keeping:
        with told():
            space = self._space(name)
            if space in self._file.spaces():
                self._check(name, self._file.space(space))
            return FileKeeping(self._file.space(space, **self._budgets))

    def close(self) -> None:
        self._file.close()

    def _check(self, name: str, memory: DurableMemory) -> None:
        check_shape(f"{self._path} ({name})", memory, self._agent.new_memory())

    def _space(self, name: str) -> tuple[str, ...]:
        return (DEFAULT,) if name == DEFAULT else (USERS, name)

    def names(self) -> tuple[str, ...]:
        with told():
            spaces = self._file.spaces()
        return tuple(space[-1] for space in spaces if space == (DEFAULT,) or (len(space) == 2 and space[0] == USERS))

    def purge(self, name: str, keeping: Keeping, entries: Sequence[Entry], intake: Intake, what: str) -> None:
        """No byte of them is left in the file, the log included; nor of those that somebody kept from being wiped."""
        with told():
            space = self._file.space(self._space(name))
            named = () if ID.fullmatch(what) else (Subject(asked=what),)
            for subject in (*(Subject(id=entry.id) for entry in entries), *named):
                self._unwiped = any(space.scrub(subject)) or self._unwiped
            if not self._unwiped:
                return
            if isinstance(keeping, FileKeeping):
                keeping.forget_past()
            self._file.wipe()
        self._unwiped = False

    def save(self, path: str | Path | None, name: str, keeping: Keeping) -> Path:
        """Everything is on disk already; a new name gets a copy of this one memory."""
        target = self._own if path is None else checked_path("save(path)", path)
        if is_same(target, self._own):
            return self._path
        check_free(target)
        return saved(target, keeping, self._agent)

    def _convert(self) -> None:
        """A file of the older format becomes one of this, its bytes kept beside it."""
        if not self._path.exists() or not _is_json(self._path):
            return
        memory = load(self._own, self._agent)
        check_free(self._own, state_of(self._own), "wrap(memory=)")
        backup = _copied(self._path)
        saved(self._own, RamKeeping(memory), self._agent, replacing=True)
        warnings.warn(f"memory file {self._path} was JSON and is SQLite now; the old one is {backup}", stacklevel=2)


def check_file(path: Path) -> None:
    """Raises InputError where something is there that no memory can be read from, before a model is loaded for it."""
    if path.exists() and path.stat().st_size and not _is_json(path):
        with told():
            MemoryFile(path, count_tokens=len, read_only=True).close()


def can_hold(agent: Agent) -> bool:
    """Whether memories of an agent can live in a memory file."""
    archive = agent.new_memory().archive
    return archive is None or archive.kind in KINDS


def stored(details: Details) -> Stored:
    """Details as a memory file has them."""
    source: dict[str, Any] = {SOURCE: details.source} if details.source else {}
    also = {ALSO: list(details.also)} if details.also else {}
    return Stored(metadata={**details.metadata, **source, **also}, event_time=details.time)


def saved(path: Path, keeping: Keeping, agent: Agent, *, replacing: bool = False) -> Path:
    """Write one memory as a file of its own, whole or not at all.

    Args:
        replacing: whether it may come in the place of a file.

    Raises:
        InputError: there is a file, or none can be written.
    """
    shape = agent.new_memory().archive
    embedder = agent.embedder if shape is not None and shape.kind == "vector_store" else None
    with told(), fresh_beside(path) as fresh:
        with MemoryFile(fresh, count_tokens=agent.count_tokens, embedder=embedder) as file:
            _fill(file, keeping)
        put(fresh, path, replacing)
    return path


def _copied(path: Path) -> Path:
    """A copy of a file beside it, under a name that was free."""
    for number in itertools.count(1):
        backup = path.with_name(f"{path.name}{BACKUP}{'' if number == 1 else number}")
        try:
            with path.open("rb") as old, backup.open("xb") as new:
                shutil.copyfileobj(old, new)
        except FileExistsError:
            continue
        except OSError as error:
            raise StorageError(f"memory file {backup} cannot be written: {error.strerror or error}") from error
        shutil.copystat(path, backup)
        return backup
    raise AssertionError


def _fill(file: MemoryFile, keeping: Keeping) -> None:
    memory = keeping.memory
    budgets: dict[str, Any] = {"token": 0, "graph": 0, "archive": 0}
    settings: dict[str, Any] = {}
    held: list[tuple[str, Any, Stored]] = []
    for part in (memory.token, memory.graph, memory.archive):
        if part is not None:
            budgets[part.store] = part.budget
            settings[f"{part.store}_serial"] = part.state_dict()["serial"]
            past = part.history() if isinstance(part, GraphStore) else ()
            held += [
                (part.store, entry_to_dict(one), stored(keeping.details(one.id))) for one in (*past, *part.entries())
            ]
    if memory.archive is not None:
        budgets["archive_kind"] = KINDS[memory.archive.kind]
    file.space((DEFAULT,), **budgets).change(Change(why="load", put=tuple(held), settings=settings))


def _is_json(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(1) == b"{"
    except OSError as error:
        raise DataError(f"memory file {path} cannot be read: {error.strerror or error}") from error
