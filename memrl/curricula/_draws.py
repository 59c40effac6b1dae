"""Cells to tasks: the random part that all curricula share, with its own state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memrl.contracts.protocols import TaskSource
from memrl.contracts.types import Task


class Draws:
    """Turns probabilities over cells into tasks with fresh (or pooled) seeds.

    Args:
        env: name of the environment task source.
        cells: cell name -> theta.
        seed: of the whole stream of tasks.
        pool: draw seeds from this many a cell, so that texts repeat and embeddings stay cached; 0 for no limit.
    """

    def __init__(self, source: TaskSource, seed: int, pool: int = 0) -> None:
        self._source, self._cells, self._pool = source, tuple(source.cells()), pool
        self._rng = np.random.default_rng([seed, 0xC0])
        self._last: Counter[str] = Counter()

    @property
    def names(self) -> tuple[str, ...]:
        return self._cells

    def tasks(self, cells: Sequence[str], probabilities: NDArray[np.float64], count: int) -> list[Task]:
        chosen = [cells[int(i)] for i in self._rng.choice(len(cells), size=count, p=probabilities)]
        self._last.update(chosen)
        return [self.task(cell, self.seed()) for cell in chosen]

    def task(self, cell: str, seed: int) -> Task:
        """The training task of a cell and a seed."""
        return self._source.train(cell, seed)

    def seed(self) -> int:
        """A seed for a task, of the pool if there is one."""
        return int(self._rng.integers(self._pool or 2**31))

    def shares(self) -> dict[str, float]:
        """Share of each cell among the draws since the last call."""
        total = sum(self._last.values())
        shares = {f"curriculum/{name}": self._last[name] / total if total else 0.0 for name in self._cells}
        self._last.clear()
        return shares

    def state_dict(self) -> dict[str, Any]:
        return {"rng": self._rng.bit_generator.state, "last": dict(self._last)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._rng.bit_generator.state = state["rng"]
        self._last = Counter(state["last"])
