"""One JSON file, written whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write beside the file, flush to disk, then rename over it: a crash leaves the old file as it was."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(data, file)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read_json(path: Path) -> dict[str, Any]:
    """The object in the file. Raises ValueError that names a corrupt file, FileNotFoundError for a missing one."""
    try:
        data: object = json.loads(path.read_bytes())
    except ValueError as error:
        raise corrupt(path, str(error)) from error
    if not isinstance(data, dict):
        raise corrupt(path, "it holds no JSON object")
    return cast("dict[str, Any]", data)


def corrupt(path: Path, reason: str) -> ValueError:
    """The one line for a memory file that cannot be read."""
    return ValueError(f"memory file {path} cannot be read ({reason}): restore a backup, or name a new file")
