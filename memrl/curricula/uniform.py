"""Every cell equally often."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from memrl.contracts.types import Task
from memrl.curricula._base import FromCells
from memrl.curricula._draws import Draws


class Uniform(FromCells):
    """Draws each cell with the same probability; learns nothing. The baseline for every curriculum.

    With ``cells=["base"]`` it is plain training on the target task.
    """

    def __init__(self, draws: Draws, cells: Sequence[str]) -> None:
        super().__init__(draws)
        self._cells = tuple(cells)

    def draw(self, count: int) -> list[Task]:
        return self._draws.tasks(self._cells, np.full(len(self._cells), 1.0 / len(self._cells)), count)
