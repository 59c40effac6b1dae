"""Never change anything: what the policy scores without memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from memrl.contracts.protocols import ControllerRequest, OpChoice
from memrl.contracts.registry import register
from memrl.controllers.rules import KEEP


class NoWrites:
    """Always keeps; retrieves nothing either."""

    version = 0

    def choose(self, requests: Sequence[ControllerRequest]) -> list[OpChoice]:
        return [OpChoice(KEEP, 0.0) for _ in requests]

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Nothing to load."""


register("controller", "none", lambda context: NoWrites())
