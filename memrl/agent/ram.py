"""Memories that live as long as the program; each can be saved to a file and taken up again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from memory_stores.types import Entry, Forget, Stamp
from memrl.agent.files import can_hold, saved
from memrl.agent.homes import DEFAULT, checked_path, load
from memrl.agent.intake import Intake
from memrl.agent.keeping import Keeping, RamKeeping
from memrl.agent.results import Details
from memrl.agent.targets import State, check_free, fresh_beside, put, resolved, state_of
from memrl.contracts.errors import InputError, StorageError
from memrl.contracts.protocols import Agent


class RamHome:
    """Opens memories in RAM.

    Args:
        path: JSON file that the memory of nobody in particular is read from, if it exists, and saved to: for archives
            of a kind that no memory file can hold. None for none.
    """

    def __init__(self, agent: Agent, path: Path | None = None) -> None:
        self._agent = agent
        self._path = None if path is None else resolved(path)
        self._shown = path
        self._open: dict[str, Keeping] = {}
        self._own: dict[Path, tuple[str, State | None]] = {}
        """Files that were written or read here: whose memory each holds, and how it was left."""

    def open(self, name: str) -> Keeping:
        if name not in self._open:
            if self._path is not None and name != DEFAULT:
                raise InputError(
                    f"user({name!r}): the JSON file {self._shown} holds one memory only; wrap without memory="
                )
            there = self._path is not None and self._path.exists()
            if there and self._path:
                self._own[self._path] = (name, state_of(self._path))
            memory = load(self._path, self._agent) if there and self._path else self._agent.new_memory()
            self._open[name] = RamKeeping(memory)
        return self._open[name]

    def names(self) -> tuple[str, ...]:
        return tuple(self._open)

    def close(self) -> None:
        """Nothing is open."""

    def purge(self, name: str, keeping: Keeping, entries: Sequence[Entry], intake: Intake, what: str) -> None:
        held = [entry.id for entry in entries if keeping.memory.get(entry.id) is not None]
        intake.change([Forget(id) for id in held], Stamp(writer="user"), Details(), 0.0)
        if isinstance(keeping, RamKeeping):
            keeping.forget_past({entry.id for entry in entries})

    def save(self, path: str | Path | None, name: str, keeping: Keeping) -> Path:
        """To a new name, or over what was saved from this memory and nobody touched since."""
        shown = checked_path("save(path)", path) if path is not None else self._shown
        if shown is None:
            raise InputError("save(path): no path given, neither here nor as wrap(..., memory=path)")
        target = resolved(shown) if not shown.is_symlink() or shown.exists() else shown
        whose, left = self._own.get(target, ("", None))
        own = left if whose == name else None
        check_free(target, own)
        if can_hold(self._agent):
            saved(target, keeping, self._agent, replacing=own is not None and target.exists())
        else:
            _as_json(target, keeping, replacing=own is not None and target.exists())
        self._own[target] = (name, state_of(target))
        return shown


def _as_json(path: Path, keeping: Keeping, *, replacing: bool) -> None:
    with fresh_beside(path) as fresh:
        try:
            keeping.memory.save(fresh)
        except OSError as error:
            raise StorageError(f"memory file {path} cannot be written: {error.strerror or error}") from error
        put(fresh, path, replacing)
