"""Never change anything: what the policy scores without memory."""

from __future__ import annotations

from collections.abc import Sequence

from memrl.contracts.protocols import Chooser, ControllerRequest, OpChoice
from memrl.contracts.registry import register
from memrl.controllers.rules import KEEP


class NoWrites(Chooser):
    """Always keeps; retrieves nothing either."""

    def choose(self, requests: Sequence[ControllerRequest]) -> list[OpChoice]:
        return [OpChoice(KEEP, 0.0) for _ in requests]


register("controller", "none", lambda context: NoWrites())
