"""Checkpoints: every part's state in one file, written whole or not at all; the newest and the best are kept.

A process may be killed, or a disk be full, at any point: a file under its own name is always whole, what was begun
stands beside it under a scratch name until ``sweep``, and an old checkpoint goes only when the new one is on disk.
"""

from __future__ import annotations

import contextlib
import io
import os
import random
import re
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from memrl.contracts.errors import RunFolderError, StorageError
from memrl.contracts.kept_state import safe_types

_NAME = re.compile(r"step-(\d{6,})\.pt")
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
"""Colours of a terminal, which torch's messages have."""


def write_checkpoint(
    folder: Path, step: int, state: Mapping[str, Any], keep_last: int = 2, best: int | None = None
) -> Path:
    """Write a step's state, then drop all but the newest ones and the best step's. A crash leaves the old files.

    Raises:
        StorageError: as ``write_state``; the old files are as they were.
    """
    with writing(folder):
        folder.mkdir(exist_ok=True)
    target = folder / f"step-{step:06d}.pt"
    write_state(target, state)
    drop_old(folder, keep_last, best)
    return target


def drop_old(folder: Path, keep_last: int, best: int | None) -> None:
    """Remove all but the newest checkpoints and the best step's."""
    for old in checkpoint_files(folder)[keep_last:]:
        if step_of(old) != best:
            old.unlink(missing_ok=True)


def write_state(target: Path, state: Mapping[str, Any]) -> None:
    """Write beside the target, flush to disk, rename, flush the folder.

    ``state`` holds tensors, numpy arrays and plain Python values: nothing whose loading would run code.

    Raises:
        StorageError: the disk is full or will not be written; an older file under that name is as it was.
    """
    import torch

    # To memory first: torch hides a disk's error behind one of its own archive writer.
    packed = io.BytesIO()
    torch.save(dict(state), packed)
    with writing(target):
        handle, scratch = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(packed.getbuffer())
                file.flush()
                os.fsync(file.fileno())
            Path(scratch).replace(target)
        except BaseException:
            Path(scratch).unlink(missing_ok=True)
            raise
        _sync_folder(target.parent)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """What the disk refuses inside becomes one StorageError that names the file."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written ({error.strerror or error}): make room there, or free it"
        ) from error


def _sync_folder(folder: Path) -> None:
    """A rename is on disk only with its folder."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sweep(folder: Path) -> None:
    """Remove the scratch files that a killed process left."""
    for pattern in (".*.json.*.tmp", ".step-*.pt.*.tmp"):
        for path in folder.glob(pattern):
            path.unlink(missing_ok=True)


def drop_newer(folder: Path, step: int) -> None:
    """Remove the checkpoints after a step: they could not be read, and their steps are played again."""
    for path in checkpoint_files(folder):
        if step_of(path) > step:
            path.unlink(missing_ok=True)


def checkpoint_files(folder: Path) -> list[Path]:
    """Newest first; empty if nothing was saved. Raises RunFolderError where nobody may look."""
    if folder.is_dir() and not os.access(folder, os.R_OK | os.X_OK):
        raise RunFolderError(f"{folder} cannot be read (Permission denied); make it readable")
    return sorted((path for path in folder.glob("step-*.pt") if step_of(path) >= 0), key=step_of, reverse=True)


def step_of(path: Path) -> int:
    """The step in a checkpoint's name; -1 for another file."""
    match = _NAME.fullmatch(path.name)
    return int(match[1]) if match else -1


def read_newest(folder: Path, tell: Callable[[str], None]) -> dict[str, Any] | None:
    """The newest checkpoint that can be read, on the CPU; None if nothing was saved. Skipped files are told.

    Raises:
        RunFolderError: there are checkpoints and none can be read.
    """
    files = checkpoint_files(folder)
    for path in files:
        try:
            return read_state(path)
        except (OSError, RuntimeError, EOFError, ValueError) as error:
            reason = _ESCAPES.sub("", str(error)).strip().partition("\n")[0]
            tell(f"checkpoint {path} cannot be read ({reason}): going back to the one before")
    if files:
        raise RunFolderError(
            f"run folder {folder.parent}: none of its checkpoints can be read ({', '.join(p.name for p in files)}); "
            "restore one from a backup, or train again into another folder"
        )
    return None


def read_state(path: Path) -> dict[str, Any]:
    """What ``write_state`` wrote, on the CPU. Raises ValueError for a file that is none, OSError as the disk does."""
    import pickle

    import torch

    try:
        # torch itself compares no checksums: a flipped bit would come back as a weight.
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            raise ValueError(f"its part {damaged} is damaged")
        with torch.serialization.safe_globals(safe_types()):
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise ValueError(str(error)) from error
    if not isinstance(state, dict):
        raise ValueError("it holds no parts")
    return state


def seed_everything(seed: int) -> None:
    """Python, numpy and torch, all devices."""
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def rng_state() -> dict[str, Any]:
    """Where the global generators of Python, numpy and torch stand."""
    import torch

    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    numpy_state = np.random.get_state(legacy=True)
    return {"python": random.getstate(), "numpy": numpy_state, "torch": torch.get_rng_state(), "cuda": cuda}


def set_rng_state(state: Mapping[str, Any]) -> None:
    """Go on as from ``rng_state``; CUDA generators only where as many devices are there."""
    import torch

    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    np.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"])
    if torch.cuda.is_available() and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
