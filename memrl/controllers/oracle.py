"""Holds what the best keeper's plan says, and nothing else: the ceiling, which looks at the future."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

from memory_stores.types import Entry, Relink
from memrl.contracts.protocols import ControllerRequest
from memrl.contracts.registry import register
from memrl.contracts.types import Task
from memrl.controllers.rules import KEEP, Menu, Rule, held, into_archive, link_fits

PLANS_KEPT = 512


class OracleKeeper(Rule):
    """Writes an observation if it is needed later, in the place of what is not. Edges go first, as they are shorter.

    Args:
        planner: task -> observation id -> last step at which it is needed. A pure function; the last ``PLANS_KEPT``
            plans are remembered.
    """

    def __init__(self, planner: Callable[[Task], Mapping[str, int]]) -> None:
        self._plan = lru_cache(maxsize=PLANS_KEPT)(planner)

    def take_in(self, request: ControllerRequest, menu: Menu) -> int:
        if not self._needed(request, request.observation.id):
            return KEEP
        token, graph = request.memory.token, request.memory.graph
        if token is not None and held(request, token.entries()):
            return KEEP
        if graph is not None and not menu.links and held(request, graph.entries()):
            return KEEP
        for into in (self._into_graph, self._into_token):
            choice = into(request, menu)
            if choice != KEEP:
                return choice
        return into_archive(request, menu)

    def _needed(self, request: ControllerRequest, observation_id: str) -> bool:
        return self._plan(request.task).get(observation_id, -1) >= request.observation.step

    def _stale(self, request: ControllerRequest, entry: Entry) -> bool:
        return not self._needed(request, entry.stamp.observation_id)

    def _into_graph(self, request: ControllerRequest, menu: Menu) -> int:
        graph = request.memory.graph
        if graph is None or not menu.links:
            return KEEP
        for i in menu.links:
            op = request.offers.ops[i]
            rival = graph.get(op.id) if isinstance(op, Relink) else None
            if link_fits(graph, op) and (rival is None or self._stale(request, rival)):
                return i
        stale = (edge for edge in graph.entries() if self._stale(request, edge))
        return next((menu.unlink[edge.id] for edge in stale if edge.id in menu.unlink), KEEP)

    def _into_token(self, request: ControllerRequest, menu: Menu) -> int:
        store = request.memory.token
        if store is None or menu.write is not None:
            return KEEP if menu.write is None else menu.write
        stale = [item for item in store.entries() if self._stale(request, item)]
        room = store.budget - store.tokens_used + sum(item.tokens for item in stale)
        if store.cost(request.observation.text) > room:
            return KEEP
        for ops in (menu.overwrite, menu.forget):
            for item in stale:
                if item.id in ops:
                    return ops[item.id]
        return KEEP


register("controller", "oracle", lambda context: OracleKeeper(context.plan))
