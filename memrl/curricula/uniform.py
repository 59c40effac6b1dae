"""Every cell equally often."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from memrl.contracts.contexts import CellDraws
from memrl.contracts.registry import register
from memrl.contracts.types import Task
from memrl.curricula._base import FromCells


class Uniform(FromCells):
    """Draws each cell with the same probability; learns nothing. The baseline for every curriculum.

    With ``cells=["base"]`` it is plain training on the target task.
    """

    def __init__(self, draws: CellDraws, cells: Sequence[str]) -> None:
        super().__init__(draws)
        self._cells = tuple(cells)

    def draw(self, count: int) -> list[Task]:
        return self._draws.tasks(self._cells, np.full(len(self._cells), 1.0 / len(self._cells)), count)


register("curriculum", "uniform", lambda context: Uniform(context.draws, context.draws.names))
register("curriculum", "target", lambda context: Uniform(context.draws, context.draws.names[-1:]))
