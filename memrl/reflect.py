"""From failed episodes to proven lessons to learning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from memrl.protocols import Agent, Lesson, LossPart
from memrl.types import Group


class NoReflection:
    """Studies nothing: the mode "off"."""

    def study(self, groups: Sequence[Group], agent: Agent) -> list[Lesson]:
        return []

    def homework(self, lessons: Sequence[Lesson]) -> Sequence[LossPart]:
        return ()

    def metrics(self) -> dict[str, float]:
        return {}

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Nothing to load."""
