"""What a proposer chooses from: the contract that an environment's ``TaskGenerator.space()`` fulfils."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from memrl.contracts.types import Task


class TaskSpace(Protocol):
    """Levelled axes that tasks of a task source are made from, to choose one after the other."""

    levels: Mapping[str, tuple[float, ...]]
    """Axis -> its levels, from low to high; the axes in the order in which they are chosen."""
    base: Mapping[str, float]
    """Axis -> the level of the task that training is for."""

    def legal(self, chosen: Mapping[str, float], axis: str) -> tuple[bool, ...]:
        """Which levels of an axis leave at least one legal task, given the axes chosen before it."""
        ...

    def task(self, chosen: Mapping[str, float], seed: int) -> Any:
        """The candidate with these levels."""
        ...

    def axes(self, task: Task) -> Mapping[str, float] | None:
        """The levels of a task; None for one that was not made from levels."""
        ...
