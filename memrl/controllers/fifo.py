"""First in, first out: everything is written, the oldest entry makes room."""

from __future__ import annotations

from memrl.contracts.protocols import ControllerRequest
from memrl.contracts.registry import register
from memrl.controllers.rules import Menu, Rule, oldest_first, remember


class Fifo(Rule):
    """Forgets at most one item before it writes in the place of the next; what still does not fit is skipped.

    ``Window``, in contrast, forgets as many as it takes.
    """

    def take_in(self, request: ControllerRequest, menu: Menu) -> int:
        return remember(request, menu, oldest_first)


register("controller", "fifo", lambda context: Fifo())
