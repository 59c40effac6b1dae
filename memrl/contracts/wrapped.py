"""What every source passes on that plays another one's tasks in its own way, such as ``chunks`` and ``poisoned``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from memrl.contracts.capabilities import Stretchable, able, brief_of
from memrl.contracts.protocols import Brief, TaskSource
from memrl.contracts.registry import make
from memrl.contracts.types import Task


class WrappedTasks:
    """Tasks of another source under a name of one's own; a subclass says what a play of them is.

    Args:
        env: the other one, a part of kind "env".
        env_options: its knobs that differ from its defaults.

    Raises:
        ConfigError: there is no such environment, or an option is not its.
    """

    name = ""

    def __init__(self, env: str, env_options: Mapping[str, Any]) -> None:
        self._source: TaskSource = make("env", env, env_options, "env.options.env")
        if (stretches := able(self._source, Stretchable)) is not None:
            self.at_horizon = lambda horizon: {"env_options": {**env_options, **stretches.at_horizon(horizon)}}

    def cells(self) -> Sequence[str]:
        """Those of the source."""
        return self._source.cells()

    def train(self, cell: str, seed: int) -> Task:
        return replace(self._source.train(cell, seed), env=self.name)

    def held_out(self, seed: int) -> Task:
        return replace(self._source.held_out(seed), env=self.name)

    def brief(self, task: Task) -> Brief:
        return brief_of(self._source, self.inner(task))

    def inner(self, task: Task) -> Task:
        """The task as its own source knows it."""
        return replace(task, env=self._source.name)
