"""The axes of theta as a space to choose from one axis at a time, with only legal thetas in reach."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from memrl.contracts.errors import ConfigError
from memrl.contracts.types import Task
from memrl.envs.memworld.edits import levels_of
from memrl.envs.memworld.theta import SURFACE, Theta

ORDER = (
    "objects", "carried", "people", "hops", "alias_rate", "plans", "questions", "horizon", "days", "ask_latest",
    "ask_day", "ask_path", "ask_count", "ask_act", "update_rate", "retract_rate", "contradict_rate", "link_kinds",
    "places", "delay", "distractor_level", "wait_rate", "unanswerable_rate",
)  # fmt: skip
"""Axes in the order in which they are chosen: what others depend on comes first. Those of plans are on offer where the
base has plans."""
LONGEST = 2
"""Longest horizon on offer, in horizons of the base theta: a jump to episodes that nobody can play teaches nothing."""


class MemWorldSpace:
    """The contract ``proposers.space.TaskSpace`` for MemWorld.

    Args:
        base: where a proposer starts from; its own levels are on offer beside those of ``edits.levels_of``.
    """

    def __init__(self, base: Theta) -> None:
        self._surface = {name: getattr(base, name) for name in SURFACE}
        offered = levels_of(base)
        self._order = tuple(name for name in ORDER if name in offered)
        self.base: Mapping[str, float] = {name: getattr(base, name) for name in self._order}
        self.levels: Mapping[str, tuple[float, ...]] = {name: self._levels(name, offered[name]) for name in self._order}
        self._legal = lru_cache(maxsize=50_000)(self._find_legal)

    def legal(self, chosen: Mapping[str, float], axis: str) -> tuple[bool, ...]:
        """Which levels of ``axis`` leave at least one legal theta, given the axes chosen before it."""
        return self._legal(tuple(chosen.items()), axis)

    def task(self, chosen: Mapping[str, float], seed: int) -> Task:
        """The training task of a theta, said as the base is. Raises ConfigError for one that cannot be."""
        theta = Theta.from_mapping({**self._surface, **chosen})
        return Task(env="memworld", theta=theta, seed=seed, split="train", cell="written")

    def axes(self, task: Task) -> Mapping[str, float] | None:
        """The levels of a task's theta; None for a task that somebody wrote event by event."""
        if not isinstance(task.theta, Theta):
            return None
        return {name: getattr(task.theta, name) for name in self._order}

    def _levels(self, name: str, offered: tuple[float, ...]) -> tuple[float, ...]:
        levels = {*offered, self.base[name]}
        if name == "horizon":
            levels = {level for level in levels if level <= LONGEST * self.base[name]}
        return tuple(sorted(levels))

    def _find_legal(self, chosen: tuple[tuple[str, float], ...], axis: str) -> tuple[bool, ...]:
        return tuple(_exists(self._easiest({**dict(chosen), axis: level})) for level in self.levels[axis])

    def _easiest(self, chosen: Mapping[str, float]) -> dict[str, float]:
        """The choice completed by the levels that ask least of the others."""
        axes: dict[str, float] = dict(chosen)
        for name in self._order:
            if name not in axes:
                axes[name] = self._least(name, axes)
        return axes

    def _least(self, name: str, axes: Mapping[str, float]) -> float:
        """The level of one axis that leaves most room, given those before it in ``ORDER``."""
        if name == "people":
            return 1.0 if axes["carried"] or not axes["objects"] else 0.0
        if name in ("horizon", "days"):
            return self.levels[name][-1]
        if name.startswith("ask_"):
            asked = any(axes.get(other, 0.0) for other in ORDER if other.startswith("ask_"))
            return 0.0 if asked or not _askable(name, axes) else 1.0
        return self.levels[name][0]


def _askable(name: str, axes: Mapping[str, float]) -> bool:
    located = axes["objects"] + axes["people"] > 0
    needs = {
        "ask_latest": located,
        "ask_day": located and axes["days"] > 0,
        "ask_path": axes["carried"] > 0,
        "ask_count": axes["objects"] > 0,
        "ask_act": axes.get("plans", 0.0) > 0,
    }
    return bool(needs[name])


def _exists(axes: Mapping[str, float]) -> bool:
    try:
        Theta.from_mapping(axes)
    except ConfigError:
        return False
    return True
