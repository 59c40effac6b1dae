"""What a curriculum may be made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from memrl.contracts.config import CurriculumConfig
from memrl.contracts.errors import ConfigError
from memrl.contracts.generation import TaskGenerator
from memrl.contracts.protocols import TaskSource
from memrl.curricula._draws import Draws


@dataclass(frozen=True, slots=True, kw_only=True)
class Kit:
    """What a curriculum may be made from."""

    draws: Draws
    config: CurriculumConfig
    task_source: TaskSource
    task_generator: TaskGenerator | None
    """None where nobody can check tasks of this task source exactly."""
    budget: int
    """Tokens of memory that tasks are played under."""
    cost: Callable[[str], int]
    """Tokens that keeping an observation's text takes."""
    seed: int
    steps: int
    """Of the whole run."""

    def need_task_generator(self) -> TaskGenerator:
        """The task generator. Raises ConfigError where the task source has none."""
        if self.task_generator is None:
            way_out = f"env {self.task_source.name!r} has no task generator; use uniform or bandit"
            raise ConfigError("curriculum.name", self.config.name, way_out)
        return self.task_generator
