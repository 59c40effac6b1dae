"""Every cell equally often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from memrl.curricula._draws import Draws
from memrl.protocols import Lesson, LossPart
from memrl.types import Group, Task


class Uniform:
    """Draws each cell with the same probability; learns nothing. The baseline for every curriculum.

    With ``cells=["base"]`` it is plain training on the target task.
    """

    def __init__(self, draws: Draws, cells: Sequence[str]) -> None:
        self._draws = draws
        self._cells = tuple(cells)

    def draw(self, count: int) -> list[Task]:
        return self._draws.tasks(self._cells, np.full(len(self._cells), 1.0 / len(self._cells)), count)

    def observe(self, groups: Sequence[Group], lessons: Sequence[Lesson] = ()) -> None:
        """Nothing to learn from."""

    def homework(self) -> Sequence[LossPart]:
        """Nobody learns here."""
        return ()

    def metrics(self) -> dict[str, float]:
        return self._draws.shares()

    def state_dict(self) -> dict[str, Any]:
        return self._draws.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._draws.load_state_dict(state)
