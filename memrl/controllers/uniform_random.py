"""Any offer, each as likely."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from memrl.contracts.protocols import ControllerRequest, OpChoice
from memrl.contracts.registry import register


class UniformRandom:
    """Draws from the C offers with the episode's own generator, when it should be greedy too."""

    version = 0

    def choose(self, requests: Sequence[ControllerRequest]) -> list[OpChoice]:
        """One choice a request, with log-probability -log C."""
        return [_draw(request) for request in requests]

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Nothing to load."""


def _draw(request: ControllerRequest) -> OpChoice:
    count = len(request.offers.ops)
    return OpChoice(int(request.rng.integers(count)), -math.log(count))


register("controller", "random", lambda context: UniformRandom())
