"""A task source that is nothing but its cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from memrl.contracts.protocols import Env
from memrl.contracts.types import Task


class CellSource:
    """Cell name -> theta; nobody plays them."""

    name = "toy"

    def __init__(self, thetas: Mapping[str, Any]) -> None:
        self._thetas = thetas

    def cells(self) -> Sequence[str]:
        return tuple(self._thetas)

    def train(self, cell: str, seed: int) -> Task:
        return Task(env=self.name, theta=self._thetas[cell], seed=seed, cell=cell)

    def held_out(self, seed: int) -> Task:
        return Task(env=self.name, theta=None, seed=seed, split="eval")

    def make(self, task: Task) -> Env:
        raise AssertionError("nobody plays here")
