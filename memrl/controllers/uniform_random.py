"""Any offer, each as likely."""

from __future__ import annotations

import math
from collections.abc import Sequence

from memrl.contracts.protocols import Chooser, ControllerRequest, OpChoice
from memrl.contracts.registry import register


class UniformRandom(Chooser):
    """Draws from the C offers with the episode's own generator, when it should be greedy too."""

    def choose(self, requests: Sequence[ControllerRequest]) -> list[OpChoice]:
        """One choice a request, with log-probability -log C."""
        return [_draw(request) for request in requests]


def _draw(request: ControllerRequest) -> OpChoice:
    count = len(request.offers.ops)
    return OpChoice(int(request.rng.integers(count)), -math.log(count))


register("controller", "random", lambda context: UniformRandom())
