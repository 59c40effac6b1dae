"""A file, written whole or not at all; and one JSON object as a file."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO, cast


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """One object as a file, by ``written_whole``."""
    with written_whole(path) as file:
        json.dump(data, file)


@contextmanager
def written_whole(path: Path) -> Generator[TextIO]:
    """Text beside the file, flushed to disk, then renamed over it: a crash or an error leaves the old file as it was.

    A link is followed and the file's mode is kept. Two who write at once take turns, and what a crash left beside the
    file goes at the next write. Raises ValueError where ``path`` is no file: a folder, a device, a pipe.
    """
    path = path.resolve()
    mode = _mode(path)
    with _beside(path) as (file, scratch):
        try:
            if mode is not None:
                scratch.chmod(mode)
            yield file
            file.flush()
            os.fsync(file.fileno())
            scratch.replace(path)
        except BaseException:
            with suppress(FileNotFoundError):
                scratch.unlink()
            raise


def _mode(path: Path) -> int | None:
    """Permissions of the file that is there; None for a new one."""
    try:
        found = path.stat().st_mode
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found):
        raise ValueError(f"{path} is {_kind(found)} and not a file: name a file to write")
    return stat.S_IMODE(found)


@contextmanager
def _beside(path: Path) -> Generator[tuple[TextIO, Path]]:
    """An empty file of a name of its own beside ``path``, for nobody else as long as it is open."""
    scratch = path.with_name(f".{path.name}.next.tmp")
    while True:
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        with os.fdopen(os.open(scratch, flags, 0o666), "w", encoding="utf-8") as file:
            if not _locked(file, scratch):
                continue  # whoever held it has renamed it meanwhile
            file.truncate(0)
            yield file, scratch
            return


def _locked(file: TextIO, scratch: Path) -> bool:
    """Wait for the file; False if it does not bear its name any more."""
    try:
        import fcntl
    except ImportError:  # a system without such locks
        return True
    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        return os.path.samestat(os.fstat(file.fileno()), scratch.stat())
    except FileNotFoundError:
        return False


def read_json(path: Path) -> dict[str, Any]:
    """The object in the file. Raises ValueError that names a corrupt file, FileNotFoundError for a missing one."""
    found = path.stat().st_mode
    if not stat.S_ISREG(found):
        raise ValueError(f"memory file {path} cannot be read (it is {_kind(found)}): name a file")
    try:
        data: object = json.loads(path.read_bytes())
    except ValueError as error:
        raise corrupt(path, str(error)) from error
    if not isinstance(data, dict):
        raise corrupt(path, "it holds no JSON object")
    return cast("dict[str, Any]", data)


def _kind(mode: int) -> str:
    return "a folder" if stat.S_ISDIR(mode) else "a device, a pipe or a socket"


def corrupt(path: Path, reason: str) -> ValueError:
    """The one line for a memory file that cannot be read."""
    return ValueError(f"memory file {path} cannot be read ({reason}): restore a backup, or name a new file")
