"""Where a memory may be saved: to a new name, or over what this program saved there and nobody touched since."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from memrl.contracts.errors import InputError, StorageError

BESIDE = ("-wal", "-journal", "-shm")
"""Files that SQLite has beside one that is in use."""
State = tuple[int, int, int, int]
"""Device, number, time of change in nanoseconds and bytes of a file."""


def resolved(path: Path) -> Path:
    """Where it leads, from the root, links followed; stays true when the program goes to another folder."""
    return Path(os.path.realpath(path))


def is_same(path: Path, own: Path) -> bool:
    """Whether both spell one file: from elsewhere, by a symbolic or a hard link."""
    if resolved(path) == resolved(own):
        return True
    try:
        return path.samefile(own)
    except OSError:
        return False


def state_of(path: Path) -> State | None:
    """Tells whether a file was touched; None where there is none."""
    try:
        told = path.stat()
    except OSError:
        return None
    return (told.st_dev, told.st_ino, told.st_mtime_ns, told.st_size)


def check_free(path: Path, own: State | None = None, knob: str = "save(path)") -> None:
    """Raises InputError where something is there that is not ours, or somebody has it open.

    Args:
        own: the file as this program left it, which may be replaced.
    """
    if used := [name for name in BESIDE if os.path.lexists(f"{path}{name}")]:
        raise InputError(f"{knob} = {str(path)!r}: {path}{used[0]} says that it is in use; {_WAY_OUT}")
    if os.path.lexists(path) and (own is None or state_of(path) != own):
        whose = "" if own is None else ", changed by somebody else since it was saved"
        raise InputError(f"{knob} = {str(path)!r}: there is a file of that name{whose}; {_WAY_OUT}")


_WAY_OUT = "nothing is ever overwritten, so take a new name"


@contextmanager
def fresh_beside(path: Path) -> Iterator[Path]:
    """A name that nobody has, in the same folder; what is left under it afterwards is taken away."""
    fresh = path.with_name(f".{uuid4().hex}.new")
    try:
        yield fresh
    finally:
        for name in ("", *BESIDE):
            # Where nothing could be made there is nothing to take away, and what went wrong is told already.
            with suppress(OSError):
                Path(f"{fresh}{name}").unlink(missing_ok=True)


def put(fresh: Path, path: Path, replacing: bool) -> None:
    """Give a whole file its name. Raises InputError where somebody took the name first, else StorageError."""
    try:
        if replacing:
            shutil.copymode(path, fresh)
            fresh.replace(path)
            return
        try:
            os.link(fresh, path)
        except FileExistsError:
            raise
        except OSError:  # a file system without links
            path.open("xb").close()
            fresh.replace(path)
    except FileExistsError as error:
        raise InputError(f"save(path) = {str(path)!r}: there is a file of that name; {_WAY_OUT}") from error
    except OSError as error:
        raise StorageError(f"memory file {path} cannot be written: {error.strerror or error}") from error
