"""Prioritized Level Replay: half of the tasks are old ones, the surprising and the long unseen first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from memrl.algos.priorities import rank_weights, staleness_weights
from memrl.contracts.contexts import CellDraws
from memrl.contracts.learning import Lesson
from memrl.contracts.registry import register
from memrl.contracts.types import Group, Task
from memrl.curricula._base import FromCells

REPLAY, TEMPERATURE, STALENESS, SIZE = 0.5, 0.1, 0.3, 4000
"""Of the maze settings of ``facebookresearch/dcd`` (PLR, arXiv:2010.03934; robust PLR, arXiv:2110.02439)."""
SEEN_FIRST = 64
"""Levels seen before any is replayed. The maze settings wait for 2,000, which a run of tens of steps never sees."""


class Replay(FromCells):
    """A level is a cell with a seed. Its score is the mean distance of a try's success from the group's mean.

    That is the L1 value loss of the paper with the siblings' mean in place of a critic. New levels are drawn from all
    cells evenly. Unlike robust PLR, new levels train as well: an unused play would cost as much as a used one.
    No level is replayed twice in one step, which the sharp ranks would bring about otherwise.
    """

    def __init__(self, draws: CellDraws, seed: int) -> None:
        super().__init__(draws)
        self._rng = np.random.default_rng([seed, 0x917])
        self._levels: dict[tuple[str, int], tuple[float, int]] = {}
        self._step = 0

    def draw(self, count: int) -> list[Task]:
        waits = len(self._levels) < SEEN_FIRST
        replays = 0 if waits else min(len(self._levels), int(self._rng.binomial(count, REPLAY)))
        cells = self._draws.names
        new = self._draws.tasks(cells, np.full(len(cells), 1.0 / len(cells)), count - replays)
        return new + self._old(replays)

    def _old(self, count: int) -> list[Task]:
        if not count:
            return []
        levels = list(self._levels)
        scores, last = map(np.array, zip(*self._levels.values(), strict=True))
        by_rank, by_age = rank_weights(scores, TEMPERATURE), staleness_weights(last.astype(float), self._step)
        chosen: list[int] = []
        for _ in range(count):
            weights = (by_age if self._rng.random() < STALENESS else by_rank).copy()
            weights[chosen] = 0.0
            weights = weights if weights.sum() else np.where(np.isin(np.arange(len(levels)), chosen), 0.0, 1.0)
            chosen.append(int(self._rng.choice(len(levels), p=weights / weights.sum())))
        return [self._draws.task(*levels[i]) for i in chosen]

    def observe(self, groups: Sequence[Group], lessons: Sequence[Lesson] = ()) -> None:
        self._step += 1
        for group in groups:
            successes = np.array([episode.success for episode in group.usable])
            if len(successes) and group.task.cell in self._draws.names:
                score = float(np.abs(successes - successes.mean()).mean())
                self._levels[group.task.cell, group.task.seed] = (score, self._step)
        for level in sorted(self._levels, key=lambda level: self._levels[level])[: max(0, len(self._levels) - SIZE)]:
            del self._levels[level]

    def state_dict(self) -> dict[str, Any]:
        levels = [[cell, seed, score, last] for (cell, seed), (score, last) in self._levels.items()]
        return {
            **super().state_dict(), "rng": self._rng.bit_generator.state, "levels": levels, "step": self._step,
        }  # fmt: skip

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        self._rng.bit_generator.state = state["rng"]
        self._levels = {(cell, seed): (score, last) for cell, seed, score, last in state["levels"]}
        self._step = int(state["step"])


register("curriculum", "plr", lambda context: Replay(context.draws, context.seed))
