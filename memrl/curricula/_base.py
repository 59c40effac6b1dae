"""What every curriculum over cells has in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from memrl.contracts.contexts import CellDraws
from memrl.contracts.generation import AuxiliaryLoss
from memrl.contracts.learning import Lesson
from memrl.contracts.types import Group


class Quiet:
    """Nobody learns, and nothing is judged."""

    def auxiliary_losses(self) -> Sequence[AuxiliaryLoss]:
        """Nobody learns here."""
        return ()

    def drain_log(self) -> list[dict[str, Any]]:
        """Nothing is judged here."""
        return []


class FromCells(Quiet):
    """Draws from cells alone; a subclass says which."""

    def __init__(self, draws: CellDraws) -> None:
        self._draws = draws

    def observe(self, groups: Sequence[Group], lessons: Sequence[Lesson] = ()) -> None:
        """Nothing to learn from."""

    def metrics(self) -> dict[str, float]:
        return self._draws.shares()

    def state_dict(self) -> dict[str, Any]:
        return {"draws": self._draws.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._draws.load_state_dict(state["draws"])


class Scheduled(FromCells):
    """Counts steps, so that what is drawn can follow the share of the run that is over.

    Args:
        steps: of the whole run, at least 1.
    """

    def __init__(self, draws: CellDraws, steps: int) -> None:
        super().__init__(draws)
        self._steps, self._done = steps, 0

    @property
    def progress(self) -> float:
        """Share of the run that is over, in [0, 1]."""
        return min(1.0, self._done / self._steps)

    def observe(self, groups: Sequence[Group], lessons: Sequence[Lesson] = ()) -> None:
        self._done += 1

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "done": self._done}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        self._done = int(state["done"])
