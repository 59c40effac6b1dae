"""A bandit over cells, drawn to where success is neither certain nor hopeless."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from memrl.algos.learnability import softmax_with_floor, success_variance
from memrl.config import CurriculumConfig
from memrl.curricula._draws import Draws
from memrl.protocols import Lesson, LossPart
from memrl.types import Group, Task


class Bandit:
    """Softmax over each cell's learnability, ``n/(n-1) q (1-q)`` over its last answers (arXiv:2408.15099).

    A cell that nobody tried counts as fully learnable. Not for cells whose answers are coin flips: raw
    ``q (1-q)`` loves those; give it cells whose answers are computed.
    """

    def __init__(self, draws: Draws, config: CurriculumConfig, memory: float = 0.9) -> None:
        self._draws, self._config, self._memory = draws, config, memory
        self._cells = draws.names
        self._successes = np.zeros(len(self._cells))
        self._tries = np.zeros(len(self._cells))

    def _scores(self) -> np.ndarray:
        pairs = zip(self._successes, self._tries, strict=True)
        return np.array([success_variance(s, n) if n >= 2 else 0.25 for s, n in pairs])  # pyright: ignore[reportArgumentType]

    def draw(self, count: int) -> list[Task]:
        probabilities = softmax_with_floor(self._scores(), self._config.temperature, self._config.fresh)
        return self._draws.tasks(self._cells, probabilities, count)

    def observe(self, groups: Sequence[Group], lessons: Sequence[Lesson] = ()) -> None:
        """Count the answers of each cell; what lies back fades by ``memory`` a step."""
        self._successes *= self._memory
        self._tries *= self._memory
        for group in groups:
            if group.task.cell not in self._cells:
                continue
            i = self._cells.index(group.task.cell)
            for episode in group.usable:
                verdicts = episode.verdicts
                self._successes[i] += sum(v.score for v in verdicts)
                self._tries[i] += len(verdicts)

    def homework(self) -> Sequence[LossPart]:
        """Nobody learns here."""
        return ()

    def metrics(self) -> dict[str, float]:
        return self._draws.shares()

    def state_dict(self) -> dict[str, Any]:
        return {"draws": self._draws.state_dict(), "successes": self._successes.copy(), "tries": self._tries.copy()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._draws.load_state_dict(state["draws"])
        self._successes = np.array(state["successes"], dtype=float)
        self._tries = np.array(state["tries"], dtype=float)
