"""``Database``: the one SQLite file, opened safely, with a lock for the threads of this process.

SQLite does the locking between processes, the log ahead of the file (WAL) and the flushing to disk.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import apsw

from memory_stores.durable.errors import NotAMemoryFile, ReadOnly, StoreError, typed
from memory_stores.durable.schema import APPLICATION_ID, is_newest, upgrade

SMALLEST = 512
"""Bytes of the smallest SQLite file that holds anything."""
PRAGMAS = (
    "synchronous = FULL",
    "secure_delete = ON",
    "temp_store = MEMORY",
    "journal_size_limit = 67108864",
    "cell_size_check = ON",
    "trusted_schema = OFF",
)


class Database:
    """One connection to one file.

    Args:
        path: of the file; made if it is missing and may be written.
        read_only: leave the file as it is.
        busy_seconds: how long to wait for other writers.

    Raises:
        StoreError: one of its kinds, naming the file and the way out.
    """

    def __init__(self, path: Path, *, read_only: bool, busy_seconds: float) -> None:
        self.path, self.read_only = path, read_only
        self.lock = threading.RLock()
        self.unwanted = False
        """Close it without a trace, if it was made here and nothing was ever put into it."""
        self._pid, self._absolute = os.getpid(), path.absolute()
        _look_at(path, read_only)
        self._made = not path.exists()
        with typed(path):
            self._connection: Any = self._open(busy_seconds)
        try:
            self._make_ready(busy_seconds)
            self._file = self._there()
        except BaseException:
            self.close()
            raise

    def _open(self, busy_seconds: float) -> Any:
        if self.read_only:
            flags, name = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI, self.path.absolute().as_uri()
            # With no log beside it, in a folder that may not be written, SQLite needs to be told that nobody writes.
            if not os.access(self.path.parent, os.W_OK) and not Path(f"{self.path}-wal").exists():
                name += "?immutable=1"
        else:
            # From the root: ":memory:" is a file's name like any other.
            flags, name = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE, str(self.path.absolute())
        connection: Any = apsw.Connection(name, flags=flags)
        connection.set_busy_timeout(int(busy_seconds * 1000))
        return connection

    def _make_ready(self, busy_seconds: float) -> None:
        connection = self.connection
        with typed(self.path):
            for pragma in PRAGMAS:
                connection.execute(f"PRAGMA {pragma}")
            # In this order: a file that another process makes at this moment gets its mark with its first table.
            filled, marked = connection.pragma("schema_version"), connection.pragma("application_id")
            if marked != APPLICATION_ID and (marked or filled):
                raise NotAMemoryFile(f"memory file {self.path} belongs to another program: name another, or a new one")
            if self.read_only and marked != APPLICATION_ID:
                raise NotAMemoryFile(f"memory file {self.path} is empty: open it once without read_only=True")
            if not self.read_only:
                self._into_wal(busy_seconds)
                upgrade(connection, self.path)
            elif not is_newest(connection, self.path):
                raise ReadOnly(f"memory file {self.path} is of an older version: open it once without read_only=True")

    def _into_wal(self, busy_seconds: float) -> None:
        # SQLite does not wait for others at this one statement.
        until = time.monotonic() + busy_seconds
        while True:
            try:
                self.connection.execute("PRAGMA journal_mode = WAL")
                return
            except apsw.BusyError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.01)

    @property
    def connection(self) -> Any:
        """Raises StoreError once closed, and in a child process that inherited it."""
        if self._connection is None:
            raise StoreError(f"memory file {self.path} is closed: open it again")
        if os.getpid() != self._pid:
            raise StoreError(f"memory file {self.path} was opened in another process: open it in this one")
        return self._connection

    def close(self) -> None:
        """Let go of the file. A second call does nothing."""
        with self.lock:
            connection, self._connection = self._connection, None
            if connection is not None and os.getpid() == self._pid:
                if self.unwanted and self._made:
                    self._unmake(connection)
                connection.close()

    def _unmake(self, connection: Any) -> None:
        # Out of WAL, and then alone with the file: neither can be had while anybody else has it open.
        with suppress(apsw.Error, OSError):
            connection.set_busy_timeout(0)
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.execute("BEGIN EXCLUSIVE")
            if not list(connection.execute("SELECT 1 FROM meta UNION ALL SELECT 1 FROM spaces")):
                self.path.unlink()

    def rows(self, sql: str, bindings: Any = ()) -> list[tuple[Any, ...]]:
        """All rows of a statement. Raises StoreError."""
        with typed(self.path):
            return list(self.connection.execute(sql, bindings))

    def many(self, sql: str, bindings: Any) -> None:
        """One statement for each of the bindings. Raises StoreError."""
        if bindings:
            with typed(self.path):
                self.connection.executemany(sql, bindings)

    @contextmanager
    def writing(self) -> Generator[None]:
        """All or nothing, and nobody else writes meanwhile. Raises ReadOnly, StoreBusy, DiskFull, CorruptStore."""
        if self.read_only:
            raise ReadOnly(f"memory file {self.path} was opened with read_only=True: open it without, to write")
        with self._transaction("BEGIN IMMEDIATE"):
            self._check_there()
            yield

    def _check_there(self) -> None:
        """Raises StoreError where the file was removed, moved or replaced: what is written then would be lost."""
        if self._there() != self._file:
            raise StoreError(
                f"memory file {self.path} was removed or replaced since it was opened: put it back, or open it again"
            )

    def _there(self) -> tuple[int, int] | None:
        """Device and number of the file that has the name now."""
        try:
            told = self._absolute.stat()
        except OSError:
            return None
        return told.st_dev, told.st_ino

    @contextmanager
    def reading(self) -> Generator[None]:
        """Everything read inside is of one moment."""
        if self.connection.in_transaction:
            yield
            return
        with self._transaction("BEGIN"):
            yield

    @contextmanager
    def _transaction(self, begin: str) -> Generator[None]:
        connection = self.connection
        with typed(self.path):
            connection.execute(begin)
            try:
                yield
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise


def _look_at(path: Path, read_only: bool) -> None:
    """What can be told before SQLite is asked, in plainer words than it would find.

    The file itself is not opened here: closing it again would let go of the locks that this process has on it.
    """
    if path.is_dir():
        raise NotAMemoryFile(f"memory file {path} is a folder: name a file in it, such as {path / 'notes.db'}")
    if path.exists():
        if not path.is_file():
            raise NotAMemoryFile(f"memory file {path} is no ordinary file: name another")
        # SQLite would take a file of a few bytes for an empty one.
        if 0 < path.stat().st_size < SMALLEST:
            raise NotAMemoryFile(f"memory file {path} is no memory file: name another, or a new one")
        if not read_only and not os.access(path, os.W_OK):
            raise ReadOnly(f"memory file {path} may not be written: open it with read_only=True")
    elif read_only:
        raise StoreError(f"memory file {path} does not exist: open it without read_only=True to make it")
    elif not path.parent.is_dir():
        raise StoreError(f"memory file {path}: its folder does not exist; make {path.parent} first")
    elif not os.access(path.parent, os.W_OK):
        raise ReadOnly(f"memory file {path}: its folder may not be written; name another")
