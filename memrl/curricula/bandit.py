"""A bandit over cells, drawn to where success is neither certain nor hopeless."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from memrl.algos.learnability import softmax_with_floor, success_variance
from memrl.contracts.checks import check
from memrl.contracts.contexts import CellDraws, CurriculumContext
from memrl.contracts.learning import Lesson
from memrl.contracts.registry import register
from memrl.contracts.types import Group, Task
from memrl.curricula._base import FromCells

Score = Callable[[float, float], float]
"""(successes, tries) of a cell, both fractional because they fade -> how much it deserves to be drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BanditOptions:
    """Of the curriculum "bandit" and of those on other scores."""

    temperature: float = 0.1
    """Of the softmax over the cells' scores."""
    fresh: float = 0.2
    """Share of draws that stay uniform."""

    def __post_init__(self) -> None:
        check(self, "curriculum.options.", temperature="(0, inf)", fresh="[0, 1]")


class Bandit(FromCells):
    """Softmax over each cell's learnability, ``n/(n-1) q (1-q)`` over its last answers (arXiv:2408.15099).

    A cell that nobody tried counts as fully learnable. Not for cells whose answers are coin flips: raw
    ``q (1-q)`` loves those; give it cells whose answers are computed.

    Args:
        score: of a cell that was tried.
        untried: score of one that was not.
        memory: share of the tally that a step keeps.
    """

    def __init__(
        self,
        draws: CellDraws,
        options: BanditOptions,
        memory: float = 0.9,
        score: Score = success_variance,  # pyright: ignore[reportArgumentType]
        untried: float = 0.25,
    ) -> None:
        super().__init__(draws)
        self._options, self._memory, self._score, self._untried = options, memory, score, untried
        self._cells = draws.names
        self._successes = np.zeros(len(self._cells))
        self._tries = np.zeros(len(self._cells))

    def _scores(self) -> np.ndarray:
        pairs = zip(self._successes, self._tries, strict=True)
        return np.array([self._score(s, n) if n >= 2 else self._untried for s, n in pairs])

    def draw(self, count: int) -> list[Task]:
        probabilities = softmax_with_floor(self._scores(), self._options.temperature, self._options.fresh)
        return self._draws.tasks(self._cells, probabilities, count)

    def observe(self, groups: Sequence[Group], lessons: Sequence[Lesson] = ()) -> None:
        """Count the answers of each cell, or its episodes where the whole alone is judged; what lies back fades by
        ``memory`` a step."""
        self._successes *= self._memory
        self._tries *= self._memory
        for group in groups:
            if group.task.cell not in self._cells:
                continue
            i = self._cells.index(group.task.cell)
            for episode in group.usable:
                if verdicts := episode.verdicts:
                    self._successes[i] += sum(v.score for v in verdicts)
                    self._tries[i] += len(verdicts)
                elif episode.is_judged:
                    self._successes[i] += episode.success
                    self._tries[i] += 1

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "successes": self._successes.copy(), "tries": self._tries.copy()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        self._successes = np.array(state["successes"], dtype=float)
        self._tries = np.array(state["tries"], dtype=float)


def _make(context: CurriculumContext, options: BanditOptions) -> Bandit:
    return Bandit(context.draws, options)


register("curriculum", "bandit", _make, BanditOptions)
