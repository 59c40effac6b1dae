"""Where memories live: what ``ram.py`` and ``files.py`` have in common. One memory for each user."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from memory_stores.memory import AgentMemory
from memory_stores.types import Entry
from memrl.agent.intake import Intake
from memrl.agent.keeping import Keeping
from memrl.agent.targets import BESIDE
from memrl.contracts.errors import ConfigError, DataError, InputError
from memrl.contracts.protocols import Agent

DEFAULT = "default"
LONGEST_NAME = 200
"""Bytes of a file's name, so that files beside it have room for theirs."""


class Home(Protocol):
    """Opens the memories of users."""

    def open(self, name: str) -> Keeping:
        """One user's memory, as it was left."""
        ...

    def names(self) -> tuple[str, ...]:
        """Everybody who has one here."""
        ...

    def purge(self, name: str, keeping: Keeping, entries: Sequence[Entry], intake: Intake, what: str) -> None:
        """Remove entries for good, held or of the past, so that nothing tells of them.

        Args:
            what: as it was named; words of earlier questions that have it in them go as well.
        """
        ...

    def close(self) -> None:
        """Let go of the file, if there is one."""
        ...

    def save(self, path: str | Path | None, name: str, keeping: Keeping) -> Path:
        """See that a memory is in a file; returns that file. Raises InputError."""
        ...


def checked_path(knob: str, path: str | Path) -> Path:
    """A path that can be a memory file. Raises InputError for a folder, an empty name, or a folder that is missing."""
    if not isinstance(path, str | Path) or not str(path).strip():
        raise InputError(f"{knob} = {path!r}: name a file, such as notes.db")
    path = Path(path)
    if "\0" in str(path) or len(os.fsencode(path.name)) > LONGEST_NAME:
        raise InputError(f"{knob} = {str(path)!r:.80}: no file can have such a name; take another, such as notes.db")
    if path.name.endswith(BESIDE):
        raise InputError(f"{knob} = {str(path)!r}: SQLite takes such names for its own; take another, such as notes.db")
    if path.is_dir():
        raise InputError(f"{knob} = {str(path)!r}: it is a folder; name a file in it, such as {path / 'notes.db'}")
    if not path.parent.is_dir():
        raise InputError(f"{knob} = {str(path)!r}: there is no folder {path.parent}; make it first")
    return path


def load(path: Path, agent: Agent) -> AgentMemory:
    """A JSON file's memory, an archive of the run's own kind included, if it is of the shape that the agent works on.

    Raises:
        DataError: the file cannot be read.
        ConfigError: its stores are others than the agent's.
    """
    expected = agent.new_memory()
    try:
        memory = AgentMemory.load(
            path, count_tokens=agent.count_tokens, embedder=agent.embedder, archive=agent.new_memory().archive
        )
    except ValueError as error:
        raise DataError(str(error)) from error
    except OSError as error:
        raise DataError(f"memory file {path} cannot be read: {error.strerror or error}") from error
    check_shape(str(path), memory, expected)
    return memory


def check_shape(path: str, memory: AgentMemory, expected: AgentMemory) -> None:
    """Raises ConfigError where a memory has other stores than expected, or larger ones than its budgets here allow."""
    has, wants = _shape(memory), _shape(expected)
    if has != wants:
        way_out = (
            f"it holds {_listed(has)}, this model works on {_listed(wants)}; wrap what made it, or name a new file"
        )
        raise ConfigError("wrap(memory=)", path, way_out)


def _shape(memory: AgentMemory) -> tuple[str, ...]:
    named = (("token memory", memory.token), ("a graph", memory.graph), ("an archive", memory.archive))
    return tuple(name for name, part in named if part is not None)


def _listed(names: tuple[str, ...]) -> str:
    return " and ".join(names) or "nothing"
