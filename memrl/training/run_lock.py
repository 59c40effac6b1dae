"""One process at a time trains in a run folder.

An advisory lock of the kernel (``flock``) on one open file: it goes with the process, however that ends, so a file
that a dead process left blocks nobody.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Self

from memrl.contracts.errors import RunFolderError
from memrl.training.checkpoints import writing

LOCK = ".lock"
"""Name of the file; it stays in the folder and holds the id of the last process that trained there."""


class FolderLock:
    """Held from ``take`` until ``release``, or until the process is gone."""

    def __init__(self, handle: int) -> None:
        self._handle: int | None = handle

    @classmethod
    def take(cls, folder: Path) -> Self:
        """Lock a folder that exists.

        Raises:
            RunFolderError: another run holds it, in this process or in another.
            StorageError: the file cannot be made.
        """
        with writing(folder / LOCK):
            handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.read(handle, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(handle)
            raise RunFolderError(
                f"run folder {folder}: a process trains there now (id {owner}); wait until it ends, or stop it"
            ) from error
        except OSError as error:
            os.close(handle)
            raise RunFolderError(
                f"run folder {folder}: its file system locks no files ({error.strerror}); train into another folder"
            ) from error
        with writing(folder / LOCK):
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        return cls(handle)

    def release(self) -> None:
        """Let others train there; nothing to do after the first time."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def __del__(self) -> None:
        self.release()
