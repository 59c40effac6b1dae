"""Least recently used: like ``Fifo``, but an entry that was retrieved stays longer."""

from __future__ import annotations

from collections.abc import Sequence

from memory_stores.types import Entry
from memrl.contracts.protocols import ControllerRequest
from memrl.contracts.registry import register
from memrl.controllers.rules import Menu, Rule, remember


class Lru(Rule):
    """The victim is the entry whose last use, or writing if it came later, lies furthest back; ties go to the older.

    Uses are those that the stores count (``used_at``). Where nothing is ever retrieved from a store it is ``Fifo``.
    """

    def take_in(self, request: ControllerRequest, menu: Menu) -> int:
        return remember(request, menu, _least_recent_first)


def _least_recent_first(request: ControllerRequest, entries: Sequence[Entry]) -> Sequence[Entry]:
    return sorted(entries, key=lambda entry: max(entry.used_at, entry.stamp.step))


register("controller", "lru", lambda context: Lru())
