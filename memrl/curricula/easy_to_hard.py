"""From mostly easy to mostly hard along a line."""

from __future__ import annotations

import numpy as np

from memrl.contracts.registry import register
from memrl.contracts.types import Task
from memrl.curricula._base import Scheduled


class EasyToHard(Scheduled):
    """Weights fall along the ladder in the beginning, rise along it at the end, and are even half-way.

    Cell i of K has the weight ``(1 - t) (K - i) + t (i + 1)`` after the share t of the run, i counted from 0.
    """

    def draw(self, count: int) -> list[Task]:
        cells = self._draws.names
        rank = np.arange(len(cells))
        weights = (1 - self.progress) * (len(cells) - rank) + self.progress * (rank + 1)
        return self._draws.tasks(cells, weights / weights.sum(), count)


register("curriculum", "easy_to_hard", lambda context: EasyToHard(context.draws, context.steps))
