"""A hand-made schedule: short episodes first, longer ones after fixed shares of the run."""

from __future__ import annotations

import numpy as np

from memrl.contracts.registry import register
from memrl.contracts.types import Task
from memrl.curricula._base import Scheduled

STAGES = (0.2, 0.4, 0.6)
"""Shares of the run after which the next stage begins."""


class HorizonSchedule(Scheduled):
    """Cells in four stages, easiest first; one stage at a time, each of its cells equally often.

    AgentGym-RL (ScalingInter-RL) raises the number of rounds by a fixed list of steps; here the ladder's cells, whose
    horizons grow, take the place of that number. The last stage, which ends in the target task, has the last 40 %.
    """

    def draw(self, count: int) -> list[Task]:
        stages = np.array_split(np.array(self._draws.names), len(STAGES) + 1)
        at = sum(self.progress >= threshold for threshold in STAGES)
        # A ladder of fewer cells than stages leaves some stages empty: the nearest easier one stands in.
        cells = [str(name) for name in next(stage for stage in stages[at::-1] if len(stage))]
        return self._draws.tasks(cells, np.full(len(cells), 1.0 / len(cells)), count)


register("curriculum", "horizon_schedule", lambda context: HorizonSchedule(context.draws, context.steps))
