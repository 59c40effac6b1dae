"""What a curriculum may be made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from memrl.contracts.config import CurriculumConfig
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import EnvFamily, Workshop
from memrl.curricula._draws import Draws


@dataclass(frozen=True, slots=True, kw_only=True)
class Kit:
    """What a curriculum may be made from."""

    draws: Draws
    config: CurriculumConfig
    family: EnvFamily
    workshop: Workshop | None
    """None where nobody can check tasks of this family exactly."""
    budget: int
    """Tokens of memory that tasks are played under."""
    cost: Callable[[str], int]
    """Tokens that keeping an observation's text takes."""
    seed: int
    steps: int
    """Of the whole run."""

    def need_workshop(self) -> Workshop:
        """The workshop. Raises ConfigError where the family has none."""
        if self.workshop is None:
            way_out = f"env {self.family.name!r} has no workshop to write and check tasks in; use uniform or bandit"
            raise ConfigError("curriculum.name", self.config.name, way_out)
        return self.workshop
