"""What can go wrong with a memory file, each as a type of its own, in one line that says the way out.

StoreError (a ValueError)
├─ StoreBusy          others hold the file for longer than the wait that was allowed
├─ CorruptStore       a checksum, the log's chain or SQLite itself says that bytes were damaged
├─ SchemaTooNew       written by a later version
├─ NotAMemoryFile     another program's file, or a folder
├─ EmbedderMismatch   its vectors are another embedder's
├─ Conflict           the memory is not as the caller expected it, or a key was used for something else
├─ ReadOnly           opened to read, or the folder may not be written
└─ DiskFull           nothing was written
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import apsw


class StoreError(ValueError):
    """A memory file could not do what was asked. Nothing changed, unless the text says so."""


class StoreBusy(StoreError):
    """Others held the file for longer than the busy timeout."""


class CorruptStore(StoreError):
    """Bytes of the file are not those that were written. Nothing of it is returned as data."""


class SchemaTooNew(StoreError):
    """The file was written by a later version of memory_stores."""


class NotAMemoryFile(StoreError):
    """The path is a folder, or a file of another program."""


class EmbedderMismatch(StoreError):
    """The vectors in the file come from another embedder."""


class Conflict(StoreError):
    """The memory has moved on since the caller looked, or does not fit what is asked of it."""


class ReadOnly(StoreError):
    """The file was opened to read, or may not be written."""


class DiskFull(StoreError):
    """There was no room; the file is as it was."""


@contextmanager
def typed(path: Path) -> Generator[None]:
    """SQLite's errors as those above."""
    try:
        yield
    except apsw.Error as error:
        raise _named(path, error) from error
    except UnicodeDecodeError as error:
        raise corrupt(path, f"a text: {error.reason}") from error
    except UnicodeEncodeError as error:
        raise StoreError(
            f"memory file {path}: a text holds half a character ({error.reason}); clean it first"
        ) from error
    except OverflowError as error:
        raise StoreError(f"memory file {path}: a number does not fit 64 bits ({error}); give a smaller one") from error


def _named(path: Path, error: apsw.Error) -> StoreError:
    file = f"memory file {path}"
    match error:
        case apsw.BusyError() | apsw.LockedError():
            return StoreBusy(f"{file} is held by another process: try again, or allow a longer busy timeout")
        case apsw.NotADBError():
            return NotAMemoryFile(f"{file} is no memory file: name another, or a new one")
        case apsw.FullError():
            return DiskFull(f"{file}: the disk is full, nothing was written; make room and do it again")
        case apsw.ReadOnlyError():
            return ReadOnly(f"{file} may not be written: open it with read_only=True, or change its permissions")
        case apsw.CantOpenError():
            return StoreError(f"{file} cannot be opened ({error}): check that its folder exists and may be written")
        case apsw.IOError():
            return StoreError(f"{file}: the disk failed ({error}); nothing was acknowledged, check the disk")
        case (
            apsw.CorruptError()
            | apsw.SQLError()
            | apsw.ConstraintError()
            | apsw.FormatError()
            | apsw.SchemaChangeError()
        ):
            return corrupt(path, str(error))
        case _:
            return StoreError(f"{file}: {type(error).__name__}: {error}")


def corrupt(path: Path, what: str) -> CorruptStore:
    """The one line for a damaged file."""
    return CorruptStore(f"memory file {path} is damaged ({what}): restore a backup or an export, or name a new file")
