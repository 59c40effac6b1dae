"""What ``memrl.wrap`` stands in: a person talks, so there is nothing to draw, to play or to judge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from memrl.contracts.errors import ConfigError
from memrl.contracts.registry import register
from memrl.contracts.types import Task


class Conversation:
    """A task source without tasks. Raises ConfigError when it is asked for one."""

    name = "conversation"

    def make(self, task: Task) -> Any:
        return self._none()

    def cells(self) -> Sequence[str]:
        return self._none()

    def train(self, cell: str, seed: int) -> Task:
        return self._none()

    def held_out(self, seed: int) -> Task:
        return self._none()

    def _none(self) -> NoReturn:
        raise ConfigError("env.name", self.name, "a person does the talking: it has no tasks to train or evaluate on")


register("env", "conversation", Conversation)
