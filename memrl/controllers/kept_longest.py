"""The longest texts stay: the shortest of the new text and of all that is held makes room."""

from __future__ import annotations

from collections.abc import Sequence

from memory_stores.types import Entry
from memrl.contracts.protocols import ControllerRequest
from memrl.contracts.registry import register
from memrl.controllers.rules import KEEP, Menu, Rule, remember


class Longest(Rule):
    """Like ``Fifo``, but the shortest leaves, the older of two as long; a new text that is no longer is skipped."""

    def take_in(self, request: ControllerRequest, menu: Menu) -> int:
        token = request.memory.token
        if menu.write is None and token is not None and len(token):
            shortest = min(item.tokens for item in token.entries())
            if token.cost(request.observation.text) <= shortest:
                return KEEP
        return remember(request, menu, _shortest_first, forgets=64)


def _shortest_first(request: ControllerRequest, entries: Sequence[Entry]) -> Sequence[Entry]:
    return sorted(entries, key=lambda entry: entry.tokens)


register("controller", "longest", lambda context: Longest())
