"""Two axes: a size, and a share that a size of 0 does not allow above 0."""

from __future__ import annotations

from collections.abc import Mapping

from memrl.contracts.types import Task


class ToySpace:
    levels: Mapping[str, tuple[float, ...]] = {"size": (0, 1, 2), "share": (0.0, 0.5, 1.0)}
    base: Mapping[str, float] = {"size": 1, "share": 0.0}

    def legal(self, chosen: Mapping[str, float], axis: str) -> tuple[bool, ...]:
        return (True, False, False) if axis == "share" and chosen["size"] == 0 else (True, True, True)

    def task(self, chosen: Mapping[str, float], seed: int) -> Task:
        return Task(env="toy", theta=tuple(sorted(chosen.items())), seed=seed)

    def axes(self, task: Task) -> Mapping[str, float]:
        return dict(task.theta)
