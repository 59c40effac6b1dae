"""The newest observations, as many as the budget holds: a context window."""

from __future__ import annotations

from memrl.contracts.protocols import ControllerRequest
from memrl.contracts.registry import register
from memrl.controllers.rules import Menu, Rule, oldest_first, remember

NO_LIMIT = 10**9


class Window(Rule):
    """Forgets from the oldest on until the observation fits, so that it holds the newest whatever their length.

    ``Fifo``, in contrast, forgets one and then gives the observation up. The rollout's ``max_ops`` bounds how many
    can go at one step.
    """

    def take_in(self, request: ControllerRequest, menu: Menu) -> int:
        return remember(request, menu, oldest_first, forgets=NO_LIMIT)


register("controller", "window", lambda context: Window())
