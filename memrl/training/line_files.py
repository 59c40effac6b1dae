"""Files of one JSON line a step: appended to, cut back to a step, read without a torn last line."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from memrl.contracts.errors import RunFolderError
from memrl.training.checkpoints import writing


def append(path: Path, line: Mapping[str, Any]) -> None:
    """Write one line. Raises StorageError."""
    with writing(path), path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, sort_keys=True, allow_nan=False) + "\n")


def read_lines(path: Path) -> list[dict[str, Any]]:
    """All whole lines; none where there is no file. Raises RunFolderError, naming the line that is none."""
    try:
        lines = path.read_bytes().rpartition(b"\n")[0].splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RunFolderError(f"{path} cannot be read ({error.strerror}); put back what was there") from error
    found: list[dict[str, Any]] = []
    for number, line in enumerate(lines, 1):
        try:
            found.append(json.loads(line))
        except ValueError as error:
            way_out = "the file was changed; restore that line, or take it out"
            raise RunFolderError(f"{path}, line {number}: {line[:40]!r} is no JSON: {way_out}") from error
    return found


def synced_size(path: Path) -> int:
    """Bytes of a file that has reached the disk."""
    with writing(path), path.open("ab") as file:
        os.fsync(file.fileno())
    return path.stat().st_size


def truncate(path: Path, size: int) -> None:
    """Cut a file back. Raises RunFolderError where it is shorter already."""
    have = path.stat().st_size if path.exists() else 0
    if have < size:
        raise RunFolderError(
            f"{path}: {have} bytes where its checkpoint counted {size}: it was changed; restore it, or train again"
        )
    if have > size:
        os.truncate(path, size)


def drop_after(path: Path, step: int) -> None:
    """Cut a file of lines after a step's, or before the first line that a kill left torn."""
    kept = 0
    for line in path.read_bytes().splitlines(keepends=True) if path.exists() else ():
        if not line.endswith(b"\n") or _step_in(line) > step:
            break
        kept += len(line)
    truncate(path, kept)


def finite(value: float) -> float | None:
    """The number, or None where JSON has none for it."""
    return float(value) if math.isfinite(value) else None


def _step_in(line: bytes) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, TypeError, KeyError):
        return math.inf
